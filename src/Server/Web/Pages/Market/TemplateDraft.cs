using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Market;

namespace McpCan.Server.Web.Pages.Market;

/// <summary>A template while it is edited. Texts are those of the page's language; other languages stay as they are.</summary>
public sealed class TemplateDraft
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private TemplateDefinition? _before;

    public string Name { get; set; } = "";
    public string Description { get; set; } = "";
    public string Category { get; set; } = "";
    public string Homepage { get; set; } = "";
    public bool Operators { get; set; } = true;
    public bool Viewers { get; set; } = true;
    public List<ParameterDraft> Parameters { get; private set; } = [];
    /// <summary>The instance as JSON text.</summary>
    public string Instance { get; set; } = "{\n  \"source\": { \"type\": \"command\", \"command\": \"npx\", \"args\": [\"-y\", \"\"] }\n}";

    public static TemplateDraft Of(TemplateDefinition definition, IReadOnlyList<string>? roles = null) => new()
    {
        _before = definition,
        Name = definition.Name.ToString(),
        Description = definition.Description?.ToString() ?? "",
        Category = definition.Category ?? "",
        Homepage = definition.Homepage ?? "",
        Operators = roles?.Contains(Roles.Operator) ?? true,
        Viewers = roles?.Contains(Roles.Viewer) ?? true,
        Parameters = [.. definition.Parameters.Select(ParameterDraft.Of)],
        Instance = Pretty(definition.Instance),
    };

    /// <summary>JSON as people read it.</summary>
    public static string Pretty(JsonObject instance) => instance.ToJsonString(Indented);

    /// <summary>What was entered.</summary>
    /// <exception cref="JsonException">The instance is no JSON object.</exception>
    public TemplateInput ToInput() => new(new()
    {
        Name = Text(Name, _before?.Name) ?? "",
        Description = Text(Description, _before?.Description),
        Category = Category.Trim() is { Length: > 0 } category ? category : null,
        Homepage = Homepage.Trim() is { Length: > 0 } homepage ? homepage : null,
        Parameters = [.. Parameters.Select(p => p.ToParameter())],
        Instance = JsonNode.Parse(Instance) as JsonObject ?? throw new JsonException("{ } is expected."),
    }, [Roles.Admin, .. Operators ? new[] { Roles.Operator } : [], .. Viewers ? new[] { Roles.Viewer } : []]);

    /// <summary>The text in the page's language over what was there.</summary>
    internal static LocalText? Text(string text, LocalText? before)
    {
        text = text.Trim();
        if (before is not { Texts.Count: > 1 }) return text.Length == 0 ? null : (LocalText)text;
        var culture = CultureInfo.CurrentUICulture.Name;
        var texts = before.Texts.Where(t => t.Key != culture).ToDictionary(t => t.Key, t => t.Value);
        if (text.Length > 0) texts[culture] = text;
        return new(texts);
    }
}

/// <summary>A parameter while it is edited.</summary>
public sealed class ParameterDraft
{
    private TemplateParameter? _before;

    public string Key { get; set; } = "";
    public string Type { get; set; } = ParameterTypes.Text;
    public string Label { get; set; } = "";
    public string Help { get; set; } = "";
    public bool Required { get; set; }
    public bool Multiple { get; set; }
    public string Default { get; set; } = "";
    public string Options { get; set; } = "";
    public string Pattern { get; set; } = "";
    public string Minimum { get; set; } = "";
    public string Maximum { get; set; } = "";

    public static ParameterDraft Of(TemplateParameter parameter) => new()
    {
        _before = parameter,
        Key = parameter.Key,
        Type = parameter.Type,
        Label = parameter.Label?.ToString() ?? "",
        Help = parameter.Help?.ToString() ?? "",
        Required = parameter.Required,
        Multiple = parameter.Multiple,
        Default = FormValues.Defaults([parameter])[parameter.Key],
        Options = string.Join('\n', parameter.Options ?? []),
        Pattern = parameter.Pattern ?? "",
        Minimum = parameter.Minimum?.ToString(CultureInfo.InvariantCulture) ?? "",
        Maximum = parameter.Maximum?.ToString(CultureInfo.InvariantCulture) ?? "",
    };

    public TemplateParameter ToParameter() => new()
    {
        Key = Key.Trim(),
        Type = Type,
        Label = TemplateDraft.Text(Label, _before?.Label),
        Help = TemplateDraft.Text(Help, _before?.Help),
        Required = Required,
        Multiple = Multiple && Type == ParameterTypes.Text,
        Default = Default.Length == 0 || Type == ParameterTypes.Secret ? null : JsonSerializer.SerializeToElement(Default),
        Options = Type == ParameterTypes.Choice ? Options.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : null,
        Pattern = Type is ParameterTypes.Text or ParameterTypes.Secret && Pattern.Trim() is { Length: > 0 } pattern ? pattern : null,
        Minimum = Number(Minimum),
        Maximum = Number(Maximum),
    };

    private static double? Number(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;
}
