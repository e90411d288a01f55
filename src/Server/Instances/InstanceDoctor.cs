using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>
/// Looks at an instance from the ground up and says what is wrong, the likely cause, and how to mend it. It changes nothing.
/// <code>
///  managed: environment ──► workload ──► bridge ──► initialize ──► tools        proxy: address ──► initialize ──► tools        virtual: each member
/// </code>
/// </summary>
internal sealed class InstanceDoctor(
    EnvironmentMap environments, BridgeProbe bridge, RemoteProbe remotes, InstanceManager instances, InstanceChanges changes, TimeProvider time)
{
    private const int MostWarnings = 5, LongestStart = 20;
    private static readonly TimeSpan Recent = TimeSpan.FromDays(1);
    private static readonly string[] Bad = ["failed", "crashed", "degraded"];

    /// <summary>Checks an instance. What the status does not show yet is looked into by the reconciler.</summary>
    /// <exception cref="ProblemException">409 for one that is kept on file only.</exception>
    public async Task<Diagnosis> CheckAsync(Instance instance, CancellationToken cancellationToken)
    {
        if (instance.Mode == InstanceModes.Direct) throw new ProblemException(409, "direct-mode", $"The server '{instance.Name}' is kept on file only; nothing of it runs here.");
        var notes = new CheckNotes(instance.Mode switch
        {
            InstanceModes.Managed => ["environment", "workload", "bridge", "initialize", "tools"],
            InstanceModes.Proxy => ["address", "initialize", "tools"],
            _ => [],
        }, time);
        var probe = instance.Mode switch
        {
            InstanceModes.Managed => await WorkloadAsync(instance, notes, cancellationToken),
            InstanceModes.Proxy => await RemoteAsync(instance, notes, cancellationToken),
            _ => await MembersAsync(instance, notes, cancellationToken),
        };
        if (probe is not null && probe.Ok != (instance.Status.State == InstanceStates.Running)) changes.ProbeDue(instance.Id);
        var since = time.GetUtcNow() - Recent;
        var events = await instances.RecentEventsAsync(instance.Id, 100, cancellationToken);
        return notes.End(probe, [.. events.Where(e => e.Time >= since && Bad.Contains(e.Kind)).Take(MostWarnings).Select(EventView.Of)], instance.Status.LastExit);
    }

    private async Task<ProbeResult?> WorkloadAsync(Instance instance, CheckNotes notes, CancellationToken cancellationToken)
    {
        if (environments.Find(instance.Environment) is not { } runtime)
        {
            notes.Fail("environment", "no-environment", $"There is no environment '{instance.Environment}' any more.");
            return null;
        }
        var check = await runtime.CheckAsync(cancellationToken);
        if (!check.Usable)
        {
            notes.Fail("environment", "environment", string.Join(" ", check.Findings) is { Length: > 0 } findings ? findings : "The environment cannot be used.");
            return null;
        }
        notes.Done("environment", $"{instance.Environment}: {check.Isolation}");
        if (await runtime.GetStatusAsync(instance.Id, cancellationToken) is not { } run)
        {
            NotUp(instance, notes);
            return null;
        }
        notes.Done("workload", $"run {run.Run} since {run.StartedAt:yyyy-MM-dd HH:mm:ss} UTC");
        if (await BridgeClient.StatusAsync(run.Address, cancellationToken) is not { } state)
        {
            notes.Fail("bridge", "no-bridge", "The bridge in front of the server does not answer.");
            return null;
        }
        notes.Done("bridge", $"{state.Sessions} sessions, {state.Children} processes, {state.RunningCalls} calls");
        var found = new ProbeNotes();
        var probe = await bridge.RunAsync(run.Address, Math.Min(instance.Limits.StartSeconds, LongestStart), null, found, cancellationToken);
        var finding = probe.Ok ? "" : await runtime.GetServerExitAsync(instance.Id, cancellationToken) is { } exit && exit.Time > run.StartedAt ? ExitReasons.Kind(exit) : "no-answer";
        Spoken(probe, found.InitializeMs, finding, notes);
        return probe;
    }

    private static void NotUp(Instance instance, CheckNotes notes)
    {
        var status = instance.Status;
        switch (status)
        {
            case { State: InstanceStates.Sleeping }:
                notes.Skip("workload", "It sleeps, and wakes for the next call.");
                notes.Rest("sleeping");
                break;
            case { LastExit: { } exit, State: InstanceStates.Failed or InstanceStates.Degraded or InstanceStates.Starting }:
                notes.Fail("workload", ExitReasons.Kind(exit), exit.Reason);
                break;
            case { State: InstanceStates.Starting }:
                notes.Fail("workload", "starting", status.Phase is { } phase ? $"It is starting; it is at: {phase}." : "It is starting.");
                break;
            default:
                notes.Fail("workload", instance.ShouldRun ? "ended" : "stopped", status.Reason ?? "It is not running.");
                break;
        }
    }

    private async Task<ProbeResult?> RemoteAsync(Instance instance, CheckNotes notes, CancellationToken cancellationToken)
    {
        if (!instance.ShouldRun)
        {
            notes.Fail("address", "switched-off", $"The server '{instance.Name}' is switched off.");
            return null;
        }
        var (probe, failure) = await remotes.AskAsync(instance, cancellationToken);
        if (!probe.Ok && failure is not null)
        {
            notes.Fail("address", $"remote-{failure}", probe.Reason!, probe.DurationMs);
            return probe;
        }
        notes.Done("address", durationMs: probe.DurationMs);
        Spoken(probe, null, "remote-not-mcp", notes);
        return probe;
    }

    private static void Spoken(ProbeResult probe, double? initializeMs, string finding, CheckNotes notes)
    {
        var spoke = probe.Ok || probe.Phase == "tools";
        if (spoke) notes.Done("initialize", $"{probe.ServerInfo} {probe.ProtocolVersion}".Trim(), initializeMs ?? 0);
        else notes.Fail("initialize", finding, probe.Reason!, probe.DurationMs);
        if (!spoke) return;
        var rest = Math.Round(probe.DurationMs - (initializeMs ?? probe.DurationMs), 1);
        if (probe.Ok) notes.Done("tools", $"{probe.ToolCount} tools", rest);
        else notes.Fail("tools", finding, probe.Reason!, rest);
    }

    private async Task<ProbeResult?> MembersAsync(Instance instance, CheckNotes notes, CancellationToken cancellationToken)
    {
        if (!instance.ShouldRun) notes.Fail("member", "switched-off", $"The server '{instance.Name}' is switched off.");
        foreach (var member in instance.Virtual?.Members ?? [])
        {
            var server = await instances.FindAsync(member.Instance, cancellationToken);
            if (server is null) notes.Fail("member", "member-gone", $"{member.Instance}: it no longer exists.");
            else if (server.Status.State is InstanceStates.Running or InstanceStates.Sleeping) notes.Done("member", $"{server.Name}: {server.Status.State}");
            else notes.Fail("member", "member-down", $"{server.Name}: {server.Status.State}. {server.Status.Reason}".Trim());
        }
        return null;
    }
}
