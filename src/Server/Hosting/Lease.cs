namespace McpCan.Server.Hosting;

/// <summary>A right that one process at a time holds, for a while. Its time is the database's own.</summary>
public sealed class Lease
{
    /// <summary>Name of the right.</summary>
    public required string Name { get; set; }
    /// <summary>Process that holds it, or held it last.</summary>
    public required string Owner { get; set; }
    /// <summary>Data folder of that process.</summary>
    public required string Node { get; set; }
    /// <summary>Whether the owner also holds the lock file in its data folder, which says at once that it is dead.</summary>
    public bool Locked { get; set; }
    /// <summary>Rises with every new owner: what an earlier one still wants to write is refused.</summary>
    public long Term { get; set; }
    /// <summary>When it ends unless renewed, in milliseconds since 1970 of the database's clock.</summary>
    public long ExpiresMs { get; set; }
}
