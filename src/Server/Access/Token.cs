using McpCan.Gateway;

namespace McpCan.Server.Access;

/// <summary>What an MCP client presents at the gateway. Only the hash of its value is stored.</summary>
public sealed class Token
{
    /// <summary>Opaque id, <c>t-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people.</summary>
    public required string Name { get; set; }
    /// <summary>SHA-256 of the value, lower-case hex.</summary>
    public required string Hash { get; set; }
    /// <summary>Prefix and last four characters, to recognise it.</summary>
    public required string Hint { get; set; }
    /// <summary>Whether it opens every instance, present and future.</summary>
    public bool AllInstances { get; set; }
    /// <summary>Ids of the instances it opens, when not all.</summary>
    public List<string> InstanceIds { get; set; } = [];
    /// <summary>Tools it may use; null for all.</summary>
    public NameRules? Tools { get; set; }
    /// <summary>Prompts it may use; null for all.</summary>
    public NameRules? Prompts { get; set; }
    /// <summary>Resources it may use, by URI; null for all.</summary>
    public NameRules? Resources { get; set; }
    /// <summary>Client addresses and networks from which it is good; empty for all.</summary>
    public List<string> Addresses { get; set; } = [];
    /// <summary>Limits on its traffic over all instances; null for none.</summary>
    public TrafficLimits? Limits { get; set; }
    /// <summary>Switched off tokens are refused.</summary>
    public bool Enabled { get; set; } = true;
    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>User or API key that made it.</summary>
    public string? CreatedBy { get; set; }
    /// <summary>When it ends; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; set; }
    /// <summary>Last use.</summary>
    public DateTimeOffset? LastUsedAt { get; set; }
    /// <summary>Name of the client at last use.</summary>
    public string? LastUsedClient { get; set; }
    /// <summary>Network address at last use.</summary>
    public string? LastUsedAddress { get; set; }
}
