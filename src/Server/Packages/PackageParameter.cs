namespace McpCan.Server.Packages;

/// <summary>Something that a bundle asks the person who sets it up for. Its value is an environment variable of the instance.</summary>
/// <param name="Key">Its name in the manifest.</param>
/// <param name="Variable">Environment variable that holds the value.</param>
/// <param name="Title">What it is called for people.</param>
/// <param name="Description">What it is for.</param>
/// <param name="Type"><c>string</c>, <c>number</c>, <c>boolean</c>, <c>directory</c> or <c>file</c>.</param>
/// <param name="Required">Whether the server cannot start without it.</param>
/// <param name="Sensitive">Whether it is kept as a secret.</param>
/// <param name="Multiple">Whether it is a list, one value a line.</param>
/// <param name="Default">The value unless told.</param>
public sealed record PackageParameter(string Key, string Variable, string Title, string? Description, string Type, bool Required, bool Sensitive, bool Multiple, string? Default)
{
    /// <summary>What stands for the value in commands and variables.</summary>
    internal static string Marker(string key) => $"${{user_config.{key}}}";

    /// <summary>Variable of a parameter that the bundle gives no variable of its own.</summary>
    internal static string VariableOf(string key) => "USER_CONFIG_" + new string([.. key.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_')]);

    /// <summary>A start command and environment with the values in their places; those that are missing and needed are an error for people.</summary>
    internal static (IReadOnlyList<string> Start, IReadOnlyDictionary<string, string> Environment) Fill(DetectedProject project, IReadOnlyList<string> start, IReadOnlyDictionary<string, string> environment)
    {
        if (project.Parameters is not { Length: > 0 } && project.Env is null) return (start, environment);
        var result = new Dictionary<string, string>(environment);
        foreach (var parameter in project.Parameters ?? [])
        {
            if (result.GetValueOrDefault(parameter.Variable) is { Length: > 0 }) continue;
            if (parameter.Default is { } value) result[parameter.Variable] = value;
            else if (parameter.Required) throw new InvalidOperationException($"The bundle needs '{parameter.Title}'. Set the environment variable {parameter.Variable}.");
        }
        foreach (var (name, template) in project.Env ?? new Dictionary<string, string>())
            if (!environment.ContainsKey(name) && Put(template) is { } value) result[name] = value;
        return ([.. start.SelectMany(Arguments)], result);

        string? Put(string text)
        {
            foreach (var parameter in project.Parameters ?? [])
            {
                var marker = Marker(parameter.Key);
                if (!text.Contains(marker, StringComparison.Ordinal)) continue;
                if (result.GetValueOrDefault(parameter.Variable) is not { Length: > 0 } value) return null;
                text = text.Replace(marker, parameter.Multiple ? string.Join(',', Lines(value)) : value, StringComparison.Ordinal);
            }
            return text;
        }

        // One that is a list and stands alone becomes several arguments; one without a value becomes none.
        IEnumerable<string> Arguments(string argument)
        {
            if (project.Parameters?.FirstOrDefault(p => p.Multiple && argument == Marker(p.Key)) is { } list) return Lines(result.GetValueOrDefault(list.Variable) ?? "");
            return Put(argument) is { } one ? [one] : [];
        }
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
