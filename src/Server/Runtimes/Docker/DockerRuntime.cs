using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>
/// Runs workloads as containers of a Docker or Podman engine that sees the same files as we do:
/// <code>
/// mcpcan ── engine ──┬─ container: own network, no rights, read-only root ──┐
///    │               │  mcpcan-bridge (pid 1) ── server ── …                │
///    └── socket on a mounted folder ──┘                                     │
///                    └──────────────────────────────────────────────────────┘
/// </code>
/// No port is published: the bridge is reached by its socket, so that a workload may have no network at all.
/// Nothing of it depends on the server's life: labels and a state file lead a new server to its containers.
/// </summary>
public sealed partial class DockerRuntime : IRuntime, IDisposable
{
    private const int KeptRuns = 5;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(20);
    private readonly DockerRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DockerRuntime> _logger;
    private readonly Engine _engine;
    private readonly Installer _installer;
    private readonly ShortPaths _paths;
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new();
    private readonly ConcurrentDictionary<string, (int Run, WorkloadExit Exit)> _ended = new();
    private Checked? _check;

    private sealed record Checked(long At, RuntimeCheck Check);

    /// <summary>Looks at nothing yet.</summary>
    public DockerRuntime(DockerRuntimeOptions options, TimeProvider time, ILogger<DockerRuntime> logger)
    {
        var installation = options.Installation with { Data = Path.GetFullPath(options.Installation.Data) };
        _options = options with { Installation = installation };
        _time = time;
        _logger = logger;
        _engine = new Engine(options.Engine, options.Images);
        _installer = new Installer(installation, Path.Combine(installation.Data, "cache", "containers"), InstallAsync, time);
        _paths = new ShortPaths(installation);
    }

    /// <inheritdoc/>
    public string Kind => "docker";

