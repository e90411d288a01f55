using System.Globalization;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>Modes without a workload of ours: a proxied server is probed now and then, a direct one is only on file, a virtual one looks at its members.</summary>
internal sealed partial class InstanceWorker
{
    private const int FailuresUntilFailed = 6;
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);
    // A workload of the managed mode may still be there.
    private bool _mayRun = mayRun || adopted is not null;
    private bool _probedOnce;

    private async Task RemoteAsync(IRuntime? runtime, CancellationToken cancellationToken)
    {
        if (_mayRun)
        {
            (_run, _exit, _isNewlyAdopted) = (null, null, false);
            if (runtime is not null) await runtime.StopAsync(id, cancellationToken);
            _mayRun = false;
        }
        if (_instance.Mode == InstanceModes.Direct) await RestAsync(InstanceStates.Registered, cancellationToken);
        else if (!_instance.ShouldRun) await RestAsync(InstanceStates.Stopped, cancellationToken);
        else if (_instance.Mode == InstanceModes.Virtual) await WatchVirtualAsync(cancellationToken);
        else await WatchRemoteAsync(cancellationToken);
    }

    private async Task RestAsync(string state, CancellationToken cancellationToken)
    {
        if (_instance.Status.State != state || _instance.Status.Isolation is not null)
            await ShowAsync(s => s with { State = state, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
        await WaitAsync(null, null, cancellationToken);
    }

    /// <summary>Traffic flows whatever the probes say: they only tell people how the server is.</summary>
    private async Task WatchRemoteAsync(CancellationToken cancellationToken)
    {
        var healthy = _instance.Status.State == InstanceStates.Running;
        if (!_probedOnce && !healthy) _probeSoon = true;
        if (!_probeSoon)
        {
            var normal = TimeSpan.FromSeconds(services.Options.ProbeSeconds);
            var retry = TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, Math.Min(10, normal.TotalSeconds) * Math.Pow(2, Math.Clamp(_probeFailures - 1, 0, 10))));
            _probeSoon = await WaitAsync(healthy && _probeFailures == 0 ? normal : retry, null, cancellationToken);
            if (!_probeSoon) return;
        }
        _probeSoon = false;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var generation = _instance.Generation;
        var probe = services.Remotes.ProbeAsync(_instance, stop.Token);
        if (await Task.WhenAny(probe, _nudged.Task) != probe)
        {
            // A change is more urgent; a probe of what did not change is made again.
            _probeSoon = true;
            await stop.CancelAsync();
            await ((Task)probe).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        _probedOnce = true;
        await RemoteProbedAsync(await probe, cancellationToken);
    }

    private async Task RemoteProbedAsync(ProbeResult probe, CancellationToken cancellationToken)
    {
        var before = _instance.Status;
        if (probe.Ok)
        {
            _probeFailures = 0;
            if (before.State == InstanceStates.Running && (_instance.ToolCount, _instance.ServerInfo, _instance.ProtocolVersion) == (probe.ToolCount, probe.ServerInfo, probe.ProtocolVersion)) return;
            (_instance.ToolCount, _instance.ServerInfo, _instance.ProtocolVersion) = (probe.ToolCount, probe.ServerInfo, probe.ProtocolVersion);
            await ShowAsync(s => s with { State = InstanceStates.Running, Reason = null, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
            if (before.State is InstanceStates.Degraded or InstanceStates.Failed) await services.Changes.NoteAsync(id, "recovered", null, cancellationToken);
            else if (before.State != InstanceStates.Running) await services.Changes.NoteAsync(id, "running", $"{probe.ServerInfo}: {probe.ToolCount?.ToString(CultureInfo.InvariantCulture)} tools", cancellationToken);
            return;
        }
        _probeFailures++;
        if (_probeFailures < 2 && before.State == InstanceStates.Running) return;
        // One that answered before is degraded for a while; one that never did, or no more, has failed.
        var failed = before.State is InstanceStates.Starting or InstanceStates.Failed or InstanceStates.Stopped || _probeFailures >= FailuresUntilFailed;
        var state = failed ? InstanceStates.Failed : InstanceStates.Degraded;
        var reason = failed ? probe.Reason : $"The last {_probeFailures} probes failed. {probe.Reason}";
        await ShowAsync(s => s with { State = state, Reason = reason, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
        if (before.State != state) await services.Changes.NoteAsync(id, failed ? "failed" : "degraded", probe.Reason, cancellationToken);
    }
}
