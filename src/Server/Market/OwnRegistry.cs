using System.Globalization;
using System.Text.Json.Serialization;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Market;

/// <summary>
/// This installation's servers by the MCP registry's interface (v0.1), so that what reads registries finds them: other installations, editors.
/// Only for who presents an API key or is signed in.
/// </summary>
internal static class OwnRegistry
{
    private const string Schema = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

    /// <summary>A list of servers.</summary>
    public sealed record ServerList(IReadOnlyList<Entry> Servers, ListMetadata Metadata);

    /// <summary>Where the list goes on.</summary>
    public sealed record ListMetadata([property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? NextCursor, int Count);

    /// <summary>A server and what the registry says of it.</summary>
    public sealed record Entry(Server Server, [property: JsonPropertyName("_meta")] Dictionary<string, Official> Meta);

    /// <summary>What a registry says of an entry.</summary>
    public sealed record Official(string Status, DateTimeOffset PublishedAt, DateTimeOffset UpdatedAt, bool IsLatest);

    /// <summary>A server in the form of <c>server.json</c>.</summary>
    public sealed record Server([property: JsonPropertyName("$schema")] string Schema, string Name, string Title, string Description, string Version, IReadOnlyList<Remote> Remotes);

    /// <summary>An address of a server.</summary>
    public sealed record Remote(string Type, string Url, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Header>? Headers);

    /// <summary>A header that the server wants.</summary>
    public sealed record Header(string Name, string Description, string Value, bool IsRequired, bool IsSecret, Dictionary<string, Variable> Variables);

    /// <summary>A part of a header's value.</summary>
    public sealed record Variable(string Description, bool IsRequired, bool IsSecret);

    public static void MapOwnRegistry(this IEndpointRouteBuilder routes)
    {
        var registry = routes.MapGroup("/v0.1/servers").RequireAuthorization(Policies.Read).ExcludeFromDescription();
        registry.MapGet("", List);
        registry.MapGet("/{name}/versions", Versions);
        registry.MapGet("/{name}/versions/{version}", One);
    }

    private static async Task<Ok<ServerList>> List(
        string? search, string? cursor, int? limit, DateTimeOffset? updated_since, InstanceManager instances, PublicAddress address, HttpRequest request, CancellationToken cancellationToken)
    {
        var all = (await OfferedAsync(instances, cancellationToken)).Where(i => updated_since is null || i.UpdatedAt >= updated_since)
            .Where(i => search is null || Name(i, address.Of(request)).Contains(search, StringComparison.OrdinalIgnoreCase) || i.Name.Contains(search, StringComparison.OrdinalIgnoreCase)).ToList();
        var page = all.ToPage(new PageQuery(Limit: Math.Clamp(limit ?? 30, 1, 100), Cursor: cursor), i => Of(i, address.Of(request)));
        return TypedResults.Ok(new ServerList(page.Items, new(page.Next, page.Items.Count)));
    }

    private static async Task<Ok<ServerList>> Versions(string name, InstanceManager instances, PublicAddress address, HttpRequest request, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ServerList([await FindAsync(name, instances, address.Of(request), cancellationToken)], new(null, 1)));

    private static async Task<Ok<Entry>> One(string name, string version, InstanceManager instances, PublicAddress address, HttpRequest request, CancellationToken cancellationToken)
    {
        var found = await FindAsync(name, instances, address.Of(request), cancellationToken);
        return version == "latest" || version == found.Server.Version ? TypedResults.Ok(found) : throw ProblemException.NotFound("version", version);
    }

    private static async Task<Entry> FindAsync(string name, InstanceManager instances, string url, CancellationToken cancellationToken)
    {
        name = Uri.UnescapeDataString(name); // its slash is escaped in the path
        return (await OfferedAsync(instances, cancellationToken)).Find(i => Name(i, url) == name) is { } instance ? Of(instance, url) : throw ProblemException.NotFound("server", name);
    }

    // What is only on file has no address of ours.
    private static async Task<List<Instance>> OfferedAsync(InstanceManager instances, CancellationToken cancellationToken) =>
        [.. (await instances.AllAsync(cancellationToken)).Where(i => !i.Deleting && i.Mode != InstanceModes.Direct).OrderBy(i => i.Slug, StringComparer.Ordinal)];

    private static Entry Of(Instance instance, string url)
    {
        var address = AddressView.Of(instance, url);
        Header[]? headers = instance.TokenRequired
            ? [new("Authorization", "A token for this server.", "Bearer {token}", true, true, new() { ["token"] = new("A token (mct_…) from whoever runs this installation.", true, true) })] : null;
        var description = instance.ServerInfo is { } info ? $"{instance.Name}: {info}" : instance.Name;
        return new(
            new(Schema, Name(instance, url), instance.Name, description[..Math.Min(100, description.Length)], $"1.0.{instance.Revision.ToString(CultureInfo.InvariantCulture)}",
                [new("streamable-http", address.StreamableHttp, headers), new("sse", address.Sse, headers)]),
            new() { ["io.modelcontextprotocol.registry/official"] = new("active", instance.CreatedAt, instance.UpdatedAt, true) });
    }

    /// <summary><c>com.example.mcp/slug</c> for mcp.example.com; <c>local.mcpcan/slug</c> where the host has no name.</summary>
    private static string Name(Instance instance, string url)
    {
        var host = new Uri(url);
        var names = host.HostNameType == UriHostNameType.Dns && host.Host.Contains('.', StringComparison.Ordinal) ? string.Join('.', host.Host.Split('.').Reverse()) : "local.mcpcan";
        return $"{names}/{instance.Slug}";
    }
}
