using System.Text;

namespace McpCan.Server.Web.Parts;

/// <summary>Between an argument vector and the line that a person types. No shell: only quotes and backslashes, nothing is expanded.</summary>
public static class CommandText
{
    public static string Join(IEnumerable<string> arguments) => string.Join(' ', arguments.Select(Quote));

    /// <summary>The arguments of a line, or null when a quote is left open.</summary>
    public static List<string>? Split(string line)
    {
        var (result, word, started, quote) = (new List<string>(), new StringBuilder(), false, '\0');
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (c == '\\' && quote != '\'' && i + 1 < line.Length && (quote == '\0' || line[i + 1] is '"' or '\\')) { word.Append(line[++i]); started = true; }
            else if (quote != '\0') { if (c == quote) quote = '\0'; else word.Append(c); }
            else if (c is '"' or '\'') { quote = c; started = true; }
            else if (!char.IsWhiteSpace(c)) { word.Append(c); started = true; }
            else if (started) { result.Add(word.ToString()); word.Clear(); started = false; }
        }
        if (quote != '\0') return null;
        if (started) result.Add(word.ToString());
        return result;
    }

    private static string Quote(string argument) =>
        argument.Length > 0 && argument.All(c => !char.IsWhiteSpace(c) && c is not ('"' or '\'' or '\\')) ? argument : $"\"{argument.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
