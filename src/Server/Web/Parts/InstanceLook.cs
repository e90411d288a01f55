using McpCan.Server.Instances;
using McpCan.Server.Web.Resources;
using Microsoft.Extensions.Localization;

namespace McpCan.Server.Web.Parts;

/// <summary>How an instance is said on a page.</summary>
internal static class InstanceLook
{
    /// <summary>Two letters for the icon.</summary>
    public static string Initials(string name)
    {
        var words = name.Split([' ', '-', '_', '.', '/'], StringSplitOptions.RemoveEmptyEntries);
        var text = words.Length switch { 0 => "?", 1 => words[0][..Math.Min(2, words[0].Length)], _ => $"{words[0][0]}{words[1][0]}" };
        return text.ToUpperInvariant();
    }

    private const int Longest = 160;

    /// <summary>What runs, in one short line: package, or the command as typed; the configuration shows all of it.</summary>
    public static string Source(InstanceSource? source, IReadOnlyDictionary<string, string>? packages = null) => source switch
    {
        CommandSource c => Command([c.Command, .. c.Args ?? []]),
        ImageSource i => i.Image,
        PackageCodeSource p => $"{packages?.GetValueOrDefault(p.PackageId) ?? p.PackageId}{(p.Version is { } v ? $" v{v}" : "")}",
        _ => "",
    };

    /// <summary>What it is in its mode: what runs, or the masked address of what runs elsewhere.</summary>
    public static string Source(Instance instance, IReadOnlyDictionary<string, string>? packages = null) =>
        instance is { Mode: not InstanceModes.Managed, Remote: { } remote } ? remote.Url : Source(instance.Source, packages);

    /// <summary>Whether a person has it on: a proxied server stays on when it does not answer.</summary>
    public static bool IsOn(Instance instance) => instance.Mode == InstanceModes.Proxy ? instance.ShouldRun : IsUp(instance);

    /// <summary>A command on one line, cut where it is a whole program.</summary>
    public static string Command(IEnumerable<string> arguments)
    {
        var line = CommandText.Join(arguments).ReplaceLineEndings(" ");
        return line.Length > Longest ? line[..Longest] + "…" : line;
    }

    public static bool IsUp(Instance instance) => instance.Status.State is InstanceStates.Running or InstanceStates.Degraded or InstanceStates.Starting or InstanceStates.Sleeping;

    public static bool NeedsAttention(Instance instance) => instance.Status.State is InstanceStates.Failed or InstanceStates.Degraded or InstanceStates.Unknown;

    /// <summary>Trouble first.</summary>
    public static int Rank(Instance instance) => instance.Status.State switch
    {
        InstanceStates.Failed => 0,
        InstanceStates.Degraded => 1,
        InstanceStates.Unknown => 2,
        InstanceStates.Starting => 3,
        _ => 4,
    };

    /// <summary>The line below the status word.</summary>
    public static string Note(Instance instance, Words words, IStringLocalizer<InstanceTexts> texts) => instance.Status switch
    {
        { State: InstanceStates.Running, Since: var since } => texts["for", words.Since(since)],
        { State: InstanceStates.Starting, Phase: { Length: > 0 } phase } => Phase(phase, texts),
        { Reason: { Length: > 0 } reason } => reason,
        { State: InstanceStates.Registered } => texts["not-monitored"],
        { Since: var since } when since > DateTimeOffset.UnixEpoch => texts["for", words.Since(since)],
        _ => "",
    };

    public static string Phase(string phase, IStringLocalizer<InstanceTexts> texts) => texts[$"phase-{phase}"] is { ResourceNotFound: false } known ? known.Value : phase;
}
