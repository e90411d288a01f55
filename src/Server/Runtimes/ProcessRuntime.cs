using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace McpCan.Server.Runtimes;

/// <summary>
/// Runs workloads as processes on this machine:
/// <code>
/// mcpcan ── sandbox-exec (limits, cgroup) ── bwrap ─┬─ pid namespace, own mounts ──────────────┐
///                                                   │  mcpcan-bridge (pid 1) ── server ── …    │
///                                                   └──────────────────────────────────────────┘
/// </code>
/// Nothing of it depends on the server's life: state lies in the workload's folder, and a new server finds it by pid and start time.
/// </summary>
public sealed partial class ProcessRuntime : IRuntime, IDisposable
{
    private const int KeptRuns = 5;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(20);
    private readonly ProcessRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ProcessRuntime> _logger;
    private readonly HostTools _tools = new();
    private readonly SandboxHost _host;
    private readonly Installer _installer;
    private readonly ShortPaths _paths;
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new();
    private readonly ConcurrentDictionary<string, (int Run, Process Process)> _started = new();
    private readonly ConcurrentDictionary<string, (int Run, WorkloadExit Exit)> _ended = new();
    private Checked? _check;

    private sealed record Checked(long At, RuntimeCheck Check);

    /// <summary>Looks at nothing yet.</summary>
    public ProcessRuntime(ProcessRuntimeOptions options, TimeProvider time, ILogger<ProcessRuntime> logger)
    {
        _options = options with { Data = Path.GetFullPath(options.Data) };
        _time = time;
        _logger = logger;
        _host = new SandboxHost(_options, _tools);
        _installer = new Installer(_options, Path.Combine(_options.Data, "cache"), _host.RunAsync, time);
        _paths = new ShortPaths(_options);
    }

    /// <inheritdoc/>
    public string Kind => "process";

