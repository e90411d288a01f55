using McpCan.Gateway;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Instances;

/// <summary>
/// Looks after one instance. Level-triggered: each round reads what should be and does the next thing towards it, so that
/// any number of changes meanwhile end in the last one.
/// <code>
///            ┌────────────── round: read the instance ──────────────┐
///  gone → end   deleting → remove, end   not managed → no workload   off → stop, wait   asleep → wait   on, not running → start   running → watch
/// </code>
/// </summary>
internal sealed partial class InstanceWorker(string id, WorkerServices services, WorkloadStatus? adopted = null, bool mayRun = false) : IDisposable
{
    private const int CrashesUntilFailed = 5;
    private static readonly TimeSpan Stable = TimeSpan.FromMinutes(5), NamesHold = TimeSpan.FromMinutes(5);
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly TimeProvider _time = services.Time;
    private readonly ILogger _logger = services.Logger;
    private readonly CancellationTokenSource _left = new();
    private volatile TaskCompletionSource _nudged = New();
    private Instance _instance = null!;
    private WorkloadStatus? _run = adopted;
    private Task<WorkloadExit?>? _exit;
    private bool _probeSoon;
    private bool _isNewlyAdopted = adopted is not null;
    private int _probeFailures;
    private long _probedAt;
    private long _namesAt;
    // Of the generation that is tried now:
    private long _generation = adopted?.Generation ?? -1;
    private int _failures;
    private DateTimeOffset _notBefore;
    private (long Generation, InstanceStatus Status)? _unsaved;
    private volatile string? _environment;
    private CancellationToken _lifetime;
    private IRuntime? _watched;

    /// <summary>Where the gateway finds a run. The run's number is sealed in session ids, so that a restart ends the old ones.</summary>
    public static GatewayUpstream Upstream(WorkloadStatus run) => new(run.Address, run.Run);

    /// <summary>The same for other processes.</summary>
    public static WorkloadPlace Place(WorkloadStatus run) => new(run.Address, run.Run, run.Generation);

    /// <summary>Something about the instance changed: look again.</summary>
    public void Nudge() => _nudged.TrySetResult();

    /// <summary>Probe in the next round.</summary>
    public void ProbeSoon()
    {
        _probeSoon = true;
        Nudge();
    }

    /// <summary>The environment that it was last seen in; null before the first look.</summary>
    public string? Environment => _environment;

    /// <summary>Do nothing more: the platform ends, and ends the workload itself.</summary>
    public void Leave() => _left.Cancel();

