using System.ComponentModel;
using System.Security.Claims;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Access;

/// <summary>A token as the API shows it.</summary>
/// <param name="Value">The token itself: only in the answer that made it.</param>
public sealed record TokenView(
    string Id, string Name, string Hint, InstanceScope Instances, NameRules? Tools, NameRules? Prompts, NameRules? Resources, IReadOnlyList<string> Addresses, TrafficLimits? Limits,
    bool Enabled, DateTimeOffset CreatedAt, string? CreatedBy, DateTimeOffset? ExpiresAt,
    DateTimeOffset? LastUsedAt, string? LastUsedClient, string? LastUsedAddress, string? Value = null)
{
    internal static TokenView Of(Token t) => new(t.Id, t.Name, t.Hint, new InstanceScope(t.AllInstances, t.InstanceIds), t.Tools, t.Prompts, t.Resources,
        t.Addresses, t.Limits, t.Enabled, t.CreatedAt, t.CreatedBy,
        t.ExpiresAt, t.LastUsedAt, t.LastUsedClient, t.LastUsedAddress);
}

internal static class TokenEndpoints
{
    public static void MapTokens(this RouteGroupBuilder api)
    {
        var tokens = api.MapGroup("/tokens").WithTags("Tokens");
        tokens.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listTokens").WithSummary("List gateway tokens");
        tokens.MapPost("", Create).RequireAuthorization(Policies.Operate).WithName("createToken").WithSummary("Create a gateway token; the answer carries its value once");
        tokens.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getToken").WithSummary("Get a gateway token");
        tokens.MapPatch("/{id}", Update).RequireAuthorization(Policies.Operate).WithName("updateToken").WithSummary("Change a gateway token: name, instances, tools, prompts, resources, addresses, limits, end, or switch it on and off");
        tokens.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Operate).WithName("deleteToken").WithSummary("Delete a gateway token");
    }

    private static async Task<Ok<Page<TokenView>>> List(
        [AsParameters] PageQuery page, [Description("Only tokens that open this instance (id or slug).")] string? instance, TokenManager tokens, CancellationToken cancellationToken) =>
        TypedResults.Ok(await tokens.ListAsync(page, instance, TokenView.Of, cancellationToken));

    private static async Task<Created<TokenView>> Create(TokenInput input, TokenManager tokens, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var (token, value) = await tokens.CreateAsync(input, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/tokens/{token.Id}", TokenView.Of(token) with { Value = value });
    }

    private static async Task<Ok<TokenView>> Get(string id, TokenManager tokens, CancellationToken cancellationToken) =>
        TypedResults.Ok(TokenView.Of(await tokens.GetAsync(id, cancellationToken)));

    private static async Task<Ok<TokenView>> Update(string id, TokenPatch patch, TokenManager tokens, CancellationToken cancellationToken) =>
        TypedResults.Ok(TokenView.Of(await tokens.UpdateAsync(id, patch, cancellationToken)));

    private static async Task<NoContent> Delete(string id, TokenManager tokens, CancellationToken cancellationToken)
    {
        await tokens.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }
}
