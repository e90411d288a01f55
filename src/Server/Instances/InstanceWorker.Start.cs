using System.Globalization;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>Starting: install, start, initialize, tools; a failed attempt is explained and tried again later.</summary>
internal sealed partial class InstanceWorker
{
    private const int Patient = 10;
    private bool _starting;

    private async Task StartAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        var wait = _notBefore - _time.GetUtcNow();
        if (wait > TimeSpan.Zero && !await WaitAsync(wait, null, cancellationToken)) return;

        (_run, _exit) = (null, null);
        var generation = _instance.Generation;
        // A server that failed keeps saying so while it is tried again.
        if (_standIn is null && (_instance.Status.State != InstanceStates.Failed || _failures == 0))
            await ShowAsync(s => s with { State = InstanceStates.Starting, Phase = s.Phase ?? "start" }, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempt = AttemptAsync(runtime, stop.Token);
        while (await Task.WhenAny(attempt, _nudged.Task) != attempt)
        {
            _nudged = New();
            if (await services.LoadAsync(id, cancellationToken) is { ShouldRun: true, Deleting: false } now && now.Generation == generation)
            {
                // Another name, for example: go on under it.
                now.Status = _instance.Status;
                _instance = now;
                await ShowAsync(s => s, cancellationToken);
                continue;
            }
            await stop.CancelAsync();
            await attempt.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await EndHalfAsync(runtime, cancellationToken);
            Nudge();
            return;
        }
        await attempt;
    }

    private async Task AttemptAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        try
        {
            _starting = true;
            WorkloadStatus run;
            await services.StartSlots.WaitAsync(cancellationToken);
            try
            {
                var spec = await services.PlanAsync(_instance, runtime, cancellationToken);
                run = await runtime.ApplyAsync(spec, new PhaseProgress(phase => _ = PhaseAsync(phase, cancellationToken)), cancellationToken);
            }
            finally
            {
                services.StartSlots.Release();
            }
            await SucceededAsync(runtime, run, cancellationToken);
        }
        catch (WorkloadFailedException e)
        {
            await FailedAsync(runtime, e.Exit, cancellationToken);
        }
        catch (Exception e) when (e is ProblemException or InvalidOperationException)
        {
            await FailedAsync(runtime, new WorkloadExit(null, null, "start", e.Message, [], _time.GetUtcNow()), cancellationToken);
        }
        finally
        {
            _starting = false;
        }
    }

    /// <summary>The bridge listens; now the server must answer.</summary>
    private async Task SucceededAsync(IRuntime runtime, WorkloadStatus run, CancellationToken cancellationToken)
    {
        var exit = runtime.WaitForExitAsync(id, CancellationToken.None);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var notes = new ProbeNotes { WantsDefinitions = _instance.Limits.SleepSeconds > 0 };
        var probing = services.Probe.RunAsync(run.Address, _instance.Limits.StartSeconds, phase => PhaseAsync(phase, stop.Token), notes, stop.Token);
        if (await Task.WhenAny(probing, exit) == exit && !probing.IsCompleted)
        {
            await stop.CancelAsync();
            await ((Task)probing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            throw new WorkloadFailedException(await exit ?? new WorkloadExit(null, null, "initialize", "The workload ended before it answered.", [], _time.GetUtcNow()));
        }
        var probe = await probing;
        if (!probe.Ok) throw new WorkloadFailedException(await ExplainAsync(runtime, probe, cancellationToken));

        _starting = false;
        (_run, _exit, _probeFailures, _probeSoon, _probedAt, _lastUse, _wake) = (run, exit, 0, false, _time.GetTimestamp(), _time.GetUtcNow(), false);
        (_instance.ToolCount, _instance.ServerInfo, _instance.ProtocolVersion) = (probe.ToolCount, probe.ServerInfo, probe.ProtocolVersion);
        StoodIn(runtime, _lifetime);
        _instance.Pinned = notes.Definitions is { } said ? await services.Definitions.PinAsync(_instance, said, cancellationToken) : null;
        await ShowAsync(s => Up(s, run), cancellationToken);
        await services.Changes.NoteAsync(id, "running", $"{probe.ServerInfo}: {probe.ToolCount?.ToString(CultureInfo.InvariantCulture)} tools", cancellationToken);
    }

    /// <summary>Why the server did not answer: its process's end when there was one, and its last lines.</summary>
    private async Task<WorkloadExit> ExplainAsync(IRuntime runtime, ProbeResult probe, CancellationToken cancellationToken)
    {
        if (await runtime.GetServerExitAsync(id, cancellationToken) is { } exit) return exit with { Phase = probe.Phase };
        return new WorkloadExit(null, null, probe.Phase, probe.Reason!, await LastLinesAsync(runtime, cancellationToken), _time.GetUtcNow());
    }

    private async Task<IReadOnlyList<string>> LastLinesAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        await foreach (var line in runtime.ReadLogsAsync(id, new LogQuery { Tail = 20 }, cancellationToken)) lines.Add(line.Msg);
        return lines;
    }

    private async Task FailedAsync(IRuntime runtime, WorkloadExit exit, CancellationToken cancellationToken)
    {
        _starting = false;
        await EndHalfAsync(runtime, cancellationToken);
        _failures++;
        var pause = _failures > Patient ? TimeSpan.FromMinutes(10) : TimeSpan.FromSeconds(Math.Min(60, 5 * Math.Pow(2, _failures - 1)));
        _notBefore = _time.GetUtcNow() + pause;
        var known = _instance.Status is { State: InstanceStates.Failed } s && s.LastExit?.Reason == exit.Reason;
        await ShowAsync(s => s with { State = InstanceStates.Failed, Reason = exit.Reason, Phase = null, LastExit = exit, Restarts = _failures - 1, Isolation = null, LimitsInForce = [] }, cancellationToken);
        // Told once, not at each repetition.
        if (!known) await services.Changes.NoteAsync(id, "failed", exit.Reason, cancellationToken);
    }

    private async Task EndHalfAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.StopAsync(id, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotEnded(e, id);
        }
    }

    private async Task PhaseAsync(string phase, CancellationToken cancellationToken)
    {
        try
        {
            if (_starting && _instance.Status.State == InstanceStates.Starting)
                await ShowAsync(s => _starting && s.State == InstanceStates.Starting ? s with { Phase = phase } : s, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The start was given up.
        }
        catch (Exception e)
        {
            LogRound(e, id);
        }
    }

    private sealed class PhaseProgress(Action<string> report) : IProgress<string>
    {
        public void Report(string value) => report(value);
    }
}
