using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>
/// The install phase: runs in a sandbox of its own, with the network and the package managers' caches, and without the workload's secrets' files.
/// Its result lies in <c>cache/install/KEY</c> and serves every later start with the same key.
/// </summary>
/// <param name="options">The data folder.</param>
/// <param name="downloads">Folder of the package managers' caches.</param>
/// <param name="run">Runs a command of the phase to its end, apart from everything else.</param>
/// <param name="time">The clock.</param>
internal sealed class Installer(ProcessRuntimeOptions options, string downloads, Installer.RunCommand run, TimeProvider time)
{
    /// <summary>Runs a command to its end; the result is its exit code. Nothing of it is left afterwards.</summary>
    public delegate Task<int> RunCommand(WorkloadSpec spec, string[] command, Layout layout, IsolationLevel level, Action<string, string> line, CancellationToken cancellationToken);

    private readonly InstallCache _cache = InstallCache.Of(options.Data);

    /// <summary>Folder with what was installed as the workload sees it, and on this machine.</summary>
    /// <param name="Cache">Where it was installed; shared by all workloads with the same key.</param>
    /// <param name="Own">The workload's own copy of the dependencies, which it may write to; null where it uses the shared ones.</param>
    /// <param name="Partial">Whether of the package only the files that decide the install are part of it.</param>
    public sealed record Result(string? Cache, string? Own = null, bool Partial = false)
    {
        public string? Deps => Cache is null ? null : Path.Combine(Cache, "deps");
    }

