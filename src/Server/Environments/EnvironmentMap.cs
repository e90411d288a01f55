using McpCan.Server.Runtimes;

namespace McpCan.Server.Environments;

/// <summary>Which runtime serves which environment. This version knows one: processes on this machine.</summary>
public sealed class EnvironmentMap(IEnumerable<IRuntime> runtimes)
{
    /// <summary>The environment of this machine.</summary>
    public const string Local = "local";

    private readonly IRuntime? _local = runtimes.FirstOrDefault(r => r.Kind == "process") ?? runtimes.FirstOrDefault();

    /// <summary>The environment's runtime, or null when there is none.</summary>
    public IRuntime? Find(string environment) => environment == Local ? _local : null;
}
