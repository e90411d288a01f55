using System.Text.Json;
using System.Text.Json.Serialization;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.OpenApi;

namespace McpCan.Server.Access;

/// <summary>Which tools, prompts or resources a token may use. A name may hold <c>*</c> for any characters.</summary>
/// <param name="Allow">Open names; null for all.</param>
/// <param name="Deny">Names that stay closed although allowed.</param>
public sealed record NameRules(IReadOnlyList<string>? Allow, IReadOnlyList<string> Deny)
{
    private const int MostNames = 500;
    private const int LongestName = 2048;

    internal NameRule? Rule() => Allow is null && Deny.Count == 0 ? null : new NameRule(Allow, Deny);

    internal void Check(Checks checks, string field)
    {
        Names(Allow ?? [], $"{field}.allow");
        Names(Deny, $"{field}.deny");

        void Names(IReadOnlyList<string> names, string at) => checks
            .That(names.Count <= MostNames, at, $"At most {MostNames} names; * stands for any characters.")
            .That(names.All(n => n is { Length: > 0 and <= LongestName } && !n.Any(char.IsControl) && n.Trim() == n), at,
                $"A name has 1 to {LongestName} characters, no control characters, and no space at its start or end.");
    }
}

/// <summary>Rules to set: JSON <c>{ "allow": […] or null, "deny": […] }</c>, of which what is left out stays, or an array for <c>allow</c> alone.</summary>
[JsonConverter(typeof(Converter))]
public sealed record NameRulesInput
{
    /// <summary>Open names; null for all.</summary>
    public Patch<IReadOnlyList<string>> Allow { get; init; }
    /// <summary>Names that stay closed although allowed.</summary>
    public Patch<IReadOnlyList<string>> Deny { get; init; }

    internal NameRules? Over(NameRules? present)
    {
        var rules = new NameRules(Allow.Or(present?.Allow), Deny.Or(present?.Deny) ?? []);
        return rules is { Allow: null, Deny.Count: 0 } ? null : rules;
    }

    internal static void Describe(OpenApiSchema schema)
    {
        schema.Description = "Names or URIs, * stands for any characters: an object, of which what is left out stays, or an array that names what is open.";
        OpenApiSchema Names(JsonSchemaType more) => new() { Type = JsonSchemaType.Array | more, Items = new OpenApiSchema { Type = JsonSchemaType.String } };
        schema.OneOf =
        [
            Names(0),
            new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Properties = new Dictionary<string, IOpenApiSchema> { ["allow"] = Names(JsonSchemaType.Null), ["deny"] = Names(JsonSchemaType.Null) },
            },
        ];
    }

    private sealed class Converter : JsonConverter<NameRulesInput>
    {
        public override NameRulesInput Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.StartArray) return new() { Allow = new(true, Names(ref reader)), Deny = new(true, null) };
            if (reader.TokenType != JsonTokenType.StartObject) throw new JsonException("Must be an array of names or an object with 'allow' and 'deny'.");
            var input = new NameRulesInput();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var allow = reader.ValueTextEquals("allow"u8);
                if (!allow && !reader.ValueTextEquals("deny"u8)) throw new JsonException("Only 'allow' and 'deny' are known here.");
                if (allow ? input.Allow.Given : input.Deny.Given) throw new JsonException("A field comes twice.");
                reader.Read();
                var names = new Patch<IReadOnlyList<string>>(true, reader.TokenType == JsonTokenType.Null ? null : Names(ref reader));
                input = allow ? input with { Allow = names } : input with { Deny = names };
            }
            return input;
        }

        public override void Write(Utf8JsonWriter writer, NameRulesInput value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.Over(null), options);

        private static List<string> Names(ref Utf8JsonReader reader)
        {
            if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException("Must be an array of names.");
            var names = new List<string>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                names.Add(reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException("Must contain only texts."));
            return names;
        }
    }
}