    /// <summary>Makes sure that the step's result is there. The install log exists only when something was done.</summary>
    public async Task<Result> EnsureAsync(WorkloadSpec spec, WorkloadFolder folder, IsolationLevel level, Func<InstallLog> log, IProgress<string> phase, CancellationToken cancellationToken)
    {
        if (spec.Install is not { } step)
        {
            folder.InstalledFrom = "";
            return new(null);
        }
        // Outside of a sandbox the paths differ, and some tools write them into what they install.
        using var inputs = step.Inputs is not null && spec.Package is not null ? InstallInputs.Take(spec, step.Inputs, _cache.Staging(), cancellationToken) : null;
        // The environment of the workload can lead an install elsewhere: to another registry, for example. Its result is for those alone who have the same.
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
            $"{step.CacheKey}\n{inputs?.Hash ?? spec.Package?.Sha256}\n{spec.WorkingDirectory}\n{level >= IsolationLevel.Sandbox}\n{JsonSerializer.Serialize(spec.Environment.OrderBy(v => v.Key, StringComparer.Ordinal))}")))[..40];
        var cache = _cache.Result(key);
        using var held = await _cache.HoldAsync(key, cancellationToken);
        var complete = InstallCache.Mark(cache);
        if (File.Exists(complete))
        {
            File.SetLastWriteTimeUtc(complete, time.GetUtcNow().UtcDateTime);
            folder.InstalledFrom = key;
            return new(cache, Partial: inputs is not null);
        }
        phase.Report("install");
        using var lines = log();
        using var installing = _cache.Installing();
        try
        {
            WorkloadFolder.Delete(cache);
            Directory.CreateDirectory(Path.Combine(cache, "deps"));
            if (inputs is not null) inputs.MoveTo(Path.Combine(cache, "app"));
            else if (spec.Package is { } package) Unpack(package, Path.Combine(cache, "app"), cancellationToken);
            await RunAsync(spec, step, cache, folder, level, lines, cancellationToken);
            await File.WriteAllTextAsync(complete + ".new", step.Kind, cancellationToken);
            File.Move(complete + ".new", complete);
        }
        catch
        {
            WorkloadFolder.Delete(cache);
            throw;
        }
        folder.InstalledFrom = key;
        return new(cache, Partial: inputs is not null);
    }

    /// <summary>Puts the package, with what was installed into it, where the workload may write.</summary>
    public static void PlaceApp(WorkloadSpec spec, WorkloadFolder folder, Result installed, CancellationToken cancellationToken)
    {
        if (spec.Package is not { } package) return;
        var mark = $"{package.Sha256} {Path.GetFileName(installed.Cache)}";
        if (File.Exists(folder.AppMark) && File.ReadAllText(folder.AppMark) == mark && Directory.Exists(folder.App)) return;
        File.Delete(folder.AppMark);
        WorkloadFolder.Delete(folder.App);
        if (installed.Cache is null || installed.Partial) Unpack(package, folder.App, cancellationToken);
        if (installed.Cache is not null) Copy(Path.Combine(installed.Cache, "app"), folder.App, cancellationToken);
        File.WriteAllText(folder.AppMark, mark);
    }

    /// <summary>
    /// Gives an npx server a copy of its own: under npx servers may write beside their code (server-memory keeps its data there),
    /// and what one writes no other may see. Only in the sandbox, where the copy stands in the same place as the original.
    /// </summary>
    public static Result PlaceDeps(WorkloadSpec spec, WorkloadFolder folder, Result installed, IsolationLevel level, CancellationToken cancellationToken)
    {
        if (installed.Deps is not { } deps || spec.Install?.Kind != "npx" || level < IsolationLevel.Sandbox) return installed;
        var mark = Path.GetFileName(installed.Cache);
        if (!File.Exists(folder.DepsMark) || File.ReadAllText(folder.DepsMark) != mark || !Directory.Exists(folder.Deps))
        {
            File.Delete(folder.DepsMark);
            WorkloadFolder.Delete(folder.Deps);
            Copy(deps, folder.Deps, cancellationToken);
            File.WriteAllText(folder.DepsMark, mark);
        }
        return installed with { Own = folder.Deps };
    }

    /// <summary>The name that <c>{bin}</c> stands for; what was installed is not trusted, so it is only ever a name.</summary>
    public static string NpxProgram(string deps)
    {
        var package = Dependencies(Path.Combine(deps, "package.json")).FirstOrDefault() ?? throw new FileNotFoundException("npm installed no package.");
        if (package.Split('/') is not ([_] or [['@', ..], _]) || package.Contains("..", StringComparison.Ordinal)) throw new FileNotFoundException("npm installed a package with a strange name.");
        using var manifest = Json(Path.Combine(deps, "node_modules", package, "package.json"));
        string[] programs = [];
        if (manifest.RootElement.TryGetProperty("bin", out var bin))
        {
            if (bin.ValueKind == JsonValueKind.String) programs = [package[(package.LastIndexOf('/') + 1)..]];
            // Several names of one program count as one, as npx has it.
            else if (bin.ValueKind == JsonValueKind.Object) programs = [.. bin.EnumerateObject().DistinctBy(p => p.Value.ToString()).Select(p => p.Name)];
        }
        var name = CommandPlans.NpxProgram(package, programs);
        if (name is null && bin.ValueKind == JsonValueKind.Object && bin.TryGetProperty(package[(package.LastIndexOf('/') + 1)..], out _)) name = package[(package.LastIndexOf('/') + 1)..];
        if (name is null || name.Contains('/', StringComparison.Ordinal) || name is "." or ".." or "")
            throw new FileNotFoundException(programs.Length == 0 ? $"The npm package {package} offers no program." : $"The npm package {package} offers several programs ({string.Join(", ", programs.Take(8))}). Say which: npx -p {package} PROGRAM.");
        return name;
    }

    private async Task RunAsync(WorkloadSpec spec, InstallStep step, string cache, WorkloadFolder folder, IsolationLevel level, InstallLog log, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (spec.Limits.InstallSeconds > 0) limit.CancelAfter(TimeSpan.FromSeconds(spec.Limits.InstallSeconds));
        var layout = Layout.ForInstall(level, folder, cache, downloads, spec.Package is not null);
        foreach (var made in layout.Mounts.Where(m => m.Writable)) Directory.CreateDirectory(made.Host);
        foreach (var command in step.Commands)
        {
            var vector = command.Select(layout.Fill).ToArray();
            log.Write("info", "$ " + string.Join(' ', command));
            var start = time.GetTimestamp();
            var code = -1;
            try
            {
                code = await run(spec, vector, layout, level, log.Write, limit.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                log.Write("error", $"Stopped: the installation took longer than {spec.Limits.InstallSeconds} seconds.");
                throw Fault(spec, log, null, $"The installation took longer than {spec.Limits.InstallSeconds} seconds and was stopped. Raise the limit for the install phase, or look at the log for what it waited for.");
            }
            if (code != 0) throw Fault(spec, log, code, ExitReasons.Explain("install", code, null, false, log.LastLines));
            log.Write("info", FormattableString.Invariant($"done in {time.GetElapsedTime(start).TotalSeconds:0.0} s"));
        }
    }

    private WorkloadFailedException Fault(WorkloadSpec spec, InstallLog log, int? code, string reason) =>
        new(new WorkloadExit(code, null, "install", reason, log.LastLines, time.GetUtcNow()));

    internal static void Unpack(PackageSource package, string target, CancellationToken cancellationToken) => Archive.Unpack(package.ArchivePath, target, cancellationToken: cancellationToken);

    /// <summary>Copies a folder into another; what is there already stays.</summary>
    private static void Copy(string from, string to, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(to);
        foreach (var entry in new DirectoryInfo(from).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0 }))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var target = Path.Combine(to, entry.Name);
            if (new FileInfo(target).LinkTarget is not null || File.Exists(target)) continue;
            if (entry.LinkTarget is { } link)
            {
                if (!Directory.Exists(target)) File.CreateSymbolicLink(target, link);
            }
            else if (entry is DirectoryInfo) Copy(entry.FullName, target, cancellationToken);
            else if (Linux.OpenRegular(entry.FullName) is { } regular)
            {
                regular.Dispose();
                File.Copy(entry.FullName, target); // shares the blocks where the file system can
            }
        }
    }

    private static string[] Dependencies(string file)
    {
        using var json = Json(file);
        return json.RootElement.TryGetProperty("dependencies", out var names) && names.ValueKind == JsonValueKind.Object ? [.. names.EnumerateObject().Select(d => d.Name)] : [];
    }

    private static JsonDocument Json(string file)
    {
        using var stream = Linux.OpenRegular(file) ?? throw new FileNotFoundException($"npm left no {Path.GetFileName(file)}.");
        if (stream.Length > 4 << 20) throw new FileNotFoundException($"{Path.GetFileName(file)} is too large.");
        var json = JsonDocument.Parse(stream);
        return json.RootElement.ValueKind == JsonValueKind.Object ? json : throw new FileNotFoundException($"{Path.GetFileName(file)} is no JSON object.");
    }
}
