using System.Security.Claims;

namespace McpCan.Server.Access;

/// <summary>Questions to a signed-in principal.</summary>
public static class Principal
{
    /// <summary>Name for events and "made by": the user's name, or <c>key:NAME</c>.</summary>
    public static string Actor(this ClaimsPrincipal principal) => principal.Identity?.Name ?? "nobody";

    /// <summary>The user's or key's id, or null when nobody is signed in.</summary>
    public static string? Id(this ClaimsPrincipal principal) => principal.FindFirstValue(ClaimTypes.NameIdentifier);

    /// <summary>One of <see cref="Roles.All"/>, or null when nobody is signed in.</summary>
    public static string? Role(this ClaimsPrincipal principal) => principal.FindFirstValue(ClaimTypes.Role);

    /// <summary>Whether a policy of <see cref="Policies"/> lets the principal pass.</summary>
    public static bool May(this ClaimsPrincipal principal, string policy) => Rights(principal.Role()).Contains(policy);

    /// <summary>The policies that a role passes.</summary>
    public static IReadOnlyList<string> Rights(string? role) => role switch
    {
        Roles.Admin => [Policies.Read, Policies.Operate, Policies.Administer, Policies.Terminal],
        Roles.Operator => [Policies.Read, Policies.Operate, Policies.Terminal],
        Roles.Viewer => [Policies.Read],
        _ => [],
    };
}
