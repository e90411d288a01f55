using McpCan.Gateway;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>
/// Another version of the package, with the old one at work until the new one is healthy:
/// <code>
/// old     ───serves────────┬─ its sessions end ─┐
/// trial          start ─ healthy ─ serves ──────┼──────────┬─ its sessions end ─┐
/// new                                           └─ start ─ healthy ─ serves ─────────────
/// </code>
/// The trial is a workload of its own beside the instance's, with the same private home. A platform that is killed leaves it as a workload
/// of nobody, which the next start sweeps; the rollout stands in the database and begins again.
/// </summary>
internal sealed partial class InstanceWorker
{
    private static readonly TimeSpan DrainPace = TimeSpan.FromMilliseconds(250);
    private Rollout? _rollout;
    private long _rolloutGeneration;
    private Task<Trial>? _trial;
    private IRuntime? _trialRuntime;
    private CancellationTokenSource? _trialStop;
    // Serves in place of the run, or did a moment ago:
    private WorkloadStatus? _standIn;
    private long _standInNumber;
    private IReadOnlyList<GatewayUpstream> _draining = [];
    private Task _retiring = Task.CompletedTask;
    private int _drainSeconds;

    private sealed record Trial(WorkloadStatus? Run, string? Reason, IReadOnlyList<string> Log, List<ToolChange>? Tools);

    private string TrialId => TrialOf(id);

    /// <summary>The workload of a version that is tried beside an instance's own.</summary>
    public static string TrialOf(string instanceId) => instanceId + "-next";

    /// <summary>All that it has started, or may be starting.</summary>
    public IEnumerable<string> Workloads => _trial is null && _standIn is null && _retiring.IsCompleted ? [id] : [id, TrialId];

