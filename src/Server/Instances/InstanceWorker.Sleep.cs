using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>
/// Sleeping: a server that nobody uses is ended, and started again for the next call. The gateway holds calls back from the
/// moment that the state says Sleeping, so that none of them meets a server on its way out.
/// </summary>
internal sealed partial class InstanceWorker
{
    // As long as a call that found the old route may need to the bridge, in any process that has heard the news.
    private static readonly TimeSpan LastCalls = TimeSpan.FromSeconds(1);
    private volatile bool _wake;
    private DateTimeOffset _lastUse;

    /// <summary>A call came for it.</summary>
    public void Wake()
    {
        if (_instance is { Status.State: not InstanceStates.Sleeping }) return;
        _wake = true;
        Nudge();
    }

    private bool Sleeps => !_wake && _instance.Status is { State: InstanceStates.Sleeping } status && status.Slept == _instance.Generation;

    private TimeSpan? SleepCheck => _instance.Limits.SleepSeconds is > 0 and var seconds ? TimeSpan.FromSeconds(Math.Clamp(seconds / 4.0, 0.25, 10)) : null;

    private async Task SleepIfUnusedAsync(IRuntime runtime, WorkloadStatus run, CancellationToken cancellationToken)
    {
        if (!await IsUnusedAsync(run, TimeSpan.FromSeconds(_instance.Limits.SleepSeconds), cancellationToken)) return;
        _wake = false;
        var generation = _instance.Generation;
        await ShowAsync(s => s with { State = InstanceStates.Sleeping, Slept = generation, Reason = null, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
        await WaitAsync(LastCalls, null, cancellationToken);
        if (_wake || !await IsUnusedAsync(run, LastCalls * 2, cancellationToken))
        {
            _wake = false;
            await ShowAsync(s => Up(s, run), cancellationToken);
            return;
        }
        (_run, _exit) = (null, null);
        await runtime.StopAsync(id, cancellationToken);
        await services.Changes.NoteAsync(id, "slept", null, cancellationToken);
    }

    private async Task<bool> IsUnusedAsync(WorkloadStatus run, TimeSpan time, CancellationToken cancellationToken)
    {
        if (await BridgeClient.StatusAsync(run.Address, cancellationToken) is not { } bridge) return false;
        var now = _time.GetUtcNow();
        // A session that is open keeps the server awake: its client could not go on with another one.
        var use = bridge.Sessions > 0 || bridge.RunningCalls > 0 ? now : now - TimeSpan.FromSeconds(bridge.UnusedSeconds);
        if (use > _lastUse) _lastUse = use;
        return now - _lastUse >= time;
    }
}