    /// <inheritdoc/>
    public async Task<WorkloadStatus> ApplyAsync(WorkloadSpec spec, IProgress<string> phase, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(spec.InstanceId, cancellationToken);
        var folder = Folder(spec.InstanceId, spec.HomeOf is { } other ? Folder(other).Home : null);
        if (Current(folder) is { } running)
        {
            if (running.Generation == spec.Generation && running.Ready) return running.Status;
            await EndAsync(folder, running, cancellationToken);
        }
        else
        {
            await ClearAsync(folder, folder.Load()); // what a killed run left
        }

        var (run, first) = folder.NextRun(_time);
        InstallLog? log = null;
        var stage = "start";
        try
        {
            if (spec.Http is not null) throw new PlatformNotSupportedException("A server that listens by itself needs a container environment.");
            if (spec.Image is not null) throw new PlatformNotSupportedException("An image needs a container environment.");
            var level = await LevelAsync(spec);
            folder.Make();
            folder.Clean();
            folder.Make();
            foreach (var own in (string[])[folder.Logs, folder.Home, folder.App]) Docker.FileOwner.Take(own); // of a container
            var files = new LogFiles(folder, _time);
            files.Prune(run, KeptRuns);
            folder.SaveNumbers(new(run, first));
            stage = "install";
            var installed = await _installer.EnsureAsync(spec, folder, level, () => log = new InstallLog(files.Install(run), first, _time), phase, cancellationToken);
            phase.Report("start");
            Installer.PlaceApp(spec, folder, installed, cancellationToken);
            installed = Installer.PlaceDeps(spec, folder, installed, level, cancellationToken);
            WorkloadFolder.Delete(folder.Tmp); // of the install phase
            folder.Make();
            stage = "start";
            return await StartAsync(spec, folder, level, installed, run, log?.Next ?? first, cancellationToken);
        }
        catch (WorkloadFailedException e)
        {
            throw Ended(spec.InstanceId, run, e.Exit);
        }
        catch (Exception e) when (e is ArchiveException or PlatformNotSupportedException or IOException or UnauthorizedAccessException or ArgumentException or System.Text.Json.JsonException or System.ComponentModel.Win32Exception)
        {
            Failed(_logger, spec.InstanceId, e);
            throw Ended(spec.InstanceId, run, new WorkloadExit(null, null, stage, e.Message, log?.LastLines ?? [], _time.GetUtcNow()));
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync(string instanceId, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(instanceId, cancellationToken);
        await StopAsync(Folder(instanceId), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(string instanceId, bool purge, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(instanceId, cancellationToken);
        var folder = Folder(instanceId);
        await StopAsync(folder, cancellationToken);
        folder.Remove(purge);
        _paths.Remove(instanceId);
        if (purge) _ended.TryRemove(instanceId, out _);
    }

    /// <inheritdoc/>
    public Task<WorkloadStatus?> GetStatusAsync(string instanceId, CancellationToken cancellationToken) =>
        Task.FromResult(Current(Folder(instanceId)) is { Ready: true } state ? Adopt(state).Status : null);

    /// <inheritdoc/>
    public Task<IReadOnlyList<WorkloadStatus>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<WorkloadStatus>>([.. Folders().Select(Current).OfType<WorkloadState>().Where(s => s.Ready).Select(s => Adopt(s).Status)]);

    /// <inheritdoc/>
    public async Task<WorkloadExit?> WaitForExitAsync(string instanceId, CancellationToken cancellationToken)
    {
        var folder = Folder(instanceId);
        if (folder.Load() is not { } state || !Ours(state)) return _ended.TryGetValue(instanceId, out var last) ? last.Exit : null;
        while (state.Alive) await Task.Delay(TimeSpan.FromMilliseconds(100), _time, cancellationToken);
        using var held = await HoldAsync(instanceId, cancellationToken);
        if (_ended.TryGetValue(instanceId, out var known) && known.Run == state.Run) return known.Exit; // it was stopped meanwhile
        var exit = await ExitAsync(folder, state, "run", cancellationToken);
        _ended[instanceId] = (state.Run, exit);
        if (folder.Load()?.Run == state.Run) await ClearAsync(folder, state);
        return exit;
    }

    /// <inheritdoc/>
    public async Task<WorkloadExit?> GetServerExitAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (Current(Folder(instanceId)) is not { } state || (await BridgeClient.StatusAsync(Adopt(state).Address, cancellationToken))?.LastExit is not { } exit) return null;
        return exit.Explain(Cgroups.OutOfMemory(state.Groups) > 0);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LogLine> ReadLogsAsync(string instanceId, LogQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var line in new LogFiles(Folder(instanceId), _time).ReadAsync(query, cancellationToken)) yield return line;
    }

    /// <inheritdoc/>
    public Task<WorkloadUsage?> GetUsageAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (Current(Folder(instanceId)) is not { } state) return Task.FromResult<WorkloadUsage?>(null);
        var tree = ProcessTable.Trees(state.Leader.Pid, state.Init?.Pid ?? state.Leader.Pid);
        var (cpu, memory) = Cgroups.Usage(state.Groups);
        return Task.FromResult<WorkloadUsage?>(new(cpu ?? tree.Sum(p => p.CpuSeconds), memory ?? tree.Sum(p => p.MemoryBytes), tree.Count));
    }

    /// <inheritdoc/>
    public async Task<RuntimeCheck> CheckAsync(CancellationToken cancellationToken)
    {
        // Asked before every start, and it takes a second: what was installed meanwhile is seen after half a minute.
        if (_check is { } last && _time.GetElapsedTime(last.At) < TimeSpan.FromSeconds(30)) return last.Check;
        var check = await LookAsync(cancellationToken);
        _check = new(_time.GetTimestamp(), check);
        return check;
    }

    private async Task<RuntimeCheck> LookAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux()) return new(false, IsolationLevel.None, ["Processes can be run on Linux only."], new Dictionary<string, string?>());
        var findings = new List<string>();
        var versions = await HostTools.VersionsAsync(cancellationToken);
        var (level, _, finding) = await _host.StrongestAsync(again: true);
        if (finding is not null) findings.Add(finding);
        versions["landlock"] = Landlock.Version is > 0 and var abi ? $"{abi}" : null;
        var bridge = BridgeProgram.Find(_options.BridgePath);
        if (bridge is null) findings.Add($"The bridge program is missing{(_options.BridgePath is { } path ? $" ({path})" : "")}: build it with ./run, or name it in MCPCAN_BRIDGE_PATH.");
        if (versions["node"] is null) findings.Add("Node.js is missing: servers started with npx or node cannot run. Install the packages nodejs and npm.");
        if (versions["python3"] is null) findings.Add("Python is missing: servers written in Python cannot run. Install the packages python3 and python3-venv.");
        else if (versions["pip"] is null) findings.Add("pip is missing: Python packages cannot be installed. Install the packages python3-pip and python3-venv.");
        versions["cgroup"] = _host.Groups.Version;
        if (versions["cgroup"] is null) findings.Add("No control group is writable: memory and process limits hold for each process and not for the whole workload, and there is no CPU limit. Run MCPCAN as a service with Delegate=yes, or as root.");
        var usable = bridge is not null && (level > IsolationLevel.None || _options.AllowNone);
        return new(usable, level, findings, versions);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, process) in _started.Values) process.Dispose(); // the processes live on
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Workload of {InstanceId} could not be started")]
    private static partial void Failed(ILogger logger, string instanceId, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Ended a left-over process of {Mark} (pid {Pid})")]
    private static partial void LeftOver(ILogger logger, string mark, int pid);
}
