using Microsoft.AspNetCore.Identity;

namespace McpCan.Server.Access;

/// <summary>A person who may use the console.</summary>
public sealed class User : IdentityUser
{
    /// <summary>One of <see cref="Roles.All"/>.</summary>
    public string Role { get; set; } = Roles.Viewer;
    /// <summary>Whether the person may not sign in.</summary>
    public bool Disabled { get; set; }
    /// <summary>When the account was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>Last successful sign-in.</summary>
    public DateTimeOffset? LastLoginAt { get; set; }
}

/// <summary>The built-in roles, from most to least rights.</summary>
public static class Roles
{
    /// <summary>Everything, users and platform settings included.</summary>
    public const string Admin = "admin";
    /// <summary>Instances, packages and tokens; not users, API keys or platform settings.</summary>
    public const string Operator = "operator";
    /// <summary>Sees everything that is no secret, changes nothing.</summary>
    public const string Viewer = "viewer";
    /// <summary>All roles.</summary>
    public static readonly string[] All = [Admin, Operator, Viewer];
}

/// <summary>Authorization policies, each asked for by name on every endpoint and page.</summary>
public static class Policies
{
    /// <summary>Any signed-in principal may read.</summary>
    public const string Read = "read";
    /// <summary>Create, edit, start, stop and delete instances, packages and tokens (operator, admin).</summary>
    public const string Operate = "operate";
    /// <summary>Users, API keys, platform settings (admin).</summary>
    public const string Administer = "administer";
    /// <summary>Terminals in running servers (operator, admin).</summary>
    public const string Terminal = "terminal";
}
