namespace McpCan.Server.Access;

/// <summary>What a script presents at the management API. Only the hash of its value is stored.</summary>
public sealed class ApiKey
{
    /// <summary>Opaque id, <c>k-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people.</summary>
    public required string Name { get; set; }
    /// <summary>SHA-256 of the value, lower-case hex.</summary>
    public required string Hash { get; set; }
    /// <summary>Prefix and last four characters, to recognise it.</summary>
    public required string Hint { get; set; }
    /// <summary>One of <see cref="Roles.All"/>.</summary>
    public required string Role { get; set; }
    /// <summary>Switched off keys are refused.</summary>
    public bool Enabled { get; set; } = true;
    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>User name of its maker, or <c>command line</c>.</summary>
    public string? CreatedBy { get; set; }
    /// <summary>When it ends; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; set; }
    /// <summary>Last use, about to the minute.</summary>
    public DateTimeOffset? LastUsedAt { get; set; }
}
