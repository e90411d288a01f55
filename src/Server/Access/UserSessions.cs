using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace McpCan.Server.Access;

/// <summary>Says whether a signed-in person still is one: the security stamp changes with password, role and disabling.</summary>
public sealed class UserSessions(IDbContextFactory<McpCanDb> databases, IOptions<IdentityOptions> identity)
{
    /// <summary>For each request, and now and then for an open page (circuit).</summary>
    public async Task<bool> IsValidAsync(ClaimsPrincipal? principal, CancellationToken cancellationToken)
    {
        if (principal?.Id() is not { } id) return false;
        var stamp = principal.FindFirstValue(identity.Value.ClaimsIdentity.SecurityStampClaimType);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await db.Users.AnyAsync(u => u.Id == id && !u.Disabled && u.SecurityStamp == stamp, cancellationToken);
    }

    internal static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        var sessions = context.HttpContext.RequestServices.GetRequiredService<UserSessions>();
        if (!await sessions.IsValidAsync(context.Principal, context.HttpContext.RequestAborted)) context.RejectPrincipal();
    }
}

/// <summary>Puts the role into the session.</summary>
internal sealed class UserClaims(UserManager<User> users, IOptions<IdentityOptions> options) : UserClaimsPrincipalFactory<User>(users, options)
{
    protected override async Task<ClaimsIdentity> GenerateClaimsAsync(User user)
    {
        var identity = await base.GenerateClaimsAsync(user);
        identity.AddClaim(new Claim(ClaimTypes.Role, user.Role));
        return identity;
    }
}
