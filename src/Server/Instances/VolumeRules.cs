using System.Text.RegularExpressions;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What makes the volumes of an instance valid.</summary>
internal static partial class VolumeRules
{
    private const int MostVolumes = 20;

    // What the server, its interpreter and the bridge need as it is, and what the kernel shows.
    private static readonly string[] Reserved =
    [
        "/app", "/bin", "/boot", "/cache", "/deps", "/dev", "/etc", "/gnu", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/opt/mcpcan", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr",
        "/var/lock", "/var/run", "/var/tmp",
    ];

    /// <summary>A name that every kind of environment takes.</summary>
    public static void Name(string? name, string field, Checks checks) =>
        checks.That(NameForm().IsMatch(name ?? ""), field, "Must have 2 to 63 letters, digits, dots, dashes and underscores, and start with a letter or digit.");

    /// <summary>Notes all faults that can be seen without asking the environment.</summary>
    public static async Task CheckAsync(McpCanDb db, Instance instance, Checks checks, CancellationToken cancellationToken)
    {
        if (instance.Source?.Volumes is not { Count: > 0 } volumes) return;
        checks.That(volumes.Count <= MostVolumes, Field(), $"At most {MostVolumes}.");
        var sound = true;
        for (var n = 0; n < Math.Min(volumes.Count, MostVolumes); n++) sound &= One(volumes[n], Field(n), checks);
        if (!sound) return;
        for (var n = 0; n < volumes.Count; n++)
        {
            var (target, taken) = (volumes[n].Target, volumes.Take(n).Select(v => v.Target));
            checks.That(!taken.Any(t => VolumePaths.IsIn(target, t) || VolumePaths.IsIn(t, target)), $"{Field(n)}.target", "Is the place of another volume, or lies in it, or holds it.");
        }
        await OthersAsync(db, instance, volumes, checks, cancellationToken);
    }

    /// <summary>The name of a volume's field in the API.</summary>
    public static string Field(int? n = null) => n is null ? "source.volumes" : $"source.volumes[{n}]";

    /// <summary>Whether a path as the server sees it lies in one of its volumes.</summary>
    public static bool Holds(InstanceSource source, string path) => IsAbsolute(path) && (source.Volumes ?? []).Any(v => IsAbsolute(v?.Target) && VolumePaths.IsIn(path, v!.Target));

    private static bool One(VolumeMount? volume, string field, Checks checks)
    {
        if (volume is null)
        {
            checks.That(false, field, "Must not be null.");
            return false;
        }
        var sound = true;
        void That(bool holds, string part, string message)
        {
            checks.That(holds, $"{field}.{part}", message);
            sound &= holds;
        }
        That(volume.Kind is VolumeMount.Named or VolumeMount.Host, "kind", "Must be 'named' or 'host'.");
        if (volume.Kind == VolumeMount.Host) That(IsAbsolute(volume.Source), "source", "Must be an absolute path without '.' and '..'.");
        else That(NameForm().IsMatch(volume.Source ?? ""), "source", "Must be a volume's name: 2 to 63 letters, digits, dots, dashes and underscores.");
        That(IsAbsolute(volume.Target), "target", "Must be an absolute path without '.' and '..', for example /data.");
        That(!IsAbsolute(volume.Target) || !Reserved.Any(r => VolumePaths.IsIn(volume.Target, r) || VolumePaths.IsIn(r, volume.Target)), "target", $"Must not touch what the server needs as it is: {string.Join(", ", Reserved)}. Choose for example /data.");
        That(!volume.RestartOnChange || volume is { Kind: VolumeMount.Host, ReadOnly: true }, "restartOnChange", "Needs a folder of the machine ('host') that is 'readOnly': what the server writes itself would restart it again and again.");
        That(string.IsNullOrEmpty(volume.SubPath) || IsAbsolute("/" + volume.SubPath), "subPath", "Must be a relative path without '.' and '..'.");
        return sound;
    }

    /// <summary>
    /// Who may write in a folder above another server's could put a link in that one's place, between our look and the mount. So there is no such pair.
    /// </summary>
    private static async Task OthersAsync(McpCanDb db, Instance instance, IReadOnlyList<VolumeMount> volumes, Checks checks, CancellationToken cancellationToken)
    {
        var others = (await db.Instances.AsNoTracking().Where(i => i.Id != instance.Id && !i.Deleting && i.Source != null).ToListAsync(cancellationToken))
            .SelectMany(i => (i.Source?.Volumes ?? []).Select(v => (i.Name, i.Environment, Volume: v))).ToList();
        for (var n = 0; n < volumes.Count; n++)
        {
            var own = volumes[n];
            var mine = Place(own, instance.Environment);
            var near = others.Concat(volumes.Where(v => v != own).Select(v => (instance.Name, instance.Environment, Volume: v)))
                .Select(o => (o.Name, o.Volume, Place: Place(o.Volume, o.Environment)))
                .FirstOrDefault(o => o.Place != mine && ((!o.Volume.ReadOnly && VolumePaths.IsIn(mine, o.Place)) || (!own.ReadOnly && VolumePaths.IsIn(o.Place, mine))));
            checks.That(near.Volume is null, Field(n), $"Overlaps a folder of '{near.Name}', and one of the two may write in the upper one. Let that one only read, or let both see the same folder.");
        }
    }

    /// <summary>Two volumes with the same place are the same folder. Host folders are those of this machine in every environment.</summary>
    private static string Place(VolumeMount volume, string environment)
    {
        var folder = volume.Kind == VolumeMount.Host ? Linux.RealPath(volume.Source) ?? volume.Source : $"{environment}:{volume.Source}";
        return string.IsNullOrEmpty(volume.SubPath) ? folder : $"{folder}/{volume.SubPath}";
    }

    private static bool IsAbsolute(string? path) => path is { Length: > 1 and <= 400 } && path[0] == '/' && !path.Any(c => char.IsControl(c) || c is ',' or '\\')
        && path[1..].Split('/').All(part => part is not ("" or "." or ".."));

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}$", RegexOptions.CultureInvariant)]
    private static partial Regex NameForm();
}
