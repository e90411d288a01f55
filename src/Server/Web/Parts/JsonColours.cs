using System.Text.RegularExpressions;

namespace McpCan.Server.Web.Parts;

/// <summary>Splits JSON text for display: keys, strings, numbers.</summary>
internal static partial class JsonColours
{
    public static IEnumerable<(string Text, string? Css)> Split(string json)
    {
        var at = 0;
        foreach (Match match in Tokens().Matches(json))
        {
            if (match.Index > at) yield return (json[at..match.Index], null);
            yield return (match.Value, match.Groups["key"].Success ? "k" : match.Groups["text"].Success ? "v" : "n");
            at = match.Index + match.Length;
        }
        if (at < json.Length) yield return (json[at..], null);
    }

    [GeneratedRegex("""(?<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?<text>"(?:[^"\\]|\\.)*")|(?<number>-?\b\d[\d.eE+-]*\b|\b(?:true|false|null)\b)""", RegexOptions.CultureInvariant)]
    private static partial Regex Tokens();
}
