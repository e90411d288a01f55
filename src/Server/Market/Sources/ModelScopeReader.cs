using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace McpCan.Server.Market.Sources;

/// <summary>The ModelScope MCP market: <c>PUT /openapi/v1/mcp/servers</c>, page after page. How a server is reached is read from its address when it has one that is open to all.</summary>
internal sealed class ModelScopeReader(SourceHttp http) : ISourceReader
{
    private const int PerPage = 100, MostPages = 200;

    public string Kind => SourceKinds.ModelScope;

    public async IAsyncEnumerable<MarketItem> ReadAsync(Uri url, string? token, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var address = new Uri($"{url.AbsoluteUri.TrimEnd('/')}/openapi/v1/mcp/servers");
        for (int page = 1, seen = 0; page <= MostPages; page++)
        {
            var number = page;
            using var answer = await http.JsonAsync(() =>
            {
                var request = RegistryReader.Request(HttpMethod.Put, address, token);
                request.Content = JsonContent.Create(new Dictionary<string, object> { ["filter"] = new Dictionary<string, object>(), ["page_number"] = number, ["page_size"] = PerPage, ["search"] = "" });
                return request;
            }, cancellationToken);
            if (answer.RootElement.Get("data") is not { ValueKind: JsonValueKind.Object } data) throw new SourceException(answer.RootElement.Text("message") is { } why ? $"The source refused: {why}" : "The source answered no list of servers. Is this the address of ModelScope?");
            var entries = data.Items("mcp_server_list").ToList();
            foreach (var entry in entries)
                if (Item(url, entry) is { } item) yield return item;
            seen += entries.Count;
            if (entries.Count == 0 || (data.Get("total_count") is { ValueKind: JsonValueKind.Number } total && seen >= total.GetInt32())) yield break;
        }
    }

    private static MarketItem? Item(Uri url, JsonElement entry)
    {
        if (entry.Text("id") is not { Length: <= 300 } id) return null;
        var title = entry.Text("chinese_name", "name") ?? id;
        var item = new MarketItem
        {
            Name = id,
            Title = title.Length > 100 ? title[..100] : title,
            Description = entry.Text("description"),
            Publisher = entry.Text("publisher") ?? (id.Contains('/', StringComparison.Ordinal) ? id[..id.IndexOf('/', StringComparison.Ordinal)].TrimStart('@') : null),
            Repository = JsonReading.Link(entry.Text("source_url")),
            Homepage = $"{url.AbsoluteUri.TrimEnd('/')}/mcp/servers/{id}",
            Categories = entry.Get("categories") is { ValueKind: JsonValueKind.Array } words ? [.. words.EnumerateArray().Where(w => w.ValueKind == JsonValueKind.String).Select(w => w.GetString()!).Take(10)] : [],
        };
        var forms = entry.Items("operational_urls").Select(o => RegistryForms.Remote(item, Remote(o))).ToList();
        return item with { Forms = forms.Count > 0 ? forms : [new("modelscope", id, null, "ModelScope gives an address for it when you have set it up there. Open its page, set it up, and add the address as a remote server; or take the command from its page.")] };
    }

    private static JsonElement Remote(JsonElement operational)
    {
        var address = operational.Text("url") ?? "";
        var type = operational.Text("transport_type") ?? address[(address.LastIndexOf('/') + 1)..];
        return JsonSerializer.SerializeToElement(new { url = address, type = type.Contains("sse", StringComparison.OrdinalIgnoreCase) ? "sse" : "streamable-http" });
    }
}
