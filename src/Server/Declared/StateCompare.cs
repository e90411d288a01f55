using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Instances;

namespace McpCan.Server.Declared;

/// <summary>Compares what should be with what is: only what is named counts, but maps of variables and headers count whole.</summary>
internal static class StateCompare
{
    private static readonly string[] Whole = ["env", "headers"];

    /// <summary>Paths of fields that differ.</summary>
    /// <param name="wanted">What should be.</param>
    /// <param name="present">What is.</param>
    /// <param name="secret">Whether a stored secret has a value, by its path; null where that cannot be told.</param>
    public static List<string> Differences(JsonObject wanted, JsonObject present, Func<string, string, bool?>? secret = null)
    {
        var found = new List<string>();
        Fields(wanted, present, "", false, secret, found);
        return found;
    }

    private static void Fields(JsonObject wanted, JsonObject? present, string path, bool whole, Func<string, string, bool?>? secret, List<string> found)
    {
        foreach (var (name, value) in wanted)
        {
            var at = path.Length == 0 ? name : $"{path}.{name}";
            Node(value, present?[name], at, Whole.Contains(name), secret, found);
        }
        if (!whole || present is null) return;
        foreach (var (name, _) in present)
            if (!wanted.ContainsKey(name)) found.Add($"{path}.{name}");
    }

    private static void Node(JsonNode? wanted, JsonNode? present, string path, bool whole, Func<string, string, bool?>? secret, List<string> found)
    {
        switch (wanted)
        {
            case null:
                if (present is not (null or JsonArray { Count: 0 } or JsonObject { Count: 0 })) found.Add(path);
                break;
            case JsonObject { Count: 1 } hidden when hidden.TryGetPropertyValue("secret", out var value):
                var isStored = present is JsonObject stored && stored.ContainsKey("secret");
                if (!isStored || (value is JsonValue text && text.TryGetValue<string>(out var plain) && secret?.Invoke(path, plain) == false)) found.Add(path);
                break;
            case JsonObject fields:
                if (present is JsonObject or null) Fields(fields, present as JsonObject, path, whole, secret, found);
                else found.Add(path);
                break;
            case JsonArray items:
                if (present is not JsonArray others || others.Count != items.Count || items.Zip(others).Any(pair => !Same(pair.First, pair.Second))) found.Add(path);
                break;
            default:
                if (!SameValue(wanted, present, path)) found.Add(path);
                break;
        }
    }

    private static bool Same(JsonNode? wanted, JsonNode? present)
    {
        var found = new List<string>();
        Node(wanted, present, "", false, null, found);
        return found.Count == 0;
    }

    private static bool SameValue(JsonNode wanted, JsonNode? present, string path)
    {
        if (present is not JsonValue) return false;
        if (path == "remote.url" && wanted.GetValueKind() == JsonValueKind.String) return RemoteUrl.Mask(wanted.GetValue<string>()) == present.GetValue<string>();
        if (wanted.GetValueKind() == JsonValueKind.Number && present.GetValueKind() == JsonValueKind.Number)
            return decimal.Parse(wanted.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture) == decimal.Parse(present.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture);
        if (wanted.GetValueKind() == JsonValueKind.String && present.GetValueKind() == JsonValueKind.String && DateTimeOffset.TryParse(wanted.GetValue<string>(), CultureInfo.InvariantCulture, out var a) && DateTimeOffset.TryParse(present.GetValue<string>(), CultureInfo.InvariantCulture, out var b))
            return a == b;
        return JsonNode.DeepEquals(wanted, present);
    }

}
