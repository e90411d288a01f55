using System.Text.RegularExpressions;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>Environment variables from pasted <c>.env</c> text.</summary>
public static partial class EnvText
{
    public static List<EnvEntry> Parse(string text)
    {
        var entries = new List<EnvEntry>();
        foreach (var raw in text.Split('\n'))
        {
            if (Line().Match(raw.Trim()) is not { Success: true } match) continue;
            var (name, value) = (match.Groups["name"].Value, match.Groups["value"].Value.Trim());
            if (value.Length >= 2 && value[0] == value[^1] && value[0] is '"' or '\'') value = value.Length >= 2 ? value[1..^1] : "";
            else if (value.IndexOf(" #", StringComparison.Ordinal) is >= 0 and var comment) value = value[..comment].TrimEnd();
            entries.Add(new EnvEntry { Name = name, Value = value, Secret = LooksSecret(name) });
        }
        return entries;
    }

    public static bool IsName(string name) => Name().IsMatch(name);

    public static bool IsHeaderName(string name) => HeaderName().IsMatch(name);

    public static bool LooksSecret(string name) => SecretName().IsMatch(name);

    [GeneratedRegex(@"^(?:export\s+)?(?<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?<value>.*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Line();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    [GeneratedRegex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex HeaderName();

    [GeneratedRegex("KEY|TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|AUTH", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SecretName();
}
