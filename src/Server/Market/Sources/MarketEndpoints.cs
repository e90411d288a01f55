using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Market.Sources;

/// <summary>A source as the API shows it; its token is never part of it, and its whole address only for administrators: a query may hold a key.</summary>
public sealed record SourceView(
    string Id, string Name, string Kind, string Url, bool HasToken, int RefreshHours, IReadOnlyList<string> Offered, DateTimeOffset? RefreshedAt, DateTimeOffset? TriedAt, string? Problem, int Count, bool Reading, string? CreatedBy)
{
    internal static SourceView Of(MarketSource s, SourceRefresh refresh, ClaimsPrincipal user) =>
        new(s.Id, s.Name, s.Kind, user.May(Policies.Administer) ? s.Url : new Uri(s.Url).GetLeftPart(UriPartial.Authority), s.Token is not null, s.RefreshHours, s.Offered, s.RefreshedAt, s.TriedAt, s.Problem, s.Count, refresh.IsReading(s.Id), s.CreatedBy);
}

/// <summary>An entry in a list.</summary>
public sealed record EntryView(string Source, string Name, string Title, string? Description, string? Version, string? Publisher, IReadOnlyList<string> Kinds, bool Deployable, bool Deprecated)
{
    internal static EntryView Of(MarketEntry e) =>
        new(e.SourceId, e.Name, e.Title, e.Item.Description, e.Item.Version, e.Item.Publisher, [.. e.Item.Forms.Select(f => f.Kind).Distinct()], e.Deployable, e.Item.Deprecated);
}

/// <summary>What is to be made of an entry.</summary>
/// <param name="Name">The entry's name.</param>
/// <param name="Form">Which of its forms, from 0.</param>
/// <param name="Use">The server's name and the values.</param>
public sealed record EntryUse(string Name, int Form, TemplateUse Use);

internal static class MarketEndpoints
{
    public static void MapMarketSources(this RouteGroupBuilder api)
    {
        var sources = api.MapGroup("/market/sources").WithTags("Market");
        sources.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listMarketSources").WithSummary("List the libraries of servers that were added");
        sources.MapPost("", Create).RequireAuthorization(Policies.Administer).WithName("createMarketSource").WithSummary("Add a library and begin to read it");
        sources.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getMarketSource").WithSummary("Get a library: when it was read, and what went wrong");
        sources.MapPut("/{id}", Update).RequireAuthorization(Policies.Administer).WithName("updateMarketSource").WithSummary("Replace a library's settings");
        sources.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Administer).WithName("deleteMarketSource").WithSummary("Forget a library with its entries; servers made of them stay");
        sources.MapPost("/{id}/refresh", Refresh).RequireAuthorization(Policies.Operate).WithName("refreshMarketSource").WithSummary("Read a library anew, in the background; the last copy stays when that fails");
        sources.MapGet("/{id}/entries", Entries).RequireAuthorization(Policies.Read).WithName("listMarketEntries").WithSummary("List entries of a library; what can be deployed first");
        sources.MapGet("/{id}/entry", Entry).RequireAuthorization(Policies.Read).WithName("getMarketEntry").WithSummary("Get an entry with the ways to have it");
        sources.MapPost("/{id}/instances", Deploy).RequireAuthorization(Policies.Operate).WithName("createInstanceFromMarket").WithSummary("Make an instance of an entry, and start it unless 'start' is false");
    }

    private static async Task<Ok<Page<SourceView>>> List([AsParameters] PageQuery page, MarketManager market, SourceRefresh refresh, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        TypedResults.Ok((await market.SourcesAsync(cancellationToken)).Where(s => page.Search is null || s.Name.Contains(page.Search, StringComparison.CurrentCultureIgnoreCase)).ToList().ToPage(page, s => SourceView.Of(s, refresh, user)));

    private static async Task<Created<SourceView>> Create(SourceSettings settings, MarketManager market, SourceRefresh refresh, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var source = await market.AddAsync(settings, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/market/sources/{source.Id}", SourceView.Of(source, refresh, user));
    }

    private static async Task<Ok<SourceView>> Get(string id, MarketManager market, SourceRefresh refresh, ClaimsPrincipal user, CancellationToken cancellationToken) => TypedResults.Ok(SourceView.Of(await market.SourceAsync(id, cancellationToken), refresh, user));

    private static async Task<Ok<SourceView>> Update(string id, SourceSettings settings, MarketManager market, SourceRefresh refresh, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        TypedResults.Ok(SourceView.Of(await market.UpdateAsync(id, settings, cancellationToken), refresh, user));

    private static async Task<NoContent> Delete(string id, MarketManager market, CancellationToken cancellationToken)
    {
        await market.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Accepted<SourceView>> Refresh(string id, MarketManager market, SourceRefresh refresh, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await market.RefreshAsync(id, cancellationToken);
        return TypedResults.Accepted($"/api/v1/market/sources/{id}", SourceView.Of(await market.SourceAsync(id, cancellationToken), refresh, user));
    }

    private static async Task<Ok<Page<EntryView>>> Entries(string id, [AsParameters] PageQuery page, MarketManager market, CancellationToken cancellationToken) =>
        TypedResults.Ok(await market.EntriesAsync(id, page, EntryView.Of, cancellationToken));

    private static async Task<Ok<MarketItem>> Entry(string id, [Description("The entry's name.")] string name, MarketManager market, CancellationToken cancellationToken) =>
        TypedResults.Ok((await market.EntryAsync(id, name, cancellationToken)).Item);

    private static async Task<Results<Accepted<InstanceView>, Created<InstanceView>>> Deploy(
        string id, EntryUse use, MarketManager market, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken)
    {
        var instance = await market.DeployAsync(await market.EntryAsync(id, use.Name, cancellationToken), use.Form, use.Use, user.Actor(), cancellationToken);
        var (view, location) = (InstanceView.Of(instance, address.Of(http.Request)), $"/api/v1/instances/{instance.Id}");
        return use.Use.Start && instance.Mode != InstanceModes.Direct ? TypedResults.Accepted(location, view) : TypedResults.Created(location, view);
    }
}
