using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>An engine that was registered as a place where workloads run. This machine's processes need no registration.</summary>
public sealed class RegisteredEnvironment
{
    /// <summary>Opaque id, <c>e-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people; unique.</summary>
    public required string Name { get; set; }
    /// <summary><c>docker</c>: Docker or Podman.</summary>
    public string Kind { get; set; } = EnvironmentKinds.Docker;
    /// <summary>The engine's address, for example <c>unix:///var/run/docker.sock</c>.</summary>
    public required string Address { get; set; }
    /// <summary>Certificates for the engine as protected JSON of <see cref="EngineTls"/>; null for none.</summary>
    public string? Tls { get; set; }
    /// <summary>Whether new instances run here unless they say otherwise.</summary>
    public bool IsDefault { get; set; }
    /// <summary>Most that an instance may ask for here.</summary>
    public EnvironmentLimits Limits { get; set; } = new();
    /// <summary>Rises with every change; the ETag.</summary>
    public long Revision { get; set; } = 1;
    /// <summary>When it was registered.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>Last change.</summary>
    public DateTimeOffset UpdatedAt { get; set; }
    /// <summary>User or API key that registered it.</summary>
    public string? CreatedBy { get; set; }
}

/// <summary>Kinds of environments.</summary>
public static class EnvironmentKinds
{
    /// <summary>Processes of this machine.</summary>
    public const string Process = "process";
    /// <summary>A Docker or Podman engine.</summary>
    public const string Docker = "docker";
}

/// <summary>Most that an instance may ask for in an environment. Null means: no such limit.</summary>
/// <param name="MemoryBytes">Memory of one instance.</param>
/// <param name="Cpus">CPU of one instance in cores.</param>
public sealed record EnvironmentLimits(long? MemoryBytes = null, double? Cpus = null);
