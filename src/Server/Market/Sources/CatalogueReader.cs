using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Market.Sources;

/// <summary>A catalogue of the organisation's own: a JSON file with <c>{ "templates": { "name": { … as exported … } } }</c>, for example in a Git repository.</summary>
internal sealed class CatalogueReader(SourceHttp http, IOptions<JsonOptions> json) : ISourceReader
{
    public string Kind => SourceKinds.Catalogue;

    public async IAsyncEnumerable<MarketItem> ReadAsync(Uri url, string? token, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var answer = await http.JsonAsync(() => RegistryReader.Request(HttpMethod.Get, url, token), cancellationToken);
        if (answer.RootElement.Get("templates") is not { ValueKind: JsonValueKind.Object } templates) throw new SourceException("The catalogue has no \"templates\": an object with an exported template for each name is expected.");
        foreach (var entry in templates.EnumerateObject()) yield return Item(entry.Name, entry.Value);
    }

    private MarketItem Item(string name, JsonElement value)
    {
        try
        {
            var definition = value.Deserialize<TemplateDefinition>(json.Value.SerializerOptions)!;
            return new()
            {
                Name = name,
                Title = definition.Name.ToString(),
                Description = definition.Description?.ToString(),
                Homepage = JsonReading.Link(definition.Homepage),
                Categories = definition.Category is { } category ? [category] : [],
                Forms = [new("template", definition.Mode(), definition)],
            };
        }
        catch (JsonException e)
        {
            return new() { Name = name, Title = name, Forms = [new("template", name, null, $"Its definition cannot be read: {e.Message}")] };
        }
    }
}
