using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What makes an instance valid; every fault is told at once.</summary>
internal static partial class InstanceRules
{
    public static readonly string[] Processes = ["per-session", "shared", "per-principal"];

    /// <summary>A name for the address made from a name for people.</summary>
    public static string Slug(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name.Normalize(NormalizationForm.FormD).ToLowerInvariant())
        {
            if (char.IsAsciiLetterOrDigit(c)) text.Append(c);
            else if (CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.NonSpacingMark && text.Length > 0 && text[^1] != '-') text.Append('-');
        }
        var slug = text.ToString().Trim('-');
        if (slug.Length == 0) return "server";
        slug = slug[..Math.Min(slug.Length, 50)].Trim('-');
        return slug.StartsWith("i-", StringComparison.Ordinal) ? "mcp-" + slug : slug;
    }

    /// <summary>Notes all faults of an instance that is about to be stored.</summary>
    public static async Task CheckAsync(McpCanDb db, Instance instance, Checks checks, CancellationToken cancellationToken)
    {
        checks.Name(instance.Name)
            .That(SlugForm().IsMatch(instance.Slug), "slug", "Must have 1 to 63 lower-case letters, digits and dashes, and start and end with a letter or digit.")
            .That(!instance.Slug.StartsWith("i-", StringComparison.Ordinal), "slug", "Must not start with 'i-', which ids start with.")
            .That(InstanceModes.All.Contains(instance.Mode), "mode", $"Must be one of {string.Join(", ", InstanceModes.All)}.")
            .That(EgressInput.Modes.Contains(instance.Egress.Mode), "egress.mode", $"Must be one of {string.Join(", ", EgressInput.Modes)}.")
            .That(instance.Egress.Mode == EgressPolicy.AllowList ? instance.Egress.Allow is { Count: > 0 and <= 100 } : instance.Egress.Allow is null or [], "egress.allow",
                instance.Egress.Mode == EgressPolicy.AllowList ? "Name 1 to 100 hosts, addresses or networks." : "Only with the mode allow-list.")
            .That(Processes.Contains(instance.Processes), "processes", $"Must be one of {string.Join(", ", Processes)}.")
            .That(!await db.Instances.AnyAsync(i => i.Slug == instance.Slug && i.Id != instance.Id, cancellationToken), "slug", $"The address '{instance.Slug}' is taken.");
        foreach (var (at, target) in (instance.Egress.Allow ?? []).Index()) checks.That(EgressTarget.Parse(target) is not null, $"egress.allow[{at}]", EgressTarget.Form);
        Env(instance, checks);
        Limits(instance.Limits, checks);
        checks.That(instance.Capture is null or { MaxBytes: >= 256 and <= 262_144 }, "traffic.capture.maxBytes", "Must be between 256 and 262144.")
            .That(instance.Capture?.Redact is not { } redact || (redact.Count <= 100 && redact.All(n => n is { Length: > 0 and <= 100 })), "traffic.capture.redact", "At most 100 names of 1 to 100 characters.");
        instance.Virtual = await VirtualRules.CheckAsync(db, instance, checks, cancellationToken);
        TrafficLimitsInput.Check(instance.TrafficLimits, checks, "access.limits");
        await SourceAsync(db, instance.Source, checks, cancellationToken);
        await VolumeRules.CheckAsync(db, instance, checks, cancellationToken);
    }

    private static void Env(Instance instance, Checks checks)
    {
        checks.That(instance.Env.Count <= 200, "env", "At most 200 variables.");
        foreach (var (name, value) in instance.Env)
        {
            checks.That(EnvName().IsMatch(name), $"env.{name}", "A variable's name consists of letters, digits and underscores and does not start with a digit.")
                .That(!name.StartsWith("MCPCAN_", StringComparison.OrdinalIgnoreCase), $"env.{name}", "Names that start with MCPCAN_ are reserved.")
                .That(value.Secret || value.Value.Length <= 32_768, $"env.{name}", "The value is longer than 32,768 characters.");
        }
    }

    private static void Limits(WorkloadLimits limits, Checks checks) => checks
        .That(limits.MemoryBytes == 0 || limits.MemoryBytes is >= 16L << 20 and <= 1L << 44, "limits.memoryBytes", "Must be 0 (none) or at least 16 MiB (16777216).")
        .That(limits.Cpus is >= 0 and <= 1024 and (0 or >= 0.01), "limits.cpus", "Must be 0 (none) or between 0.01 and 1024 cores.")
        .That(limits.Pids is 0 or >= 16 and <= 1_000_000, "limits.pids", "Must be 0 (none) or at least 16.")
        .That(limits.FileBytes is 0 or >= 4096, "limits.fileBytes", "Must be 0 (none) or at least 4096.")
        .That(limits.OpenFiles is 0 or >= 64 and <= 1_048_576, "limits.openFiles", "Must be 0 (none) or between 64 and 1048576.")
        .That(limits.Sessions is >= 1 and <= 100_000, "limits.sessions", "Must be between 1 and 100000.")
        .That(limits.SessionIdleSeconds is >= 1 and <= 30 * 86_400, "limits.sessionIdleSeconds", "Must be between 1 second and 30 days (2592000).")
        .That(limits.SleepSeconds is >= 0 and <= 30 * 86_400, "limits.sleepSeconds", "Must be 0 (never) or between 1 second and 30 days (2592000).")
        .That(limits.StartSeconds is >= 1 and <= 3600, "limits.startSeconds", "Must be between 1 and 3600.")
        .That(limits.InstallSeconds is >= 1 and <= 7200, "limits.installSeconds", "Must be between 1 and 7200.")
        .That(limits.WarmSpares is >= 0 and <= 32, "limits.warmSpares", "Must be between 0 and 32.");

    private static async Task SourceAsync(McpCanDb db, InstanceSource? source, Checks checks, CancellationToken cancellationToken)
    {
        if (source?.Http is { } http)
        {
            checks.That(http.Port is >= 1 and <= 65535, "source.http.port", "Must be between 1 and 65535.")
                .That(http.Path is { Length: > 0 and <= 1000 } path && path[0] == '/' && !path.Any(c => c is <= ' ' or > '~' or '#' or '\\'), "source.http.path", "Must be a path that starts with '/', for example /mcp.")
                .That(http.Transport is "auto" or "streamable-http" or "sse", "source.http.transport", "Must be one of auto, streamable-http, sse.");
        }
        switch (source)
        {
            case CommandSource command:
                checks.That(!string.IsNullOrWhiteSpace(command.Command), "source.command", "Must name a program, for example npx.");
                checks.That(command.Command.Length <= 4096 && !command.Command.Any(char.IsControl), "source.command", "At most 4,096 characters, no control characters.");
                Vector(command.Args, "source.args", checks);
                checks.That(string.IsNullOrEmpty(command.WorkingDirectory) || Relative(command.WorkingDirectory) || VolumeRules.Holds(command, command.WorkingDirectory), "source.workingDirectory",
                    "Must be a relative path inside the private home, or lie in a volume.");
                break;
            case PackageCodeSource package:
                Vector(package.Install, "source.install", checks);
                Vector(package.Start, "source.start", checks);
                checks.That(package.Start is null or { Count: > 0 }, "source.start", "Must name a program; leave it out to take the detected one.");
                var version = await FindAsync(db, package, cancellationToken);
                checks.That(version is not null, "source.packageId", package.Version is null ? $"There is no package '{package.PackageId}'." : $"There is no version {package.Version} of package '{package.PackageId}'.")
                    .That(version is null || package.Start is not null || version.Detected.Start is { Length: > 0 }, "source.start",
                        "No entry was found in the package. Say how it is started, for example [\"python\", \"server.py\"].");
                break;
            case ImageSource image:
                checks.That(ImageName().IsMatch(image.Image) && image.Image.Length <= 500, "source.image", "Must be an image's name, for example ghcr.io/example/server:1.2.")
                    .That(image.Pull is "missing" or "always" or "never", "source.pull", "Must be one of missing, always, never.")
                    .That(image.Entrypoint is null or { Count: > 0 }, "source.entrypoint", "Must name a program; leave it out to keep the image's own.");
                Vector(image.Entrypoint, "source.entrypoint", checks);
                Vector(image.Args, "source.args", checks);
                break;
        }
    }

    /// <summary>The version that a package source names, newest when it names none.</summary>
    public static Task<PackageVersion?> FindAsync(McpCanDb db, PackageCodeSource source, CancellationToken cancellationToken) =>
        db.PackageVersions.Where(v => v.PackageId == source.PackageId && (source.Version == null || v.Version == source.Version))
            .OrderByDescending(v => v.Version).FirstOrDefaultAsync(cancellationToken);

    private static void Vector(IReadOnlyList<string>? vector, string field, Checks checks)
    {
        if (vector is null) return;
        if (vector.Any(a => a is null))
        {
            checks.That(false, field, "Must contain only texts.");
            return;
        }
        checks.That(vector.Count <= 256 && vector.Sum(a => (long)a.Length) <= 65_536, field, "At most 256 arguments with 65,536 characters together.")
            .That(vector.All(a => !a.Any(c => char.IsControl(c) && c is not ('\n' or '\t'))), field, "Arguments must not contain control characters.");
    }

    private static bool Relative(string path) => path.Length is > 0 and < 500 && !path.StartsWith('/') && !path.Split('/').Contains("..") && !path.Any(char.IsControl);

    [GeneratedRegex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", RegexOptions.CultureInvariant)]
    private static partial Regex SlugForm();

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?(/[A-Za-z0-9][A-Za-z0-9._-]*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$", RegexOptions.CultureInvariant)]
    private static partial Regex ImageName();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]{0,127}$", RegexOptions.CultureInvariant)]
    private static partial Regex EnvName();
}