    /// <inheritdoc/>
    public async Task<WorkloadStatus> ApplyAsync(WorkloadSpec spec, IProgress<string> phase, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(spec.InstanceId, cancellationToken);
        var folder = Folder(spec.InstanceId, spec.HomeOf is { } other ? Folder(other).Home : null);
        var (run, first) = folder.NextRun(_time);
        InstallLog? log = null;
        var stage = "start";
        try
        {
            if (await CurrentAsync(folder, cancellationToken) is { } running)
            {
                if (running.Generation == spec.Generation && running.Ready) return running.Status;
                await EndAsync(folder, running, cancellationToken);
                (run, first) = folder.NextRun(_time); // it wrote until now
            }
            else
            {
                await ClearAsync(folder, cancellationToken); // what a killed run left
            }
            var image = await _engine.Image.EnsureAsync(cancellationToken);
            // What was installed fits only the image that it was installed in.
            if (spec.Install is { } step) spec = spec with { Install = step with { CacheKey = $"{step.CacheKey}\n{_options.Environment}\n{image.Id}" } };
            folder.Make();
            folder.Clean();
            folder.Make();
            var files = new LogFiles(folder, _time);
            files.Prune(run, KeptRuns);
            folder.SaveNumbers(new(run, first));
            stage = "install";
            var installed = await _installer.EnsureAsync(spec, folder, IsolationLevel.Container, () => log = new InstallLog(files.Install(run), first, _time), phase, cancellationToken);
            var pulled = spec.Image is null ? null : await ServerImage.EnsureAsync(_engine, spec.Image, phase, () => log ??= new InstallLog(files.Install(run), first, _time), cancellationToken);
            phase.Report("start");
            Installer.PlaceApp(spec, folder, installed, cancellationToken);
            installed = Installer.PlaceDeps(spec, folder, installed, IsolationLevel.Container, cancellationToken);
            WorkloadFolder.Delete(folder.Tmp); // of the install phase
            folder.Make();
            stage = "start";
            return await StartAsync(spec, folder, image, pulled, installed, run, log?.Next ?? first, cancellationToken);
        }
        catch (WorkloadFailedException e)
        {
            throw Ended(spec.InstanceId, run, e.Exit);
        }
        // An engine that is away is no fault of the workload: it is asked again, without the pauses for servers that fail.
        catch (Exception e) when (e is ArchiveException or (IOException and not EngineUnreachableException) or UnauthorizedAccessException or ArgumentException or System.Text.Json.JsonException)
        {
            Failed(_logger, spec.InstanceId, e);
            throw Ended(spec.InstanceId, run, new WorkloadExit(null, null, stage, e.Message, log?.LastLines ?? [], _time.GetUtcNow()));
        }
        finally
        {
            log?.Dispose();
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
        if (Directory.Exists(folder.Logs)) FileOwner.Take(folder.Logs); // what comes next may be no container
        folder.Remove(purge);
        _paths.Remove(instanceId);
        if (purge) _ended.TryRemove(instanceId, out _);
        if ((await _engine.ListAsync([(ContainerPlan.Installation, Installation)], cancellationToken)).Count == 0) await _engine.RemoveNetworkAsync(NetworkName, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<WorkloadStatus?> GetStatusAsync(string instanceId, CancellationToken cancellationToken) =>
        await CurrentAsync(Folder(instanceId), cancellationToken) is { Ready: true } state ? Adopt(state).Status : null;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<WorkloadStatus>> ListAsync(CancellationToken cancellationToken)
    {
        var all = new List<WorkloadStatus>();
        foreach (var folder in Folders())
        {
            if (await CurrentAsync(folder, cancellationToken) is { Ready: true } state) all.Add(Adopt(state).Status);
        }
        return all;
    }

    /// <inheritdoc/>
    public async Task<WorkloadExit?> WaitForExitAsync(string instanceId, CancellationToken cancellationToken)
    {
        var folder = Folder(instanceId);
        if (Own(folder) is not { } state) return _ended.TryGetValue(instanceId, out var last) ? last.Exit : null;
        while (await CurrentAsync(folder, cancellationToken) is { } now && now.Container == state.Container)
        {
            try
            {
                await _engine.WaitAsync(state.Container, cancellationToken);
            }
            catch (EngineUnreachableException)
            {
                // It may be back soon, with the container still running.
                await Task.Delay(TimeSpan.FromSeconds(1), _time, cancellationToken);
            }
        }
        using var held = await HoldAsync(instanceId, cancellationToken);
        if (_ended.TryGetValue(instanceId, out var known) && known.Run == state.Run) return known.Exit; // it was stopped meanwhile
        var exit = await ExitAsync(folder, state, "run", cancellationToken);
        _ended[instanceId] = (state.Run, exit);
        if (Own(folder)?.Run == state.Run) await ClearAsync(folder, cancellationToken);
        return exit;
    }

    /// <inheritdoc/>
    public async Task<WorkloadExit?> GetServerExitAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (Own(Folder(instanceId)) is not { Ready: true } state || (await BridgeClient.StatusAsync(Adopt(state).Address, cancellationToken))?.LastExit is not { } exit) return null;
        return exit.Explain(Cgroups.OutOfMemory(state.Groups) > 0);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LogLine> ReadLogsAsync(string instanceId, LogQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var line in new LogFiles(Folder(instanceId), _time).ReadAsync(query, cancellationToken)) yield return line;
    }

    /// <inheritdoc/>
    public async Task<WorkloadUsage?> GetUsageAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (await CurrentAsync(Folder(instanceId), cancellationToken) is not { } state) return null;
        var (cpu, memory) = Cgroups.Usage(state.Groups);
        if (cpu is { } seconds && memory is { } bytes && Cgroups.Count(state.Groups) is { } count)
        {
            var (received, sent) = Cgroups.Network(state.Groups);
            return new(seconds, bytes, count, received, sent);
        }
        if (await _engine.StatsAsync(state.Container, cancellationToken) is not { } stats) return null;
        var cache = stats.MemoryStats?.Stats?.FirstOrDefault(s => s.Key is "inactive_file" or "total_inactive_file").Value ?? 0;
        return new((stats.CPUStats?.CPUUsage?.TotalUsage ?? 0) / 1e9, Math.Max(0, (long)(stats.MemoryStats?.Usage ?? 0) - (long)cache), (int)(stats.PidsStats?.Current ?? 0),
            stats.Networks?.Values.Sum(n => (long)n.RxBytes), stats.Networks?.Values.Sum(n => (long)n.TxBytes));
    }

    /// <inheritdoc/>
    /// <remarks>That is every container of this installation and environment that no state file knows as running.</remarks>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var container in await _engine.ListAsync(OwnLabels, cancellationToken))
            {
                if (container.Labels?.TryGetValue(ContainerPlan.Instance, out var instance) != true || !Known(instance!)) continue;
                using var held = await HoldAsync(instance!, cancellationToken);
                if (Own(Folder(instance!)) is { Ready: true } state && state.Container == container.ID) continue;
                LeftOver(_logger, container.Names?.FirstOrDefault() ?? container.ID);
                await _engine.RemoveAsync(container.ID, cancellationToken);
            }
        }
        catch (IOException e)
        {
            // The start of the platform does not hang on an engine; what is left is in the way of the next start at most, which removes it.
            NotSwept(_logger, _options.Environment, e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose(); // the containers live on

    private string Installation => _options.Installation.InstallationId();

    private (string, string)[] OwnLabels => [(ContainerPlan.Installation, Installation), (ContainerPlan.Environment, _options.Environment)];

    private string NetworkName => $"mcpcan-{new string([.. Installation.Where(char.IsAsciiLetterOrDigit)])}";

    private bool Ours(ContainerState state) => state.InstallationId == Installation && state.Environment == _options.Environment;

    private ContainerState? Own(WorkloadFolder folder) => folder.LoadContainer() is { } state && Ours(state) ? state : null;

    /// <summary>The run that is on now. While the engine does not answer, what answers itself is on.</summary>
    private async Task<ContainerState?> CurrentAsync(WorkloadFolder folder, CancellationToken cancellationToken)
    {
        if (Own(folder) is not { } state) return null;
        try
        {
            return (await _engine.InspectAsync(state.Container, cancellationToken))?.State is { Running: true } ? state : null;
        }
        catch (EngineUnreachableException) when (state.Ready)
        {
            if (await BridgeClient.StatusAsync(Adopt(state).Address, cancellationToken) is null) throw;
            return state;
        }
    }

    private WorkloadFolder Folder(string instanceId, string? home = null) =>
        Known(instanceId) ? new(Path.Combine(_options.Installation.Data, "workloads", instanceId), home) : throw new ArgumentException("This is no instance id.", nameof(instanceId));

    private IEnumerable<WorkloadFolder> Folders() => Path.Combine(_options.Installation.Data, "workloads") is var all && Directory.Exists(all)
        ? Directory.EnumerateDirectories(all).Where(d => Known(Path.GetFileName(d))).Select(d => new WorkloadFolder(d)) : [];

    private static bool Known(string instanceId) => instanceId.Length is > 0 and < 80 && instanceId.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');

    private async Task<IDisposable> HoldAsync(string instanceId, CancellationToken cancellationToken)
    {
        var gate = _gates.GetOrAdd(instanceId, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken);
        return new Hold(gate);
    }

    private sealed class Hold(SemaphoreSlim gate) : IDisposable
    {
        public void Dispose() => gate.Release();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Container workload of {InstanceId} could not be started")]
    private static partial void Failed(ILogger logger, string instanceId, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Removed the left-over container {Name}")]
    private static partial void LeftOver(ILogger logger, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The engine of environment {Environment} could not be looked through for left-overs")]
    private static partial void NotSwept(ILogger logger, string environment, Exception exception);
}
