using System.Collections;
using System.Globalization;
using System.Reflection;

namespace McpCan.Server.Hosting;

/// <summary>Turns files, environment variables and command line into <see cref="McpCanOptions"/>; reports all wrong settings at once, by key.</summary>
public static class Configuration
{
    /// <summary>Section of <c>appsettings.json</c>.</summary>
    public const string Section = "MCPCAN";

    private static readonly PropertyInfo[] Properties = [.. typeof(McpCanOptions).GetProperties().Where(p => p.CanWrite)];

    /// <summary>Adds <c>MCPCAN_PUBLIC_URL</c> and the like, then the command line's values, above what is there.</summary>
    public static void AddMcpCan(this IConfigurationBuilder configuration, IDictionary environment, IReadOnlyDictionary<string, string?> commandLine)
    {
        configuration.AddInMemoryCollection(FromEnvironment(environment));
        configuration.AddInMemoryCollection(commandLine.Where(p => p.Value is not null).Select(p => KeyValuePair.Create($"{Section}:{p.Key}", p.Value)));
    }

    /// <summary>Reads and validates.</summary>
    public static McpCanOptions Read(IConfiguration configuration)
    {
        var options = new McpCanOptions();
        var errors = new List<string>();
        var section = configuration.GetSection(Section);
        foreach (var property in Properties) Bind(section.GetSection(property.Name), property, options, errors);
        foreach (var unknown in section.GetChildren().Where(c => !Properties.Any(p => p.Name.Equals(c.Key, StringComparison.OrdinalIgnoreCase))))
            errors.Add($"{Section}:{unknown.Key} is no setting. Known are: {string.Join(", ", Properties.Select(p => p.Name))}.");
        if (errors.Count == 0) McpCanOptionsRules.Check(options, errors);
        if (errors.Count > 0) throw new StartException("These settings are wrong:" + string.Concat(errors.Select(e => "\n  - " + e)));
        options.Data = Path.GetFullPath(options.Data);
        return options;
    }

    /// <summary>How people can set a property, for messages.</summary>
    public static string Name(string property) => $"{Section}:{property} (environment {EnvironmentName(property)})";

    internal static string EnvironmentName(string property) =>
        "MCPCAN" + string.Concat(property.Select(c => char.IsUpper(c) ? $"_{c}" : char.ToUpperInvariant(c).ToString()));

    /// <summary>Words may be joined: <c>MCPCAN_PUBLICURL</c> is <c>MCPCAN_PUBLIC_URL</c>.</summary>
    private static Dictionary<string, string?> FromEnvironment(IDictionary environment)
    {
        var given = environment.Keys.OfType<string>()
            .Where(k => k.StartsWith("MCPCAN_", StringComparison.OrdinalIgnoreCase) && !string.IsNullOrEmpty(environment[k] as string))
            .GroupBy(Joined, k => (string)environment[k]!, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(g => g.Key, g => g.First(), StringComparer.OrdinalIgnoreCase);
        return Properties.Where(p => given.ContainsKey(Joined(EnvironmentName(p.Name)))).ToDictionary(p => $"{Section}:{p.Name}", p => (string?)given[Joined(EnvironmentName(p.Name))]);
    }

    private static string Joined(string name) => name.Replace("_", "", StringComparison.Ordinal);

    private static void Bind(IConfigurationSection value, PropertyInfo property, McpCanOptions options, List<string> errors)
    {
        if (property.PropertyType == typeof(string[]))
        {
            var items = value.Value?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                ?? [.. value.GetChildren().Select(c => c.Value).OfType<string>()];
            if (items.Length > 0) property.SetValue(options, items);
            return;
        }
        if (string.IsNullOrWhiteSpace(value.Value))
        {
            if (value.GetChildren().Any()) errors.Add($"{Name(property.Name)} must be a single value.");
            return;
        }
        try
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            property.SetValue(options, Convert.ChangeType(value.Value.Trim(), type, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidCastException)
        {
            errors.Add($"{Name(property.Name)} must be a whole number, not '{value.Value}'.");
        }
    }
}
