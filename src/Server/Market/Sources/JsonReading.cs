using System.Text.Json;

namespace McpCan.Server.Market.Sources;

/// <summary>Reads JSON that others wrote: what is not as expected is as if it were not there.</summary>
internal static class JsonReading
{
    private const int LongestText = 4000;

    public static JsonElement? Get(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static string? Text(this JsonElement element, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (element.Get(name) is { ValueKind: JsonValueKind.String } value && value.GetString() is { Length: > 0 } text) return Clean(text);
        return null;
    }

    public static bool IsTrue(this JsonElement element, string name) => element.Get(name) is { ValueKind: JsonValueKind.True };

    public static IEnumerable<JsonElement> Items(this JsonElement element, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (element.Get(name) is { ValueKind: JsonValueKind.Array } array) return array.EnumerateArray().Where(i => i.ValueKind == JsonValueKind.Object);
        return [];
    }

    public static DateTimeOffset? Time(this JsonElement element, string name) =>
        element.Text(name) is { } text && DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    /// <summary>An http or https address; all else is none.</summary>
    public static string? Link(string? text) => Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" ? text : null;

    // No control characters, which no text for people needs, and no endless ones.
    private static string Clean(string text)
    {
        if (text.Any(c => char.IsControl(c) && c != '\n')) text = new([.. text.Where(c => !char.IsControl(c) || c == '\n')]);
        return text.Length > LongestText ? text[..LongestText] + "…" : text;
    }
}
