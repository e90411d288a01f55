using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>Something that a server offers: a tool, a resource, a resource template or a prompt.</summary>
public sealed partial record Offer(string Kind, string Name, JsonObject Source, JsonNode? Schema)
{
    public const string Tools = "tools";
    public const string Resources = "resources";
    public const string Templates = "templates";
    public const string Prompts = "prompts";

    public string? Title => Source["title"]?.ToString() ?? Source["annotations"]?["title"]?.ToString() ?? (Kind is Resources or Templates ? Source["name"]?.ToString() : null);
    public string? Description => Source["description"]?.ToString();
    public JsonNode? OutputSchema => Source["outputSchema"];
    public bool ReadOnly => Hint("readOnlyHint");
    public bool Destructive => Hint("destructiveHint") && !ReadOnly;
    public bool Idempotent => Hint("idempotentHint") && !ReadOnly;
    public bool HasForm => Kind is not Resources;

    public static Offer Tool(JsonObject source) => new(Tools, source["name"]?.ToString() ?? "", source, source["inputSchema"]);

    public static Offer Resource(JsonObject source) => new(Resources, source["uri"]?.ToString() ?? "", source, null);

    public static Offer Template(JsonObject source)
    {
        var uri = source["uriTemplate"]?.ToString() ?? "";
        return new Offer(Templates, uri, source, Texts(Variables().Matches(uri).SelectMany(m => m.Groups[1].Value.Split(',')).Distinct().Select(v => (v.TrimEnd('*'), (string?)null, true))));
    }

    public static Offer Prompt(JsonObject source) => new(Prompts, source["name"]?.ToString() ?? "", source, Texts((source["arguments"] as JsonArray ?? []).OfType<JsonObject>()
        .Select(a => (a["name"]?.ToString() ?? "", a["description"]?.ToString(), a["required"]?.GetValueKind() == JsonValueKind.True))));

    /// <summary>The request that uses it.</summary>
    public (string Method, JsonObject Parameters) Request(JsonObject arguments) => Kind switch
    {
        Tools => ("tools/call", new JsonObject { ["name"] = Name, ["arguments"] = arguments.DeepClone() }),
        Prompts => ("prompts/get", new JsonObject { ["name"] = Name, ["arguments"] = arguments.DeepClone() }),
        Templates => ("resources/read", new JsonObject { ["uri"] = Expand(arguments) }),
        _ => ("resources/read", new JsonObject { ["uri"] = Name }),
    };

    // RFC 6570 in its simple forms; a reserved expansion ({+path}) keeps its slashes.
    private string Expand(JsonObject arguments) => Variables().Replace(Name, m => string.Join(',', m.Groups[1].Value.Split(',').Select(v =>
    {
        var value = arguments[v.TrimEnd('*')]?.ToString() ?? "";
        return m.Value[1] is '+' or '#' ? value : Uri.EscapeDataString(value);
    })));

    private bool Hint(string name) => Source["annotations"] is JsonObject hints && hints[name]?.GetValueKind() == JsonValueKind.True;

    private static JsonObject Texts(IEnumerable<(string Name, string? Description, bool Required)> fields)
    {
        var (properties, required) = (new JsonObject(), new JsonArray());
        foreach (var (name, description, needed) in fields.Where(f => f.Name.Length > 0))
        {
            var text = new JsonObject { ["type"] = "string" };
            if (description is not null) text["description"] = description;
            properties[name] = text;
            if (needed) required.Add(name);
        }
        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
    }

    [GeneratedRegex(@"\{[+#./;?&]?([\w.,*]+)\}")]
    private static partial Regex Variables();
}

/// <summary>A call of this page's session, to be made again.</summary>
public sealed record PastCall(string Kind, string Name, JsonObject Arguments, bool Ok, double DurationMs, DateTimeOffset Time);

/// <summary>A call that a person keeps in the browser.</summary>
public sealed record SavedCall(string Label, string Kind, string Name, JsonObject Arguments);

/// <summary>Something that the server asks for while a call runs.</summary>
public sealed class Ask(string method, JsonObject parameters)
{
    public string Id { get; } = Guid.NewGuid().ToString("N")[..8];
    public bool Sampling { get; } = method == "sampling/createMessage";
    public JsonObject Parameters { get; } = parameters;
    public TaskCompletionSource<JsonNode> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public string Message => Parameters["message"]?.ToString() ?? "";
    /// <summary>Address to visit, when the server asks for that.</summary>
    public string? Url => Parameters["mode"]?.ToString() == "url" ? Parameters["url"]?.ToString() ?? "" : null;
}
