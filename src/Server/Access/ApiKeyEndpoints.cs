using System.Security.Claims;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Access;

/// <summary>An API key as the API shows it.</summary>
/// <param name="Value">The key itself: only in the answer that made it.</param>
public sealed record ApiKeyView(
    string Id, string Name, string Hint, string Role, bool Enabled, DateTimeOffset CreatedAt, string? CreatedBy,
    DateTimeOffset? ExpiresAt, DateTimeOffset? LastUsedAt, string? Value = null)
{
    internal static ApiKeyView Of(ApiKey k) => new(k.Id, k.Name, k.Hint, k.Role, k.Enabled, k.CreatedAt, k.CreatedBy, k.ExpiresAt, k.LastUsedAt);
}

internal static class ApiKeyEndpoints
{
    public static void MapApiKeys(this RouteGroupBuilder api)
    {
        var keys = api.MapGroup("/api-keys").WithTags("API keys").RequireAuthorization(Policies.Administer);
        keys.MapGet("", List).WithName("listApiKeys").WithSummary("List API keys");
        keys.MapPost("", Create).WithName("createApiKey").WithSummary("Create an API key; the answer carries its value once");
        keys.MapGet("/{id}", Get).WithName("getApiKey").WithSummary("Get an API key");
        keys.MapPatch("/{id}", Update).WithName("updateApiKey").WithSummary("Rename, enable, disable or re-date an API key");
        keys.MapDelete("/{id}", Delete).WithName("deleteApiKey").WithSummary("Delete an API key");
    }

    private static async Task<Ok<Page<ApiKeyView>>> List([AsParameters] PageQuery page, ApiKeyManager keys, CancellationToken cancellationToken) =>
        TypedResults.Ok(await keys.ListAsync(page, ApiKeyView.Of, cancellationToken));

    private static async Task<Created<ApiKeyView>> Create(ApiKeyInput input, ApiKeyManager keys, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var (key, value) = await keys.CreateAsync(input, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/api-keys/{key.Id}", ApiKeyView.Of(key) with { Value = value });
    }

    private static async Task<Ok<ApiKeyView>> Get(string id, ApiKeyManager keys, CancellationToken cancellationToken) =>
        TypedResults.Ok(ApiKeyView.Of(await keys.GetAsync(id, cancellationToken)));

    private static async Task<Ok<ApiKeyView>> Update(string id, ApiKeyPatch patch, ApiKeyManager keys, CancellationToken cancellationToken) =>
        TypedResults.Ok(ApiKeyView.Of(await keys.UpdateAsync(id, patch, cancellationToken)));

    private static async Task<NoContent> Delete(string id, ApiKeyManager keys, CancellationToken cancellationToken)
    {
        await keys.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }
}
