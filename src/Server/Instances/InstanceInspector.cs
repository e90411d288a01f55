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
internal sealed class InstanceInspector(EnvironmentMap environments, BridgeProbe probe, RemoteProbe remotes, InstanceChanges changes)
{
    /// <summary>Asks the server for its tools now. An outcome that the status does not show yet is looked into by the reconciler.</summary>
    public async Task<ProbeResult> ProbeAsync(Instance instance, CancellationToken cancellationToken)
    {
        var result = instance.Mode switch
        {
            InstanceModes.Managed => await ProbeWorkloadAsync(instance, cancellationToken),
            InstanceModes.Proxy when instance.ShouldRun => await remotes.ProbeAsync(instance, cancellationToken),
            InstanceModes.Virtual => throw new ProblemException(409, "virtual", $"The server '{instance.Name}' consists of other servers: probe those."),
            InstanceModes.Proxy => throw new ProblemException(409, "not-running", $"The server '{instance.Name}' is switched off."),
            _ => throw new ProblemException(409, "direct-mode", $"The server '{instance.Name}' is kept on file only; nothing of it runs here."),
        };
        if (result.Ok != (instance.Status.State == InstanceStates.Running)) changes.ProbeDue(instance.Id);
        return result;
    }

    public async Task<UsageView> UsageAsync(Instance instance, CancellationToken cancellationToken)
    {
        if (instance.Mode != InstanceModes.Managed) throw new ProblemException(409, "runs-elsewhere", $"The server '{instance.Name}' does not run here, so its CPU and memory are not known.");
        var status = await RunningAsync(instance, cancellationToken);
        var usage = await environments.Find(instance.Environment)!.GetUsageAsync(instance.Id, cancellationToken) ?? throw NotRunning(instance);
        var bridge = await BridgeClient.StatusAsync(status.Address, cancellationToken);
        return new UsageView(usage.CpuSeconds, usage.MemoryBytes, usage.Processes, bridge?.Sessions, bridge?.RunningCalls, status.StartedAt);
    }

    private async Task<ProbeResult> ProbeWorkloadAsync(Instance instance, CancellationToken cancellationToken) =>
        await probe.RunAsync((await RunningAsync(instance, cancellationToken)).Address, instance.Limits.StartSeconds, null, null, cancellationToken);

    private async Task<WorkloadStatus> RunningAsync(Instance instance, CancellationToken cancellationToken) =>
        (environments.Find(instance.Environment) is { } runtime ? await runtime.GetStatusAsync(instance.Id, cancellationToken) : null) ?? throw NotRunning(instance);

    private static ProblemException NotRunning(Instance instance) => new(409, "not-running", $"The instance '{instance.Name}' is not running.");
}
