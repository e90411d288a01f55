namespace McpCan.Server.Runtimes;

/// <summary>What the process runtime needs to know of the installation.</summary>
public sealed record ProcessRuntimeOptions
{
    /// <summary>Data folder, absolute.</summary>
    public required string Data { get; init; }
    /// <summary>Id of this installation; asked for once the database is ready.</summary>
    public required Func<string> InstallationId { get; init; }
    /// <summary>The bridge program, or null for the one that was built with the server.</summary>
    public string? BridgePath { get; init; }
    /// <summary>Whether an administrator allowed workloads without isolation, by name.</summary>
    public bool AllowNone { get; init; }
    /// <summary>Strongest level to use even if a stronger one is there.</summary>
    public IsolationLevel StrongestIsolation { get; init; } = IsolationLevel.Sandbox;
    /// <summary>Folders of this machine that host volumes may lie in.</summary>
    public IReadOnlyList<string> VolumeRoots { get; init; } = [];
    /// <summary>Largest message through the bridge.</summary>
    public long MaxMessageBytes { get; init; } = 64L << 20;
}
