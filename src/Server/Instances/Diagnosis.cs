using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>How an instance is, step by step, and when it is not well why, and what to do.</summary>
/// <param name="Ok">Whether it is well: <c>tools/list</c> was answered, or it sleeps.</param>
/// <param name="Phase">Where it ended: the name of the last step that was tried.</param>
/// <param name="Reason">What was seen, one sentence; null when it is well.</param>
/// <param name="Finding">What that is, one word for programs: <c>healthy</c>, <c>sleeping</c>, <c>stopped</c>, <c>no-answer</c>, <c>out-of-memory</c>, <c>no-program</c> …</param>
/// <param name="Cause">The likely cause in words; null when it is well.</param>
/// <param name="Mend">What to do about it; null when it is well.</param>
/// <param name="ToolCount">Number of tools.</param>
/// <param name="ServerInfo">Server's name and version.</param>
/// <param name="ProtocolVersion">Revision of the protocol that the server speaks.</param>
/// <param name="DurationMs">Time of the whole check.</param>
/// <param name="Steps">What was looked at, in order.</param>
/// <param name="Warnings">What went wrong in the last day, newest first, at most five.</param>
/// <param name="LastExit">How the last run ended badly, with its last lines.</param>
public sealed record Diagnosis(
    bool Ok, string Phase, string? Reason, string Finding, string? Cause, string? Mend, int? ToolCount, string? ServerInfo, string? ProtocolVersion, double DurationMs,
    IReadOnlyList<CheckStep> Steps, IReadOnlyList<EventView> Warnings, WorkloadExit? LastExit);

/// <summary>One step of a check.</summary>
/// <param name="Name"><c>environment</c>, <c>workload</c>, <c>bridge</c>, <c>address</c>, <c>initialize</c>, <c>tools</c> or <c>member</c>.</param>
/// <param name="Outcome"><c>ok</c>, <c>failed</c> or <c>skipped</c>.</param>
/// <param name="DurationMs">How long it took; null when it was not tried.</param>
/// <param name="Detail">What was seen (English), or the name of the member.</param>
public sealed record CheckStep(string Name, string Outcome, double? DurationMs, string? Detail);

/// <summary>Writes down a check as it goes on.</summary>
internal sealed class CheckNotes(IReadOnlyList<string> names, TimeProvider time)
{
    private readonly List<CheckStep> _steps = [];
    private readonly long _begun = time.GetTimestamp();
    private long _stepBegun = time.GetTimestamp();

    public string Phase { get; private set; } = names.Count > 0 ? names[0] : "";
    public string? Reason { get; private set; }
    public string Finding { get; private set; } = "healthy";
    public bool Ok { get; private set; } = true;

    public void Done(string name, string? detail = null, double? durationMs = null) => Add(name, "ok", durationMs ?? Step(), detail);

    public void Skip(string name, string? detail) => Add(name, "skipped", null, detail);

    public void Fail(string name, string finding, string reason, double? durationMs = null)
    {
        Add(name, "failed", durationMs ?? Step(), reason);
        if (Ok) (Ok, Finding, Reason) = (false, finding, reason);
    }

    /// <summary>It is well, in another way than by answering.</summary>
    public void Rest(string finding) => Finding = finding;

    public Diagnosis End(ProbeResult? probe, IReadOnlyList<EventView> warnings, WorkloadExit? lastExit)
    {
        foreach (var name in names.Where(n => _steps.All(s => s.Name != n))) _steps.Add(new CheckStep(name, "skipped", null, null));
        return new Diagnosis(Ok, Phase, Reason, Finding, Ok ? null : CheckTexts.English($"cause-{Finding}"), Ok ? null : CheckTexts.English($"mend-{Finding}"),
            probe?.ToolCount, probe?.ServerInfo, probe?.ProtocolVersion, Elapsed(_begun), _steps, warnings, lastExit);
    }

    private void Add(string name, string outcome, double? durationMs, string? detail)
    {
        _steps.Add(new CheckStep(name, outcome, durationMs, detail));
        if (outcome != "skipped") Phase = name;
        _stepBegun = time.GetTimestamp();
    }

    private double Step() => Elapsed(_stepBegun);

    private double Elapsed(long since) => Math.Round(time.GetElapsedTime(since).TotalMilliseconds, 1);
}
