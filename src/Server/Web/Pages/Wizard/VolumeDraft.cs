using McpCan.Server.Runtimes;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>A volume while it is edited.</summary>
public sealed class VolumeDraft
{
    public string Kind { get; set; } = VolumeMount.Named;
    public string? Source { get; set; }
    public string? Target { get; set; } = "/data";
    public bool ReadOnly { get; set; }
    public string? SubPath { get; set; }
    public bool RestartOnChange { get; set; }

    /// <summary>Only of what the server cannot change itself.</summary>
    private bool RestartsOnChange => RestartOnChange && ReadOnly && Kind == VolumeMount.Host;

    public static List<VolumeDraft> Of(IReadOnlyList<VolumeMount>? volumes) =>
        [.. (volumes ?? []).Select(v => new VolumeDraft { Kind = v.Kind, Source = v.Source, Target = v.Target, ReadOnly = v.ReadOnly, SubPath = v.SubPath, RestartOnChange = v.RestartOnChange })];

    /// <summary>What was filled in; null when that is nothing.</summary>
    public static IReadOnlyList<VolumeMount>? ToMounts(IEnumerable<VolumeDraft> drafts)
    {
        var mounts = drafts.Where(d => !string.IsNullOrWhiteSpace(d.Source)).Select(d => new VolumeMount(d.Kind, d.Source!.Trim(), d.Target?.Trim() ?? "", d.ReadOnly, string.IsNullOrWhiteSpace(d.SubPath) ? null : d.SubPath.Trim(), d.RestartsOnChange)).ToList();
        return mounts.Count == 0 ? null : mounts;
    }

    /// <summary>One line for a summary.</summary>
    public static string Line(VolumeMount mount) => $"{mount.Source}{(mount.SubPath is null ? "" : $"/{mount.SubPath}")} → {mount.Target}{(mount.ReadOnly ? " (ro)" : "")}";
}
