using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using McpCan.Server.Hosting;

namespace McpCan.Server.Market;

/// <summary>Values of a template's parameters, checked. A parameter without a value has no entry.</summary>
internal static class TemplateValues
{
    private const int LongestText = 10_000, LongestFile = 256 * 1024;
    private static readonly TimeSpan PatternLimit = TimeSpan.FromMilliseconds(200);

    /// <summary>Reads what was given, with the defaults for the rest; what is wrong is noted under <c>values.KEY</c>.</summary>
    public static Dictionary<string, string[]> Read(IReadOnlyList<TemplateParameter> parameters, IReadOnlyDictionary<string, JsonElement>? given, Checks checks)
    {
        var values = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var unknown in (given ?? new Dictionary<string, JsonElement>()).Keys.Where(k => parameters.All(p => p.Key != k)))
            checks.That(false, Field(unknown), $"The template asks for no '{unknown}'. It asks for {(parameters.Count == 0 ? "nothing" : string.Join(", ", parameters.Select(p => p.Key)))}.");
        foreach (var parameter in parameters)
        {
            var value = given is not null && given.TryGetValue(parameter.Key, out var own) && own.ValueKind != JsonValueKind.Null ? own : parameter.Default;
            var texts = value is { } v ? Texts(parameter, v, checks) : [];
            if (texts.Length > 0) values[parameter.Key] = texts;
            else checks.That(!parameter.Required, Field(parameter.Key), "Is needed.");
        }
        return values;
    }

    private static string Field(string key) => $"values.{key}";

    private static string[] Texts(TemplateParameter parameter, JsonElement value, Checks checks)
    {
        string[] texts = value.ValueKind switch
        {
            JsonValueKind.Array when parameter.Multiple && value.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String) => [.. value.EnumerateArray().Select(e => e.GetString()!)],
            JsonValueKind.String when parameter.Multiple => value.GetString()!.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            JsonValueKind.String => value.GetString() is { Length: > 0 } text ? [text] : [],
            JsonValueKind.Number => [value.GetRawText()],
            JsonValueKind.True => ["true"],
            JsonValueKind.False => ["false"],
            _ => [],
        };
        checks.That(value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array) || texts.Length > 0 || parameter.Multiple, Field(parameter.Key), $"Must be {(parameter.Multiple ? "a list of texts" : "a text, a number, or true or false")}.");
        foreach (var text in texts) checks.That(Fault(parameter, text) is null, Field(parameter.Key), Fault(parameter, text) ?? "");
        return texts;
    }

    /// <summary>What is wrong with a value; null when it is good.</summary>
    private static string? Fault(TemplateParameter parameter, string text)
    {
        switch (parameter.Type)
        {
            case ParameterTypes.Number:
                if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number)) return "Must be a number.";
                return number < parameter.Minimum ? $"Must be at least {parameter.Minimum}." : number > parameter.Maximum ? $"Must be at most {parameter.Maximum}." : null;
            case ParameterTypes.Boolean:
                return text is "true" or "false" ? null : "Must be true or false.";
            case ParameterTypes.Choice:
                return parameter.Options?.Contains(text, StringComparer.Ordinal) == true ? null : $"Must be one of {string.Join(", ", parameter.Options ?? [])}.";
            case ParameterTypes.File:
                return text.Length <= LongestFile ? null : "A file has at most 256 KiB.";
            default:
                if (text.Length > LongestText || text.Any(c => char.IsControl(c))) return "At most 10,000 characters, no line ends or other control characters.";
                if (text.Length < parameter.Minimum) return $"Must have at least {parameter.Minimum} characters.";
                if (text.Length > parameter.Maximum) return $"Must have at most {parameter.Maximum} characters.";
                return parameter.Pattern is { } pattern && !Fits(text, pattern) ? $"Must fit the form {pattern}." : null;
        }
    }

    private static bool Fits(string text, string pattern)
    {
        try
        {
            return Regex.IsMatch(text, $"^(?:{pattern})$", RegexOptions.CultureInvariant, PatternLimit);
        }
        catch (Exception e) when (e is RegexMatchTimeoutException or ArgumentException)
        {
            return false;
        }
    }
}
