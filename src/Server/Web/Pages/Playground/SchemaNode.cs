using System.Globalization;
using System.Text.Json.Nodes;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>How a value is entered.</summary>
public enum SchemaKind { Text, Number, Boolean, Choice, Constant, List, Group, Variants, Json }

/// <summary>A JSON Schema as the form needs it: references followed, <c>allOf</c> merged, null apart. What is too deep or too odd becomes a JSON field.</summary>
public sealed class SchemaNode
{
    private const int DeepestForm = 3;
    private const int MostFields = 200;
    private static readonly string[] LongFormats = ["textarea", "multi-line", "multiline", "markdown", "code"];

    private SchemaNode(JsonObject schema) => Schema = schema;

    public SchemaKind Kind { get; private set; } = SchemaKind.Json;
    public JsonObject Schema { get; private set; }
    public string? Title => Text("title");
    public string? Description => Text("description");
    public string? Format => Text("format");
    public string? Pattern => Text("pattern");
    public string Type { get; private set; } = "any";
    public bool Nullable { get; private set; }
    public bool Integer { get; private set; }
    public bool Long { get; private set; }
    public bool HasDefault => Schema.ContainsKey("default");
    public JsonNode? Default => Schema["default"];
    public JsonNode? Constant => Schema["const"];
    /// <summary>Choices with the words for people.</summary>
    public IReadOnlyList<(JsonNode? Value, string Label)> Choices { get; private set; } = [];
    public IReadOnlyList<(string Name, bool Required, SchemaNode Node)> Fields { get; private set; } = [];
    public SchemaNode? Items { get; private set; }
    public IReadOnlyList<SchemaNode> Variants { get; private set; } = [];

    public decimal? Number(string keyword) => SchemaCheck.Decimal(Schema[keyword]);
    public string? Text(string keyword) => Schema[keyword] is JsonValue v && v.TryGetValue<string>(out var text) ? text : null;

    /// <summary>The form's schema of a tool.</summary>
    public static SchemaNode Of(JsonNode? schema)
    {
        var root = schema as JsonObject ?? new JsonObject { ["type"] = "object" };
        return Read(root, root, 0, []);
    }

    private static SchemaNode Read(JsonObject root, JsonNode? schema, int depth, HashSet<JsonNode> above)
    {
        if (schema is not JsonObject given) return new SchemaNode([]);
        var merged = SchemaCheck.Resolve(root, given);
        var node = new SchemaNode(merged);
        // A schema within itself would have no end: from there on as JSON.
        var target = SchemaCheck.Target(root, given);
        if (!above.Add(target)) return node.AsJson();
        node.Fill(root, depth, above);
        above.Remove(target);
        return node;
    }

    private void Fill(JsonObject root, int depth, HashSet<JsonNode> above)
    {
        if (Schema.ContainsKey("const"))
        {
            (Kind, Type) = (SchemaKind.Constant, "const");
            return;
        }
        if (Schema["enum"] is JsonArray values)
        {
            var names = Schema["enumNames"] as JsonArray;
            Nullable = values.Any(v => v is null);
            Choose([.. values.Select((v, at) => (v, names is not null && at < names.Count ? names[at]?.ToString() ?? "" : v?.ToString() ?? "null")).Where(c => c.v is not null)]);
            return;
        }
        if ((Schema["oneOf"] ?? Schema["anyOf"]) is JsonArray options)
        {
            ReadOptions(root, [.. options.OfType<JsonObject>()], depth, above);
            return;
        }
        var types = Schema["type"] switch
        {
            JsonValue one => [one.ToString()],
            JsonArray many => [.. many.OfType<JsonNode>().Select(t => t.ToString())],
            _ => Schema.ContainsKey("properties") ? ["object"] : Schema.ContainsKey("items") ? ["array"] : Array.Empty<string>(),
        };
        Nullable = types.Contains("null");
        types = [.. types.Where(t => t != "null")];
        Type = types.Length == 1 ? types[0] : types.Length == 0 ? "any" : string.Join(" | ", types);
        ReadType(root, depth, above);
    }

    private void ReadType(JsonObject root, int depth, HashSet<JsonNode> above)
    {
        switch (Type)
        {
            case "string":
                Kind = SchemaKind.Text;
                Long = Number("maxLength") > 120 || (Format is { } format && LongFormats.Contains(format));
                break;
            case "integer" or "number":
                (Kind, Integer) = (SchemaKind.Number, Type == "integer");
                break;
            case "boolean":
                Kind = SchemaKind.Boolean;
                break;
            case "array" when Schema["items"] is JsonObject items && !Schema.ContainsKey("prefixItems") && depth < DeepestForm:
                (Kind, Items) = (SchemaKind.List, Read(root, items, depth + 1, above));
                break;
            case "object" when Schema["properties"] is JsonObject properties && properties.Count is > 0 and <= MostFields && depth < DeepestForm:
                var required = (Schema["required"] as JsonArray)?.Select(r => r?.ToString()).ToHashSet() ?? [];
                (Kind, Fields) = (SchemaKind.Group, [.. properties.Select(p => (p.Key, required.Contains(p.Key), Read(root, p.Value, depth + 1, above)))]);
                break;
            case "object" when depth == 0 && Schema["additionalProperties"] is not (null or JsonValue):
                break;
            case "object" when depth == 0:
                Kind = SchemaKind.Group;
                break;
        }
    }

    private void ReadOptions(JsonObject root, List<JsonObject> options, int depth, HashSet<JsonNode> above)
    {
        var rest = options.Where(o => SchemaCheck.Resolve(root, o)["type"]?.ToString() != "null").ToList();
        Nullable = rest.Count < options.Count;
        if (rest.Count > 0 && rest.TrueForAll(o => o.ContainsKey("const")))
        {
            Choose([.. rest.Select(o => (o["const"], o["title"]?.ToString() ?? o["const"]?.ToString() ?? "null"))]);
            return;
        }
        // The words around the options stay those of the field.
        var around = (JsonObject)Schema.DeepClone();
        foreach (var keyword in (string[])["oneOf", "anyOf"]) around.Remove(keyword);
        if (rest.Count == 1)
        {
            Schema = SchemaCheck.Merge(SchemaCheck.Resolve(root, rest[0]), around);
            var nullable = Nullable;
            Fill(root, depth, above);
            Nullable |= nullable;
            return;
        }
        if (rest.Count == 0 || depth >= DeepestForm || rest.Count > 20) return;
        around.Remove("title");
        around.Remove("description");
        around.Remove("default");
        (Kind, Type) = (SchemaKind.Variants, Schema.ContainsKey("oneOf") ? "one of" : "any of");
        Variants = [.. rest.Select(o => Read(root, around.Count == 0 ? o : SchemaCheck.Merge(around, SchemaCheck.Resolve(root, o)), depth, above))];
    }

    private void Choose(IReadOnlyList<(JsonNode? Value, string Label)> choices) => (Kind, Type, Choices) = (SchemaKind.Choice, "choice", choices);

    private SchemaNode AsJson()
    {
        Type = Text("type") ?? "any";
        return this;
    }

    /// <summary>Name of a variant for people.</summary>
    public string VariantName(int number) => Title ?? (Fields.Select(f => f.Node.Constant?.ToString()).FirstOrDefault(c => c is not null) ?? (Type is "any" ? string.Create(CultureInfo.InvariantCulture, $"{number}") : Type));
}
