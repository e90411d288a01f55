using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>CPU, memory and sessions of a running instance.</summary>
/// <param name="CpuSeconds">CPU time used since the start of the run.</param>
/// <param name="MemoryBytes">Resident memory now.</param>
/// <param name="Processes">Processes now.</param>
/// <param name="Sessions">Open MCP sessions.</param>
/// <param name="RunningCalls">Calls that are being answered.</param>
/// <param name="StartedAt">Start of the run.</param>
public sealed record UsageView(double CpuSeconds, long MemoryBytes, int Processes, int? Sessions, int? RunningCalls, DateTimeOffset StartedAt);

/// <summary>Looks at a running workload without changing anything.</summary>
internal sealed class InstanceInspector(EnvironmentMap environments)
{
    public async Task<UsageView> UsageAsync(Instance instance, CancellationToken cancellationToken)
    {
        if (instance.Mode != InstanceModes.Managed) throw new ProblemException(409, "runs-elsewhere", $"The server '{instance.Name}' does not run here, so its CPU and memory are not known.");
        var status = await RunningAsync(instance, cancellationToken);
        var usage = await environments.Find(instance.Environment)!.GetUsageAsync(instance.Id, cancellationToken) ?? throw NotRunning(instance);
        var bridge = await BridgeClient.StatusAsync(status.Address, cancellationToken);
        return new UsageView(usage.CpuSeconds, usage.MemoryBytes, usage.Processes, bridge?.Sessions, bridge?.RunningCalls, status.StartedAt);
    }

    private async Task<WorkloadStatus> RunningAsync(Instance instance, CancellationToken cancellationToken) =>
        (environments.Find(instance.Environment) is { } runtime ? await runtime.GetStatusAsync(instance.Id, cancellationToken) : null) ?? throw NotRunning(instance);

    private static ProblemException NotRunning(Instance instance) => new(409, "not-running", $"The instance '{instance.Name}' is not running.");
}
