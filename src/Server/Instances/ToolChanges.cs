using System.Text.Encodings.Web;
using System.Text.Json;

namespace McpCan.Server.Instances;

/// <summary>Which tools differ between two versions of a server.</summary>
internal static class ToolChanges
{
    private const int Most = 200, LongestText = 16 << 10;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The differences by name; at most 200.</summary>
    public static List<ToolChange> Compare(IReadOnlyList<FoundTool> before, IReadOnlyList<FoundTool> after)
    {
        var (old, now) = (ByName(before), ByName(after));
        var changes = new List<ToolChange>();
        foreach (var name in old.Keys.Union(now.Keys).Order(StringComparer.Ordinal))
        {
            var (was, isNow) = (old.TryGetValue(name, out var a), now.TryGetValue(name, out var b));
            if (was && isNow && JsonElement.DeepEquals(a, b)) continue;
            changes.Add(new(name, !was ? "added" : !isNow ? "removed" : "changed", was ? Text(a) : null, isNow ? Text(b) : null));
            if (changes.Count == Most) break;
        }
        return changes;
    }

    private static Dictionary<string, JsonElement> ByName(IReadOnlyList<FoundTool> tools) =>
        tools.Where(t => t.Name.Length is > 0 and <= 200).DistinctBy(t => t.Name).ToDictionary(t => t.Name, t => t.Definition, StringComparer.Ordinal);

    private static string Text(JsonElement definition)
    {
        var text = JsonSerializer.Serialize(definition, Indented);
        return text.Length <= LongestText ? text : text[..LongestText] + "…";
    }
}
