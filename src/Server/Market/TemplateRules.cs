using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;

namespace McpCan.Server.Market;

/// <summary>What makes a template valid.</summary>
internal static partial class TemplateRules
{
    private const int MostParameters = 50, LongestInstance = 64 * 1024;

    /// <summary>Fields of an instance that belong to one instance, not to a template of many.</summary>
    private static readonly string[] NotThere = ["slug", "start", "name"];

    /// <summary>Notes all faults of a definition.</summary>
    public static void Check(TemplateDefinition definition, IReadOnlyList<string> roles, JsonSerializerOptions json, Checks checks)
    {
        Text(definition.Name, "name", 100, needed: true, checks);
        Text(definition.Description, "description", 2000, needed: false, checks);
        checks.That(definition.Category is null || (definition.Category.Length is > 0 and <= 40 && !definition.Category.Any(char.IsControl)), "category", "Must have 1 to 40 characters.")
            .That(definition.Homepage is null || (Uri.TryCreate(definition.Homepage, UriKind.Absolute, out var url) && url.Scheme is "https" or "http"), "homepage", "Must be an http or https address.")
            .That(roles.All(r => Roles.All.Contains(r)), "roles", $"Must be among {string.Join(", ", Roles.All)}.")
            .That(definition.Parameters.Count <= MostParameters, "parameters", $"At most {MostParameters}.");
        for (var n = 0; n < Math.Min(definition.Parameters.Count, MostParameters); n++) Parameter(definition.Parameters, n, checks);
        Instance(definition, json, checks);
    }

    private static void Text(LocalText? text, string field, int longest, bool needed, Checks checks)
    {
        checks.That(!needed || text is not null, field, "Is needed.");
        foreach (var one in text?.Texts.Values ?? [])
            checks.That(one.Length <= longest && (!needed || one.Trim().Length > 0) && !one.Any(c => char.IsControl(c) && c != '\n'), field, $"Must have {(needed ? "1 to " : "at most ")}{longest} characters.");
    }

    private static void Parameter(IReadOnlyList<TemplateParameter> all, int n, Checks checks)
    {
        var (parameter, field) = (all[n], $"parameters[{n}]");
        checks.That(KeyForm().IsMatch(parameter.Key), $"{field}.key", "Must begin with a letter and have at most 63 letters, digits, '_' and '-'.")
            .That(all.Take(n).All(p => p.Key != parameter.Key), $"{field}.key", "Is there twice.")
            .That(ParameterTypes.All.Contains(parameter.Type), $"{field}.type", $"Must be one of {string.Join(", ", ParameterTypes.All)}.")
            .That((parameter.Type == ParameterTypes.Choice) == (parameter.Options is { Count: > 0 and <= 200 }), $"{field}.options", "A choice needs 1 to 200 options; other types have none.")
            .That(!parameter.Multiple || parameter.Type == ParameterTypes.Text, $"{field}.multiple", "Only a text can have several values.")
            .That(parameter.Type != ParameterTypes.Secret || parameter.Default is null, $"{field}.default", "A secret has no default: whoever may see the template would see it.")
            .That(parameter.Pattern is null || IsPattern(parameter.Pattern), $"{field}.pattern", "Is no regular expression.");
        Text(parameter.Label, $"{field}.label", 100, needed: false, checks);
        Text(parameter.Help, $"{field}.help", 1000, needed: false, checks);
        if (parameter.Default is { } value)
        {
            var own = new Checks();
            TemplateValues.Read([parameter with { Required = false, Default = null }], new Dictionary<string, JsonElement> { [parameter.Key] = value }, own);
            checks.That(own.IsEmpty, $"{field}.default", "Does not fit what the parameter asks for.");
        }
    }

    private static void Instance(TemplateDefinition definition, JsonSerializerOptions json, Checks checks)
    {
        checks.That(definition.Instance.ToJsonString().Length <= LongestInstance, "instance", "At most 64 KiB.");
        foreach (var field in NotThere) checks.That(!definition.Instance.ContainsKey(field), $"instance.{field}", "Belongs to each instance, not to its template.");
        var secrets = definition.Parameters.Where(p => p.Type == ParameterTypes.Secret).Select(p => p.Key).ToHashSet(StringComparer.Ordinal);
        var used = new HashSet<string>(StringComparer.Ordinal);
        Walk(definition.Instance, "instance", false, (path, text, isSecret) =>
        {
            var keys = TemplateFill.Keys(text).ToList();
            used.UnionWith(keys);
            foreach (var key in keys) checks.That(definition.Parameters.Any(p => p.Key == key), path, $"There is no parameter '{key}'.");
            var closed = isSecret || path == "instance.remote.url" || path == "instance.registry.password";
            checks.That(closed || !keys.Any(secrets.Contains), path, "A secret parameter stands in the open here. Write { \"secret\": \"{{key}}\" } in 'env', headers or keys; an address may have it in its query.");
            checks.That(!isSecret || keys.Any(secrets.Contains), path, "Secrets are not kept in templates: ask for it with a parameter of type 'secret', and write { \"secret\": \"{{key}}\" }.");
        });
        foreach (var (parameter, n) in definition.Parameters.Select((p, n) => (p, n))) checks.That(used.Contains(parameter.Key), $"parameters[{n}].key", "Is not used: write {{" + parameter.Key + "}} where its value goes.");
        try
        {
            // With every value in its place: what cannot be read then could never be made.
            var sample = definition.Parameters.DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => new[] { Sample(p) });
            var filled = TemplateFill.Fill(definition.Instance, sample);
            filled["name"] = "sample";
            (filled["source"] as JsonObject)?.Remove("example");
            JsonSerializer.Deserialize<InstanceInput>(filled, json);
        }
        catch (JsonException e)
        {
            checks.That(false, "instance", $"Is not what POST /instances takes: {e.Message}");
        }
    }

    private static string Sample(TemplateParameter parameter) => parameter.Type switch
    {
        ParameterTypes.Number => "1",
        ParameterTypes.Boolean => "true",
        ParameterTypes.Choice => parameter.Options is [var first, ..] ? first : "x",
        _ => "x",
    };

    private static void Walk(JsonNode? node, string path, bool isSecret, Action<string, string, bool> text)
    {
        switch (node)
        {
            case JsonObject fields:
                foreach (var (key, value) in fields) Walk(value, key == "secret" ? path : $"{path}.{key}", key == "secret", text);
                break;
            case JsonArray items:
                for (var n = 0; n < items.Count; n++) Walk(items[n], $"{path}[{n}]", false, text);
                break;
            case JsonValue value when value.TryGetValue<string>(out var found):
                text(path, found, isSecret);
                break;
            default:
                break;
        }
    }

    private static bool IsPattern(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(200)) is not null && pattern.Length <= 500;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9_-]{0,62}$", RegexOptions.CultureInvariant)]
    private static partial Regex KeyForm();
}
