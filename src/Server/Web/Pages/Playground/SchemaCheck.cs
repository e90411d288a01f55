using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>What is wrong with a value, as a text key with its arguments, and where.</summary>
public sealed record SchemaFault(string Path, string Key, params object[] Arguments);

/// <summary>Checks a value against a JSON Schema: the keywords that tools use, with bounded depth and effort.</summary>
internal static class SchemaCheck
{
    private const int Deepest = 32;
    private const int MostFaults = 20;
    private static readonly TimeSpan PatternPatience = TimeSpan.FromMilliseconds(100);

    public static IReadOnlyList<SchemaFault> Check(JsonNode? schema, JsonNode? value)
    {
        var faults = new List<SchemaFault>();
        if (schema is JsonObject root) Check(root, root, value, "", 0, faults);
        return faults;
    }

    public static bool Fits(JsonObject root, JsonNode? schema, JsonNode? value)
    {
        var faults = new List<SchemaFault>();
        Check(root, schema, value, "", 0, faults);
        return faults.Count == 0;
    }

    /// <summary>The schema with its reference followed and its <c>allOf</c> merged.</summary>
    public static JsonObject Resolve(JsonObject root, JsonObject schema, int depth = 0)
    {
        if (depth > Deepest) return [];
        var result = schema;
        if (schema["$ref"] is not null)
        {
            var target = Target(root, schema);
            if (ReferenceEquals(target, schema)) return [];
            var around = (JsonObject)schema.DeepClone();
            around.Remove("$ref");
            result = Merge(Resolve(root, target, depth + 1), around);
        }
        if (result["allOf"] is JsonArray all)
        {
            var around = (JsonObject)result.DeepClone();
            around.Remove("allOf");
            result = all.OfType<JsonObject>().Aggregate(around, (sum, part) => Merge(sum, Resolve(root, part, depth + 1)));
        }
        return result;
    }

    /// <summary>Where a reference leads; the schema itself without one.</summary>
    public static JsonObject Target(JsonObject root, JsonObject schema)
    {
        for (var hops = 0; hops < 10 && schema["$ref"] is JsonValue reference && reference.TryGetValue<string>(out var path); hops++)
        {
            if (path == "#") return root;
            if (!path.StartsWith("#/", StringComparison.Ordinal)) return schema;
            JsonNode? at = root;
            foreach (var step in path[2..].Split('/'))
            {
                var name = Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
                at = at switch
                {
                    JsonObject o => o[name],
                    JsonArray a when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < a.Count => a[index],
                    _ => null,
                };
            }
            if (at is not JsonObject found) return schema;
            schema = found;
        }
        return schema;
    }

    /// <summary>Both schemas at once; of single keywords the second counts.</summary>
    public static JsonObject Merge(JsonObject first, JsonObject second)
    {
        var sum = (JsonObject)first.DeepClone();
        foreach (var (key, value) in second)
        {
            if (key == "properties" && sum[key] is JsonObject properties && value is JsonObject more)
            {
                foreach (var (name, property) in more) properties[name] = property?.DeepClone();
            }
            else if (key == "required" && sum[key] is JsonArray required && value is JsonArray also)
            {
                foreach (var name in also) required.Add(name?.DeepClone());
            }
            else
            {
                sum[key] = value?.DeepClone();
            }
        }
        return sum;
    }

