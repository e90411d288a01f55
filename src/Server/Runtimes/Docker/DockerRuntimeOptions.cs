namespace McpCan.Server.Runtimes.Docker;

/// <summary>What a container runtime needs to know besides the installation.</summary>
public sealed record DockerRuntimeOptions
{
    /// <summary>The installation; its data folder must lie in the same place for the engine.</summary>
    public required ProcessRuntimeOptions Installation { get; init; }
    /// <summary>The engine.</summary>
    public required EngineAddress Engine { get; init; }
    /// <summary>The environment's name: two environments on one engine keep apart.</summary>
    public required string Environment { get; init; }
    /// <summary>Addresses beyond public ones that workloads with open egress may reach: <c>private</c>, or networks such as <c>10.1.0.0/16</c>.</summary>
    public IReadOnlyList<string> EgressAllow { get; init; } = [];
    /// <summary>Looks up the addresses of a name.</summary>
    public Func<string, CancellationToken, Task<System.Net.IPAddress[]>> Resolve { get; init; } = System.Net.Dns.GetHostAddressesAsync;
    /// <summary>Folder with <c>workload.tar</c> and <c>workload.json</c>; null for the one that was built with the server.</summary>
    public string? Images { get; init; }
}

/// <summary>Makes the runtime of a registered engine.</summary>
public sealed class DockerRuntimeFactory(ProcessRuntimeOptions installation, Hosting.McpCanOptions options, TimeProvider time, ILogger<DockerRuntime> logger)
{
    /// <summary>A runtime; nothing is sent to the engine yet. Whoever asked disposes it.</summary>
    public DockerRuntime Create(EngineAddress engine, string environment) =>
        new(new() { Installation = installation, Engine = engine, Environment = environment, EgressAllow = options.Egress }, time, logger);
}
