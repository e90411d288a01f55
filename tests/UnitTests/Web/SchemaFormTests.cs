using System.Text.Json.Nodes;
using McpCan.Server.Web.Pages.Playground;

namespace McpCan.UnitTests.Web;

/// <summary>The form of the playground: every kind of schema holds the same value as its JSON.</summary>
public sealed class SchemaFormTests
{
    [Theory]
    [InlineData("""{"type":"string"}""", "\"text\"", SchemaKind.Text)]
    [InlineData("""{"type":"string"}""", "\"\"", SchemaKind.Text)]
    [InlineData("""{"type":["string","null"]}""", "null", SchemaKind.Text)]
    [InlineData("""{"type":"integer"}""", "12345678901234567890123", SchemaKind.Number)]
    [InlineData("""{"type":"number"}""", "1.50", SchemaKind.Number)]
    [InlineData("""{"type":"boolean"}""", "false", SchemaKind.Boolean)]
    [InlineData("""{"enum":["a",2,true]}""", "2", SchemaKind.Choice)]
    [InlineData("""{"oneOf":[{"const":"r","title":"Red"},{"const":"g","title":"Green"}]}""", "\"g\"", SchemaKind.Choice)]
    [InlineData("""{"const":{"v":1}}""", """{"v":1}""", SchemaKind.Constant)]
    [InlineData("""{"type":"array","items":{"type":"integer"}}""", "[3,1,2]", SchemaKind.List)]
    [InlineData("""{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}}""", """[{"a":"x"},{}]""", SchemaKind.List)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"number"}}}}}""", """{"a":{"b":1,"extra":[1]}}""", SchemaKind.Group)]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"integer"}]}""", "5", SchemaKind.Variants)]
    [InlineData("""{"anyOf":[{"type":"integer"},{"type":"null"}]}""", "5", SchemaKind.Number)]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"number"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"},"y":{"type":"number"}},"required":["k"]}]}""", """{"k":"b","y":2}""", SchemaKind.Variants)]
    [InlineData("""{"$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}}""", "7", SchemaKind.Number)]
    [InlineData("""{"allOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"properties":{"b":{"type":"string"}}}]}""", """{"a":"1","b":"2"}""", SchemaKind.Group)]
    [InlineData("{}", """{"free":[1,{"x":null}]}""", SchemaKind.Json)]
    [InlineData("""{"type":"integer"}""", "\"not a number\"", SchemaKind.Number)]
    public void Field_HoldsTheValueOfItsJson(string schema, string value, SchemaKind kind)
    {
        var form = FormField.Of(Wrap(schema), "f");
        Assert.Equal(kind, form.Fields[0].Node.Kind);

        form.Write(new JsonObject { ["v"] = JsonNode.Parse(value) });

        Assert.Equal($$"""{"v":{{value}}}""", form.Value!.ToJsonString());
    }

    [Fact]
    public void EmptyOptionals_AreNotSent()
    {
        var form = FormField.Of(JsonNode.Parse("""
            {"type":"object","required":["need"],"properties":{"need":{"type":"string"},"text":{"type":"string"},"number":{"type":"number"},"on":{"type":"boolean"},
             "list":{"type":"array","items":{"type":"string"}},"group":{"type":"object","required":["x"],"properties":{"x":{"type":"string"},"fixed":{"const":1}}},"given":{"type":"integer","default":4}}}
            """), "f");

        Assert.Equal("""{"given":4}""", form.Value!.ToJsonString());
        Assert.False(form.Check());
        Assert.Equal("error-required", form.Fields[0].Fault!.Key);
        form.Fields[0].Enter("there");
        Assert.True(form.Check());
        Assert.Equal("""{"need":"there","given":4}""", form.Value!.ToJsonString());
    }

    [Theory]
    [InlineData("""{"type":"integer","minimum":1}""", "0", "error-min")]
    [InlineData("""{"type":"integer","maximum":5}""", "6", "error-max")]
    [InlineData("""{"type":"integer"}""", "1.5", "error-type")]
    [InlineData("""{"type":"number","exclusiveMinimum":0}""", "0", "error-above")]
    [InlineData("""{"type":"number","multipleOf":0.5}""", "0.7", "error-step")]
    [InlineData("""{"type":"string","minLength":3}""", "ab", "error-min-length")]
    [InlineData("""{"type":"string","maxLength":1}""", "ab", "error-max-length")]
    [InlineData("""{"type":"string","pattern":"^x"}""", "ab", "error-pattern")]
    [InlineData("""{"type":"string","format":"date"}""", "2026-02-30", "error-format")]
    [InlineData("""{"type":"string","format":"email"}""", "ab", "error-format")]
    [InlineData("{}", "{", "error-json")]
    public void WrongEntries_AreNamedAtTheirField(string schema, string entry, string fault)
    {
        var form = FormField.Of(Wrap(schema), "f");
        form.Fields[0].Enter(entry);

        Assert.False(form.Check());
        Assert.Equal(fault, form.Fields[0].Fault!.Key);
    }

    [Fact]
    public void Items_AreAdded_Moved_AndRemoved()
    {
        var list = FormField.Of(Wrap("""{"type":"array","items":{"type":"string"}}"""), "f").Fields[0];
        foreach (var text in (string[])["a", "b", "c"])
        {
            list.Add();
            list.Items[^1].Enter(text);
        }
        list.Move(list.Items[2], -1);
        list.Remove(list.Items[0]);

        list.Read(out var value);
        Assert.Equal("""["c","b"]""", value!.ToJsonString());
    }

    [Fact]
    public void DeepAndEndlessSchemas_BecomeJson()
    {
        var endless = FormField.Of(JsonNode.Parse("""{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"child":{"$ref":"#/$defs/tree"}}}}}"""), "f");
        Assert.Equal(SchemaKind.Json, endless.Fields[0].Node.Kind);

        var deep = Wrap(Wrap(Wrap(Wrap("""{"type":"string"}""").ToJsonString()).ToJsonString()).ToJsonString());
        Assert.Equal(SchemaKind.Json, FormField.Of(deep, "f").Fields[0].Fields[0].Fields[0].Node.Kind);
    }

    [Fact]
    public void OddSchemas_DoNoHarm()
    {
        foreach (var schema in (string[])["true", "[]", "null", "5", """{"type":"object","properties":7,"required":3,"enum":{}}""", """{"$ref":"#/nowhere"}""", """{"$ref":"#"}""", """{"oneOf":[]}""", """{"type":"object","properties":{"a":{"$ref":"#/properties/a"}}}"""])
        {
            var form = FormField.Of(JsonNode.Parse(schema), "f");
            form.Write(new JsonObject { ["a"] = 1 });
            form.Check();
            Assert.Equal("""{"a":1}""", form.Value!.ToJsonString());
        }
    }

    [Fact]
    public void Check_NamesPlacesOfFaults()
    {
        var faults = SchemaCheck.Check(
            JsonNode.Parse("""{"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":{"type":"array","items":{"type":"integer"}}}}"""), JsonNode.Parse("""{"a":[1,"x"],"b":1}"""));

        Assert.Equal([("a.1", "error-type"), ("b", "error-extra")], faults.Select(f => (f.Path, f.Key)));
    }

    private static JsonObject Wrap(string schema)
    {
        var inner = JsonNode.Parse(schema)!;
        var outer = new JsonObject { ["type"] = "object" };
        // Definitions belong to the root.
        if (inner is JsonObject o && o["$defs"] is { } definitions)
        {
            outer["$defs"] = definitions.DeepClone();
            o.Remove("$defs");
        }
        outer["properties"] = new JsonObject { ["v"] = inner };
        return outer;
    }
}
