using System.Text.Json;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Market;

/// <summary>The templates that MCPCAN brings along. They need no network to be shown.</summary>
public sealed class CaseLibrary
{
    private const string Folder = "Cases.";

    /// <summary>Reads them from the program itself.</summary>
    public CaseLibrary(IOptions<JsonOptions> json)
    {
        var assembly = typeof(CaseLibrary).Assembly;
        All = [.. assembly.GetManifestResourceNames().Where(n => n.StartsWith(Folder, StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name =>
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            var definition = JsonSerializer.Deserialize<TemplateDefinition>(stream, json.Value.SerializerOptions)!;
            // 10-calculator-node.json: the number only orders them.
            return new AnyTemplate("case-" + name[(name.IndexOf('-', StringComparison.Ordinal) + 1)..^".json".Length], definition, null);
        })];
    }

    /// <summary>All cases, in the order of the library.</summary>
    public IReadOnlyList<AnyTemplate> All { get; }

    /// <summary>One case, or null.</summary>
    public AnyTemplate? Find(string id) => All.FirstOrDefault(c => c.Id == id);
}