    public void Dispose()
    {
        _writing.Dispose();
        _left.Dispose();
        _trialStop?.Dispose();
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stopping, _left.Token);
        var cancellationToken = _lifetime = both.Token;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (!await RoundAsync(cancellationToken)) break;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (EngineUnreachableException e)
            {
                (_run, _exit) = (null, null); // found again when the engine answers
                await ShowAsync(s => s with { State = InstanceStates.Unknown, Reason = e.Message, Phase = null }, cancellationToken);
                await WaitAsync(TimeSpan.FromSeconds(5), null, cancellationToken);
            }
            catch (Exception e)
            {
                LogRound(e, id);
                await WaitAsync(TimeSpan.FromSeconds(10), null, cancellationToken);
            }
        }
        _files?.Dispose();
        await Task.WhenAll(_trial ?? Task.CompletedTask, _retiring).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>One step; false when there is nothing left to look after.</summary>
    private async Task<bool> RoundAsync(CancellationToken cancellationToken)
    {
        _nudged = New();
        if (await services.LoadAsync(id, cancellationToken) is not { } instance) return false;
        Take(instance);
        var runtime = services.Environments.Find(instance.Environment);
        if (_environment is { } before && before != instance.Environment) await MoveAsync(before, cancellationToken);
        _environment = instance.Environment;
        if (await RestartForChangesAsync(cancellationToken)) return true;
        if (instance.Deleting || instance.Mode != InstanceModes.Managed || !instance.ShouldRun || runtime is null)
            await GiveUpAsync(runtime, "The server was stopped or changed meanwhile.", cancellationToken);
        else if (await RolloutAsync(runtime, cancellationToken)) return true;
        if (instance.Deleting)
        {
            // What an unreachable environment keeps is swept when it is reached again.
            if (runtime is not null) await runtime.RemoveAsync(id, purge: true, cancellationToken);
            await services.Changes.ForgetAsync(id, cancellationToken);
            return false;
        }
        if (instance.Mode != InstanceModes.Managed)
        {
            await RemoteAsync(runtime, cancellationToken);
            return true;
        }
        _mayRun = true;
        if (!instance.ShouldRun) await StopAsync(runtime, cancellationToken);
        else if (runtime is null) await UnreachableAsync(cancellationToken);
        else if (_run is null && Sleeps) await WaitAsync(null, null, cancellationToken);
        else if (_run is null || _run.Generation != instance.Generation) await StartAsync(runtime, cancellationToken);
        else await WatchAsync(runtime, _run, cancellationToken);
        return true;
    }

    /// <summary>Ends it where it was. Its files stay: the new environment goes on with them.</summary>
    private async Task MoveAsync(string before, CancellationToken cancellationToken)
    {
        (_run, _exit, _isNewlyAdopted) = (null, null, false);
        services.Routes.Set(_instance, null);
        try
        {
            if (services.Environments.Find(before) is { } old) await old.StopAsync(id, cancellationToken);
        }
        catch (IOException e)
        {
            // It is not reached now: what is left there is swept when it is.
            LogNotEnded(e, id);
        }
    }

    private async Task UnreachableAsync(CancellationToken cancellationToken)
    {
        await ShowAsync(s => s with { State = InstanceStates.Unknown, Reason = $"There is no environment '{_instance.Environment}' any more.", Phase = null }, cancellationToken);
        await WaitAsync(null, null, cancellationToken);
    }

    private async Task StopAsync(IRuntime? runtime, CancellationToken cancellationToken)
    {
        if (_instance.Status.State != InstanceStates.Stopped || _run is not null)
        {
            (_run, _exit) = (null, null);
            if (runtime is not null) await runtime.StopAsync(id, cancellationToken);
            await ShowAsync(s => s with { State = InstanceStates.Stopped, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
        }
        await WaitAsync(null, null, cancellationToken);
    }

    /// <summary>While it runs: waits for its end, for a change, or for the next probe.</summary>
    private async Task WatchAsync(IRuntime runtime, WorkloadStatus run, CancellationToken cancellationToken)
    {
        if (_watched is not null && _watched != runtime) _exit = null; // it is reached in another way now
        _watched = runtime;
        _exit ??= runtime.WaitForExitAsync(id, cancellationToken);
        if (_isNewlyAdopted)
        {
            _isNewlyAdopted = false;
            // One that was seen running waits for its turn: a probe costs a session, and often a process.
            _probeSoon |= _instance.Status.State != InstanceStates.Running;
            await services.Changes.NoteAsync(id, "adopted", $"Run {run.Run} was still there.", cancellationToken);
        }
        var healthy = _instance.Status.State == InstanceStates.Running;
        var pause = healthy && _probeFailures == 0 ? TimeSpan.FromSeconds(services.Options.ProbeSeconds) : TimeSpan.FromSeconds(Math.Min(10, services.Options.ProbeSeconds));
        if (!_probeSoon && !_exit.IsCompleted && await WaitAsync(SleepCheck is { } check && check < pause ? check : pause, _exit, cancellationToken))
        {
            _probeSoon = _time.GetElapsedTime(_probedAt) >= pause;
            // A timer may end a moment early: then it is neither time for a probe, nor has a server that never sleeps been unused for too long.
            if (!_probeSoon && healthy && SleepCheck is not null) await SleepIfUnusedAsync(runtime, run, cancellationToken);
            if (_run is null) return;
        }
        if (_exit.IsCompleted)
        {
            await CrashedAsync(run, await _exit, cancellationToken);
            return;
        }
        if (!_probeSoon) return;
        (_probeSoon, _probedAt) = (false, _time.GetTimestamp());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var probe = services.Probe.RunAsync(run.Address, Math.Min(_instance.Limits.StartSeconds, 30), null, null, stop.Token);
        await Task.WhenAny(probe, _exit, _nudged.Task);
        if (probe.IsCompleted)
        {
            await ProbedAsync(await probe, run, cancellationToken);
            return;
        }
        // A change or the end is more urgent.
        _probeSoon = true;
        await stop.CancelAsync();
        await ((Task)probe).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ProbedAsync(ProbeResult probe, WorkloadStatus run, CancellationToken cancellationToken)
    {
        var before = _instance.Status.State;
        if (_instance.Egress.Mode == EgressPolicy.AllowList && _time.GetElapsedTime(_namesAt) >= NamesHold)
        {
            _namesAt = _time.GetTimestamp();
            if (services.Environments.Find(_instance.Environment) is { } runtime) await runtime.RenewEgressAsync(id, cancellationToken);
        }
        if (probe.Ok)
        {
            _probeFailures = 0;
            if (before == InstanceStates.Running && (_instance.ToolCount, _instance.ServerInfo, _instance.ProtocolVersion) == (probe.ToolCount, probe.ServerInfo, probe.ProtocolVersion)) return;
            (_instance.ToolCount, _instance.ServerInfo, _instance.ProtocolVersion) = (probe.ToolCount, probe.ServerInfo, probe.ProtocolVersion);
            await ShowAsync(s => Up(s, run), cancellationToken);
            if (before == InstanceStates.Degraded) await services.Changes.NoteAsync(id, "recovered", null, cancellationToken);
            return;
        }
        _probeFailures++;
        if (_probeFailures < 2 && before == InstanceStates.Running) return;
        await ShowAsync(s => s with { State = InstanceStates.Degraded, Reason = $"The last {_probeFailures} probes failed. {probe.Reason}", Phase = null }, cancellationToken);
        if (before != InstanceStates.Degraded) await services.Changes.NoteAsync(id, "degraded", probe.Reason, cancellationToken);
    }

    private async Task CrashedAsync(WorkloadStatus run, WorkloadExit? exit, CancellationToken cancellationToken)
    {
        (_run, _exit, _probeFailures) = (null, null, 0);
        if (_time.GetUtcNow() - run.StartedAt > Stable) _failures = 0;
        _failures++;
        exit ??= new WorkloadExit(null, null, "run", "The workload is gone.", [], _time.GetUtcNow());
        var failed = _failures > CrashesUntilFailed;
        var pause = failed ? TimeSpan.FromSeconds(60) : TimeSpan.FromSeconds(Math.Min(60, Math.Pow(2, _failures - 1)));
        _notBefore = _time.GetUtcNow() + pause;
        await ShowAsync(s => s with
        {
            State = failed ? InstanceStates.Failed : InstanceStates.Starting,
            Reason = failed ? $"{exit.Reason} It crashed {_failures} times; it is tried again every minute." : $"It crashed and is started again in {pause.TotalSeconds:0} s. {exit.Reason}",
            Phase = null,
            LastExit = exit,
            Restarts = s.Restarts + 1,
            Isolation = null,
            LimitsInForce = [],
        }, cancellationToken);
        await services.Changes.NoteAsync(id, "crashed", exit.Reason, cancellationToken);
    }

    /// <summary>Takes the instance as stored, with what we observed and could not store yet.</summary>
    private void Take(Instance instance)
    {
        _instance = instance;
        if (_generation != instance.Generation) (_generation, _failures, _notBefore, _unsaved, _probeFailures, _probedOnce) = (instance.Generation, 0, default, null, 0, false);
        if (_unsaved is { } unsaved && instance is { ShouldRun: true, Deleting: false } && unsaved.Generation == instance.Generation) instance.Status = unsaved.Status;
        services.Routes.Set(instance, Serving(_run is not null && _run.Generation == instance.Generation && IsUp(instance.Status) ? _run : null), _draining);
    }

    private InstanceStatus Up(InstanceStatus status, WorkloadStatus run) => status with
    {
        State = InstanceStates.Running,
        Reason = null,
        Phase = null,
        Isolation = run.Isolation,
        LimitsInForce = run.LimitsInForce,
        Image = run.Image,
    };

    private bool IsUp(InstanceStatus status) => status.State is InstanceStates.Running or InstanceStates.Degraded || _isNewlyAdopted;

    /// <summary>Makes a new status known: to the gateway at once, then to the database and open pages.</summary>
    private async Task ShowAsync(Func<InstanceStatus, InstanceStatus> change, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            var old = _instance.Status;
            var status = change(old);
            _instance.Status = status with { Since = status.State == old.State ? old.Since : _time.GetUtcNow() };
            var up = IsUp(_instance.Status) ? _run : null;
            _instance.Place = ServingPlace(up);
            services.Routes.Set(_instance, Serving(up), _draining);
            var stored = await services.Changes.ObserveAsync(_instance, cancellationToken);
            // Changed meanwhile: the next round decides with the new settings in hand.
            _unsaved = stored ? null : (_instance.Generation, _instance.Status);
            if (!stored) Nudge();
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Waits for a change, for <paramref name="other"/>, or for the time to pass; true when it was the time.</summary>
    private async Task<bool> WaitAsync(TimeSpan? most, Task? other, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var timer = Task.Delay(most ?? Timeout.InfiniteTimeSpan, _time, stop.Token);
        var first = await Task.WhenAny(timer, _nudged.Task, other ?? timer);
        await stop.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        return first == timer;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(1, LogLevel.Error, "Looking after instance {Id} failed; trying again")]
    private partial void LogRound(Exception exception, string id);

    [LoggerMessage(2, LogLevel.Warning, "The half-started workload of instance {Id} could not be ended")]
    private partial void LogNotEnded(Exception exception, string id);
}