    /// <summary>Begins, gives up or completes a rollout; true when the instance was changed by it and has to be read again.</summary>
    private async Task<bool> RolloutAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        if (_rollout is { } known && (_instance.Rollout?.Deployment != known.Deployment || _instance.Generation != _rolloutGeneration))
        {
            await GiveUpAsync(runtime, "The server was changed meanwhile. Deploy the version again.", cancellationToken);
            return true;
        }
        if (_instance.Rollout is not { } wanted) return false;
        if (_trial is null)
        {
            // What stands in for the instance's own workload has the place of a trial. It gives way only when that workload does not come up.
            if (_standIn is not null && _instance.Status.State != InstanceStates.Failed) return false;
            _standIn = null;
            (_rollout, _rolloutGeneration, _trialRuntime) = (wanted, _instance.Generation, runtime);
            _trialStop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var old = _run is not null && _run.Generation == _instance.Generation && IsUp(_instance.Status) ? _run : null;
            _trial = TryAsync(runtime, _instance, wanted, old, _trialStop.Token);
            _ = _trial.ContinueWith(_ => Nudge(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            return false;
        }
        if (!_trial.IsCompleted) return false;
        var trial = await _trial;
        if (trial.Run is null || wanted.Trial)
        {
            await EndTrialAsync(runtime, cancellationToken);
            await CloseAsync(wanted, trial.Run is null ? DeploymentStates.Failed : DeploymentStates.Healthy, trial, cancellationToken);
            if (trial.Run is null) await services.Changes.NoteAsync(id, "deployment-failed", $"v{wanted.Version}: {trial.Reason}", cancellationToken);
            return true;
        }
        await SwitchAsync(runtime, wanted, trial, cancellationToken);
        return true;
    }

    /// <summary>Nothing of a rollout is left: the instance stops, goes, or was changed.</summary>
    private async Task GiveUpAsync(IRuntime? runtime, string reason, CancellationToken cancellationToken)
    {
        if (_rollout is null && _instance.Rollout is null && _standIn is null && _retiring.IsCompleted) return;
        (_standIn, _draining) = (null, []);
        var rollout = _rollout ?? _instance.Rollout;
        await EndTrialAsync(runtime, cancellationToken);
        if (rollout is not null) await CloseAsync(rollout, DeploymentStates.Cancelled, new Trial(null, reason, [], null), cancellationToken);
    }

    private async Task EndTrialAsync(IRuntime? runtime, CancellationToken cancellationToken)
    {
        if (_trialStop is { } stop)
        {
            await stop.CancelAsync();
            await ((Task)(_trial ?? Task.FromResult<Trial>(null!))).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
        }
        // The instance may have moved meanwhile.
        runtime = _trialRuntime ?? runtime;
        (_trial, _trialStop, _trialRuntime, _rollout) = (null, null, null, null);
        try
        {
            if (runtime is not null) await runtime.RemoveAsync(TrialId, purge: true, cancellationToken);
        }
        catch (IOException e)
        {
            // It is not reached now: what is left there is swept when it is.
            LogNotEnded(e, id);
        }
    }

    /// <summary>Installs and starts the version beside the running one, and asks it for its tools.</summary>
    private async Task<Trial> TryAsync(IRuntime runtime, Instance instance, Rollout wanted, WorkloadStatus? old, CancellationToken cancellationToken)
    {
        await _retiring.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            var (before, after) = (new ProbeNotes(), new ProbeNotes());
            if (old is not null && !(await services.Probe.RunAsync(old.Address, instance.Limits.StartSeconds, null, before, cancellationToken)).Ok) old = null;
            WorkloadStatus run;
            await services.StartSlots.WaitAsync(cancellationToken);
            try
            {
                var next = await services.LoadAsync(id, cancellationToken) ?? instance;
                next.Source = (PackageCodeSource)instance.Source! with { Version = wanted.Version };
                var spec = await services.PlanAsync(next, runtime, cancellationToken);
                run = await runtime.ApplyAsync(spec with { InstanceId = TrialId, HomeOf = id }, new PhaseProgress(_ => { }), cancellationToken);
            }
            finally
            {
                services.StartSlots.Release();
            }
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var exit = runtime.WaitForExitAsync(TrialId, stop.Token);
            var probing = services.Probe.RunAsync(run.Address, instance.Limits.StartSeconds, null, after, stop.Token);
            if (await Task.WhenAny(probing, exit) == exit && !probing.IsCompleted) throw new WorkloadFailedException(await exit ?? new WorkloadExit(null, null, "initialize", "The version ended before it answered.", [], _time.GetUtcNow()));
            var probe = await probing;
            await stop.CancelAsync();
            await ((Task)exit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (probe.Ok) return new Trial(run, null, [], old is null ? null : ToolChanges.Compare(before.Tools, after.Tools));
            var lines = new List<string>();
            await foreach (var line in runtime.ReadLogsAsync(TrialId, new LogQuery { Tail = 20 }, cancellationToken)) lines.Add(line.Msg);
            var why = await runtime.GetServerExitAsync(TrialId, cancellationToken);
            return new Trial(null, why?.Reason ?? probe.Reason, lines, null);
        }
        catch (WorkloadFailedException e)
        {
            return new Trial(null, e.Exit.Reason, e.Exit.LastLines, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotTried(e, id);
            return new Trial(null, $"The version could not be tried. {e.Message}", [], null);
        }
    }

    /// <summary>New sessions go to the healthy trial, the old ones may end; then the instance itself gets the version.</summary>
    private async Task SwitchAsync(IRuntime runtime, Rollout wanted, Trial trial, CancellationToken cancellationToken)
    {
        var old = _run is not null && IsUp(_instance.Status) ? _run : null;
        (_standIn, _standInNumber) = (trial.Run, (1L << 40) + _instance.Generation); // above all numbers of runs
        _draining = old is null ? [] : [Upstream(old)];
        await NoteSwitchingAsync(wanted, trial, cancellationToken);
        await ShowAsync(s => Up(s, trial.Run!), cancellationToken);
        if (old is not null) await DrainAsync(old, wanted.DrainSeconds, urgent: true, cancellationToken);
        _draining = [];
        if (!await CloseAsync(wanted, DeploymentStates.Deployed, trial, cancellationToken)) return; // changed meanwhile: the next round gives up
        // The stand-in stays until the instance's own workload is up, see StoodInAsync.
        (_trial, _rollout, _drainSeconds) = (null, null, wanted.DrainSeconds);
        _trialStop?.Dispose();
        _trialStop = null;
        await services.Changes.NoteAsync(id, "deployed", $"v{wanted.Version}", cancellationToken);
    }

    /// <summary>The instance's own workload is up again: what stood in for it ends when its sessions have ended.</summary>
    private void StoodIn(IRuntime runtime, CancellationToken cancellationToken)
    {
        if (_standIn is not { } run) return;
        _draining = [StandInUpstream()];
        _standIn = null;
        _retiring = RetireAsync();

        async Task RetireAsync()
        {
            try
            {
                // Its sessions are of the version that was asked for; they have a minute even when those of the old one had none.
                await DrainAsync(run, Math.Max(_drainSeconds, 60), urgent: false, cancellationToken);
                _draining = [];
                await runtime.RemoveAsync(TrialId, purge: true, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogNotEnded(e, id);
            }
            Nudge(); // so that routes forget it
        }
    }

    /// <summary>Waits for the end of a run's sessions and calls, and not longer than told; with <paramref name="urgent"/> a stop or deletion ends the wait.</summary>
    private async Task DrainAsync(WorkloadStatus run, int seconds, bool urgent, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        while (_time.GetElapsedTime(start) is var past && past < TimeSpan.FromSeconds(seconds))
        {
            // A client that found the old route may still be on its way to it.
            if (past >= LastCalls && (await BridgeClient.StatusAsync(run.Address, cancellationToken) is not { } state || state is { Sessions: 0, RunningCalls: 0 })) return;
            if (urgent && _nudged.Task.IsCompleted)
            {
                _nudged = New();
                if (await services.LoadAsync(id, cancellationToken) is not { ShouldRun: true, Deleting: false } now || now.Rollout?.Deployment != _rollout?.Deployment || now.Generation != _rolloutGeneration) return;
            }
            await Task.Delay(DrainPace, _time, cancellationToken);
        }
    }

    /// <summary>
    /// The rollout has ended: in one step the instance forgets it, and takes its version when it was deployed, and the deployment says how it ended.
    /// False when there is nothing to deploy any more, because the instance was changed meanwhile.
    /// </summary>
    private async Task<bool> CloseAsync(Rollout rollout, string state, Trial trial, CancellationToken cancellationToken)
    {
        while (true)
        {
            await using var db = await services.Databases.CreateDbContextAsync(cancellationToken);
            if (await db.Instances.FirstOrDefaultAsync(i => i.Id == id, cancellationToken) is not { } now || now.Rollout?.Deployment != rollout.Deployment) return false;
            if (state == DeploymentStates.Deployed)
            {
                if (now is not { ShouldRun: true, Deleting: false, Source: PackageCodeSource source } || now.Generation != _rolloutGeneration) return false;
                now.Source = source with { Version = rollout.Version };
                now.Generation++;
            }
            now.Rollout = null;
            now.Revision++;
            if (await db.Deployments.FirstOrDefaultAsync(d => d.Id == rollout.Deployment, cancellationToken) is { } deployment)
            {
                (deployment.State, deployment.Reason, deployment.Tools, deployment.EndedAt) = (state, trial.Reason, trial.Tools, _time.GetUtcNow());
                deployment.Log = [.. trial.Log.TakeLast(20)];
            }
            try
            {
                await db.SaveChangesAsync(cancellationToken);
                services.Changes.Tell(id);
                return true;
            }
            catch (DbUpdateConcurrencyException)
            {
                // Changed in this moment: look again.
            }
        }
    }

    private async Task NoteSwitchingAsync(Rollout rollout, Trial trial, CancellationToken cancellationToken)
    {
        await using (var db = await services.Databases.CreateDbContextAsync(cancellationToken))
        {
            if (await db.Deployments.FirstOrDefaultAsync(d => d.Id == rollout.Deployment, cancellationToken) is not { } deployment) return;
            (deployment.State, deployment.Tools) = (DeploymentStates.Switching, trial.Tools);
            await db.SaveChangesAsync(cancellationToken);
        }
        services.Changes.Tell(id);
    }

    private GatewayUpstream StandInUpstream() => new(_standIn!.Address, _standInNumber);

    /// <summary>Where new sessions go.</summary>
    private GatewayUpstream? Serving(WorkloadStatus? run) => _standIn is not null ? StandInUpstream() : run is null ? null : Upstream(run);

    private WorkloadPlace? ServingPlace(WorkloadStatus? run) => Serving(run) is { } at ? new WorkloadPlace(at.Address, at.Generation, _instance.Generation, _draining.Count == 0 ? null : _draining) : null;

    [LoggerMessage(3, LogLevel.Warning, "A version of instance {Id} could not be tried")]
    private partial void LogNotTried(Exception exception, string id);
}
