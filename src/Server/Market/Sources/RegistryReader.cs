using System.Runtime.CompilerServices;
using System.Text.Json;

namespace McpCan.Server.Market.Sources;

/// <summary>A registry with the MCP registry's API: <c>GET /v0.1/servers</c>, page after page.</summary>
internal sealed class RegistryReader(SourceHttp http) : ISourceReader
{
    private const int PerPage = 100, MostPages = 500;
    private const string Official = "io.modelcontextprotocol.registry/official";

    public string Kind => SourceKinds.Registry;

    public async IAsyncEnumerable<MarketItem> ReadAsync(Uri url, string? token, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? cursor = null;
        for (var page = 0; page < MostPages; page++)
        {
            var address = new Uri($"{url.AbsoluteUri.TrimEnd('/')}/v0.1/servers?limit={PerPage}&version=latest{(cursor is null ? "" : $"&cursor={Uri.EscapeDataString(cursor)}")}");
            using var answer = await http.JsonAsync(() => Request(HttpMethod.Get, address, token), cancellationToken);
            var root = answer.RootElement;
            if (root.Get("servers") is not { ValueKind: JsonValueKind.Array }) throw new SourceException("The source answered no list of servers. Is this the address of a registry with the API v0.1?");
            foreach (var entry in root.Items("servers"))
                if (Item(entry) is { } item) yield return item;
            var next = root.Get("metadata")?.Text("nextCursor", "next_cursor");
            if (next is null || next == cursor) yield break;
            cursor = next;
        }
    }

    internal static HttpRequestMessage Request(HttpMethod method, Uri address, string? token)
    {
        var request = new HttpRequestMessage(method, address) { Headers = { { "Accept", "application/json" }, { "User-Agent", "mcpcan" } } };
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        return request;
    }

    /// <summary>An entry of the list; null when it is withdrawn, or not the newest version.</summary>
    internal static MarketItem? Item(JsonElement entry)
    {
        var server = entry.Get("server") ?? entry;
        var meta = entry.Get("_meta")?.Get(Official);
        if (server.Text("name") is not { Length: <= 300 } name) return null;
        var status = meta?.Text("status") ?? server.Text("status");
        if (status == "deleted" || meta?.Get("isLatest") is { ValueKind: JsonValueKind.False }) return null;
        var title = server.Text("title") ?? name[(name.LastIndexOf('/') + 1)..];
        var item = new MarketItem
        {
            Name = name,
            Title = title.Length > 100 ? title[..100] : title,
            Description = server.Text("description"),
            Version = server.Text("version"),
            Publisher = name.Contains('/', StringComparison.Ordinal) ? name[..name.IndexOf('/', StringComparison.Ordinal)] : null,
            Repository = JsonReading.Link(server.Get("repository")?.Text("url")),
            Homepage = JsonReading.Link(server.Text("websiteUrl", "website_url")),
            Deprecated = status == "deprecated",
            UpdatedAt = meta?.Time("updatedAt") ?? meta?.Time("publishedAt"),
        };
        return item with { Forms = [.. server.Items("remotes").Select(r => RegistryForms.Remote(item, r)), .. server.Items("packages").Select(p => RegistryForms.Package(item, p))] };
    }
}
