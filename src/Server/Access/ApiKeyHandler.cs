using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace McpCan.Server.Access;

/// <summary>Signs in by <c>Authorization: Bearer mck_…</c>.</summary>
internal sealed class ApiKeyHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, ApiKeyManager keys)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Name = "ApiKey";
    private const string Bearer = "Bearer ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // The gateway has tokens of its own; its calls cost no look-up here.
        var header = Request.Headers.Authorization.ToString();
        if (header.Length == 0 || Request.Path.StartsWithSegments("/mcp-gateway")) return AuthenticateResult.NoResult();
        if (!header.StartsWith(Bearer + ApiKeyManager.Prefix, StringComparison.OrdinalIgnoreCase)) return AuthenticateResult.Fail("No API key.");
        if (await keys.VerifyAsync(header[Bearer.Length..].Trim(), Context.RequestAborted) is not { } key) return AuthenticateResult.Fail("Not a valid API key.");
        var identity = new ClaimsIdentity(
            [new(ClaimTypes.NameIdentifier, key.Id), new(ClaimTypes.Name, $"key:{key.Name}"), new(ClaimTypes.Role, key.Role)], Name, ClaimTypes.Name, ClaimTypes.Role);
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Name));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = "Bearer";
        return Task.CompletedTask;
    }
}