    public static decimal? Decimal(JsonNode? node) =>
        node is JsonValue && node.GetValueKind() == JsonValueKind.Number && decimal.TryParse(node.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static void Check(JsonObject root, JsonNode? schema, JsonNode? value, string path, int depth, List<SchemaFault> faults)
    {
        if (depth > Deepest || faults.Count >= MostFaults) return;
        if (schema is JsonValue flag && flag.GetValueKind() == JsonValueKind.False) faults.Add(new(path, "error-extra"));
        if (schema is not JsonObject given) return;
        var s = Resolve(root, given);
        if (!TypeFits(s["type"], value))
        {
            faults.Add(new(path, "error-type", Types(s["type"])));
            return;
        }
        if (s.ContainsKey("const") && !Same(s["const"], value)) faults.Add(new(path, "error-const", s["const"]?.ToJsonString() ?? "null"));
        if (s["enum"] is JsonArray values && !values.Any(v => Same(v, value))) faults.Add(new(path, "error-choice"));
        if (s["anyOf"] is JsonArray any && !any.Any(o => Fits(root, o, value, depth))) faults.Add(new(path, "error-variant"));
        if (s["oneOf"] is JsonArray one && one.Count(o => Fits(root, o, value, depth)) != 1) faults.Add(new(path, "error-variant"));
        if (s["not"] is JsonObject not && Fits(root, not, value, depth)) faults.Add(new(path, "error-not"));
        switch (value)
        {
            case JsonObject o: CheckObject(root, s, o, path, depth, faults); break;
            case JsonArray a: CheckArray(root, s, a, path, depth, faults); break;
            case JsonValue v when v.GetValueKind() == JsonValueKind.String: CheckText(s, v.ToString(), path, faults); break;
            case JsonValue v when v.GetValueKind() == JsonValueKind.Number: CheckNumber(s, v, path, faults); break;
        }
    }

    private static bool Fits(JsonObject root, JsonNode? schema, JsonNode? value, int depth)
    {
        var faults = new List<SchemaFault>();
        Check(root, schema, value, "", depth + 1, faults);
        return faults.Count == 0;
    }

    private static void CheckObject(JsonObject root, JsonObject s, JsonObject value, string path, int depth, List<SchemaFault> faults)
    {
        foreach (var name in (s["required"] as JsonArray)?.Select(r => r?.ToString() ?? "").Distinct() ?? [])
            if (!value.ContainsKey(name)) faults.Add(new(Join(path, name), "error-required"));
        var properties = s["properties"] as JsonObject;
        foreach (var (name, item) in value)
        {
            if (properties?.ContainsKey(name) == true) Check(root, properties[name], item, Join(path, name), depth + 1, faults);
            else if (s["additionalProperties"] is { } more && s["patternProperties"] is null) Check(root, more, item, Join(path, name), depth + 1, faults);
        }
    }

    private static void CheckArray(JsonObject root, JsonObject s, JsonArray value, string path, int depth, List<SchemaFault> faults)
    {
        if (Decimal(s["minItems"]) is { } least && value.Count < least) faults.Add(new(path, "error-min-items", least));
        if (Decimal(s["maxItems"]) is { } most && value.Count > most) faults.Add(new(path, "error-max-items", most));
        if (s["uniqueItems"]?.GetValueKind() == JsonValueKind.True && value.Count <= 200 && value.Select((v, at) => value.Take(at).Any(before => Same(before, v))).Any(same => same)) faults.Add(new(path, "error-unique"));
        var first = s["prefixItems"] as JsonArray;
        for (var at = 0; at < value.Count && faults.Count < MostFaults; at++)
            Check(root, first is not null && at < first.Count ? first[at] : s["items"], value[at], Join(path, at.ToString(CultureInfo.InvariantCulture)), depth + 1, faults);
    }

    private static void CheckText(JsonObject s, string text, string path, List<SchemaFault> faults)
    {
        var length = new StringInfo(text).LengthInTextElements;
        if (Decimal(s["minLength"]) is { } least && length < least) faults.Add(new(path, "error-min-length", least));
        if (Decimal(s["maxLength"]) is { } most && length > most) faults.Add(new(path, "error-max-length", most));
        if (s["pattern"] is JsonValue pattern && !Matches(pattern.ToString(), text)) faults.Add(new(path, "error-pattern", pattern.ToString()));
        var fits = s["format"]?.ToString() switch
        {
            "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
            "date-time" => text.Contains('T', StringComparison.OrdinalIgnoreCase) && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _),
            "uri" => Uri.TryCreate(text, UriKind.Absolute, out var uri) && text.Contains(':', StringComparison.Ordinal) && uri.Scheme.Length > 0,
            "email" => text.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1 && !text.Contains(' ', StringComparison.Ordinal),
            "uuid" => Guid.TryParseExact(text, "D", out _),
            _ => true,
        };
        if (!fits) faults.Add(new(path, "error-format", s["format"]!.ToString()));
    }

    private static void CheckNumber(JsonObject s, JsonValue value, string path, List<SchemaFault> faults)
    {
        if (Decimal(value) is not { } number) return;
        if (Decimal(s["minimum"]) is { } least && number < least) faults.Add(new(path, "error-min", least));
        if (Decimal(s["maximum"]) is { } most && number > most) faults.Add(new(path, "error-max", most));
        if (Decimal(s["exclusiveMinimum"]) is { } above && number <= above) faults.Add(new(path, "error-above", above));
        if (Decimal(s["exclusiveMaximum"]) is { } below && number >= below) faults.Add(new(path, "error-below", below));
        if (Decimal(s["multipleOf"]) is { } step and > 0 && number % step != 0) faults.Add(new(path, "error-step", step));
    }

    private static bool Matches(string pattern, string text)
    {
        try
        {
            return Regex.IsMatch(text, pattern, RegexOptions.ECMAScript, PatternPatience);
        }
        catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
        {
            return true; // a pattern that we cannot read is left to the server
        }
    }

    private static bool TypeFits(JsonNode? type, JsonNode? value) => type switch
    {
        JsonValue one => TypeFits(one.ToString(), value),
        JsonArray many => many.Any(t => TypeFits(t?.ToString() ?? "", value)),
        _ => true,
    };

    private static bool TypeFits(string type, JsonNode? value) => (type, value?.GetValueKind() ?? JsonValueKind.Null) switch
    {
        ("object", JsonValueKind.Object) or ("array", JsonValueKind.Array) or ("string", JsonValueKind.String) or ("number", JsonValueKind.Number) or ("null", JsonValueKind.Null) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
        ("integer", JsonValueKind.Number) => Decimal(value) is not { } number || number == decimal.Truncate(number),
        ("object" or "array" or "string" or "number" or "null" or "boolean" or "integer", _) => false,
        _ => true,
    };

    private static string Types(JsonNode? type) => type is JsonArray many ? string.Join(" | ", many.Select(t => t?.ToString())) : type?.ToString() ?? "";

    private static bool Same(JsonNode? a, JsonNode? b) => JsonNode.DeepEquals(a, b) || (Decimal(a) is { } x && Decimal(b) is { } y && x == y);

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
