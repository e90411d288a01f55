namespace McpCan.Server.Instances;

/// <summary>A version of a package brought to an instance: who, when, how it ended.</summary>
public sealed class Deployment
{
    /// <summary>Opaque id, <c>d-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Instance.</summary>
    public required string InstanceId { get; set; }
    /// <summary>Package.</summary>
    public required string PackageId { get; set; }
    /// <summary>The version that was to run.</summary>
    public required int Version { get; set; }
    /// <summary>The version that ran before.</summary>
    public int? Previous { get; set; }
    /// <summary>Whether the version is only tried: started beside the running one, asked for its tools, and ended.</summary>
    public bool Trial { get; set; }
    /// <summary>One of <see cref="DeploymentStates"/>.</summary>
    public required string State { get; set; }
    /// <summary>One sentence for people, when there is something to say.</summary>
    public string? Reason { get; set; }
    /// <summary>Last log lines of a version that did not become healthy.</summary>
    public List<string> Log { get; set; } = [];
    /// <summary>Tools that differ from those of the version before; null while that is not known.</summary>
    public List<ToolChange>? Tools { get; set; }
    /// <summary>User or API key that asked for it.</summary>
    public required string Actor { get; set; }
    /// <summary>When it was asked for.</summary>
    public DateTimeOffset StartedAt { get; set; }
    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; set; }
}

/// <summary>How a deployment stands.</summary>
public static class DeploymentStates
{
    /// <summary>The new version is installed, started and asked for its tools, beside the one that serves.</summary>
    public const string Trying = "Trying";
    /// <summary>The new version is healthy and takes new sessions; those of the old one may end.</summary>
    public const string Switching = "Switching";
    /// <summary>The new version serves.</summary>
    public const string Deployed = "Deployed";
    /// <summary>A trial: the version is healthy; nothing was changed.</summary>
    public const string Healthy = "Healthy";
    /// <summary>The new version did not become healthy; the old one serves as before.</summary>
    public const string Failed = "Failed";
    /// <summary>It was given up, because the instance was changed, stopped or deleted meanwhile.</summary>
    public const string Cancelled = "Cancelled";
}

/// <summary>A tool that differs between two versions.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Change"><c>added</c>, <c>removed</c> or <c>changed</c>.</param>
/// <param name="Before">Its definition before, as indented JSON.</param>
/// <param name="After">Its definition after, as indented JSON.</param>
public sealed record ToolChange(string Name, string Change, string? Before, string? After);

/// <summary>What the reconciler has to do about a deployment; kept with the instance until it is done.</summary>
/// <param name="Deployment">Its id.</param>
/// <param name="Version">The version to run.</param>
/// <param name="Trial">Whether it is only tried.</param>
/// <param name="DrainSeconds">How long sessions of the old version may go on.</param>
public sealed record Rollout(string Deployment, int Version, bool Trial, int DrainSeconds);
