using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace McpCan.Server.Market;

/// <summary>Puts values in the place of <c>{{key}}</c>.</summary>
internal static partial class TemplateFill
{
    // Where a number or yes/no is one in JSON, too; everywhere else a value is a text.
    private static readonly string[] TypedParents = ["limits", "access", "traffic", "timeouts"];
    private static readonly string[] TypedNames = ["port", "version", "readOnly", "restartOnChange", "start"];

    /// <summary>A placeholder's key, for each one in a text.</summary>
    public static IEnumerable<string> Keys(string text) => Placeholder().Matches(text).Select(m => m.Groups[1].Value);

    /// <summary>The instance with all values in their places. A text with a parameter that has no value is left out; in an address the value is left empty.</summary>
    public static JsonObject Fill(JsonObject instance, IReadOnlyDictionary<string, string[]> values) => (JsonObject)Node(instance, "", "", values)!;

    private static JsonNode? Node(JsonNode? node, string parent, string name, IReadOnlyDictionary<string, string[]> values)
    {
        switch (node)
        {
            case JsonObject fields:
                var filled = new JsonObject();
                foreach (var (key, value) in fields)
                {
                    var inner = Node(value, name, key, values);
                    // { "secret": "{{key}}" } without a value is no secret at all.
                    if (value is null || (inner is not null && !(value is JsonObject { Count: > 0 } && inner is JsonObject { Count: 0 }))) filled[key] = inner;
                }
                return filled;
            case JsonArray items:
                return new JsonArray([.. items.SelectMany(i => Several(i, values) ?? [Node(i, name, "", values)]).Where(i => i is not null)]);
            case JsonValue value when value.TryGetValue<string>(out var text):
                return Text(text, parent, name, values);
            default:
                return node?.DeepClone();
        }
    }

    /// <summary>Alone in a list, a parameter with several values becomes as many entries.</summary>
    private static IEnumerable<JsonNode?>? Several(JsonNode? item, IReadOnlyDictionary<string, string[]> values) =>
        item is JsonValue value && value.TryGetValue<string>(out var text) && Placeholder().Match(text) is { Success: true } match && match.Length == text.Length && values.GetValueOrDefault(match.Groups[1].Value) is { Length: > 1 } several
            ? several.Select(v => (JsonNode?)JsonValue.Create(v)) : null;

    private static JsonNode? Text(string text, string parent, string name, IReadOnlyDictionary<string, string[]> values)
    {
        var matches = Placeholder().Matches(text);
        if (matches.Count == 0) return JsonValue.Create(text);
        var isAddress = name == "url";
        if (!isAddress && matches.Any(m => !values.ContainsKey(m.Groups[1].Value))) return null;
        var result = Placeholder().Replace(text, match =>
        {
            var value = string.Join(',', values.GetValueOrDefault(match.Groups[1].Value) ?? []);
            // An address may begin with a value; inside one it is data.
            return isAddress && match.Index > 0 ? Uri.EscapeDataString(value) : value;
        });
        if (matches.Count == 1 && matches[0].Length == text.Length && (TypedParents.Contains(parent) || TypedNames.Contains(name)))
        {
            if (bool.TryParse(result, out var yes)) return JsonValue.Create(yes);
            if (long.TryParse(result, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return JsonValue.Create(whole);
            if (double.TryParse(result, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return JsonValue.Create(number);
        }
        return JsonValue.Create(result);
    }

    [GeneratedRegex(@"\{\{\s*([A-Za-z][A-Za-z0-9_-]{0,62})\s*\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
