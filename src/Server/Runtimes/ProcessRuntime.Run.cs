using System.Diagnostics;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>Start and end of a run. All of this happens while the instance's gate is held.</summary>
public sealed partial class ProcessRuntime
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    private async Task<WorkloadStatus> StartAsync(WorkloadSpec spec, WorkloadFolder folder, IsolationLevel level, Installer.Result installed, int run, long firstLine, CancellationToken cancellationToken)
    {
        // 1. What the workload sees, and its command with all placeholders filled.
        var bridge = BridgeProgram.Find(_options.BridgePath) ?? throw new IOException("The bridge program is missing. Build it with ./run, or name it in MCPCAN_BRIDGE_PATH.");
        var layout = Layout.ForRun(level, folder, installed, bridge.Folder, spec.Package is not null);
        if (bridge.DotNet is { } dotnet && !HostTools.InSystem(dotnet)) layout.Mounts.Add(new(dotnet, dotnet));
        layout.Mounts.AddRange(Volumes(spec, level));
        var (tools, _) = await _tools.InterpretersAsync();
        var directory = layout.Directory(spec.WorkingDirectory);
        if (spec.Package is null) folder.MakeHome(spec.WorkingDirectory);
        var command = spec.Command.Select(layout.Fill).ToArray();
        if (command is [CommandPlans.Bin, ..]) command[0] = $"{layout.Deps}/node_modules/.bin/{Installer.NpxProgram(installed.Deps ?? throw new IOException("Nothing was installed."))}";
        if (HostTools.Extra(command[0]) is { } extra) layout.Mounts.Add(new(extra.Host, extra.Inside));

        // 2. The bridge's configuration. It holds secrets: for its owner only, and gone once the bridge has read it.
        var socket = level == IsolationLevel.Sandbox ? $"{layout.Run}/bridge.sock" : _paths.Shorten(spec.InstanceId, Path.Combine(folder.Run, "bridge.sock"), "run/bridge.sock");
        var config = new
        {
            listen = "unix:" + socket,
            command,
            workingDirectory = directory,
            environment = spec.Environment,
            processes = spec.Processes,
            warmSpares = spec.Limits.WarmSpares,
            maxSessions = spec.Limits.Sessions,
            sessionIdleSeconds = spec.Limits.SessionIdleSeconds,
            startSeconds = spec.Limits.StartSeconds,
            maxMessageBytes = _options.MaxMessageBytes,
            logDirectory = layout.Logs,
            run,
            firstLogNumber = firstLine,
            installationId = _options.InstallationId(),
            instanceId = spec.InstanceId,
        };
        var configFile = Path.Combine(folder.Run, "bridge.json");
        WorkloadFolder.WritePrivate(configFile, JsonSerializer.SerializeToUtf8Bytes(config, Web));
        var environment = layout.Environment(tools, directory);
        environment[ProcessTable.Mark] = $"{_options.InstallationId()}/{spec.InstanceId}/{spec.Generation}";
        environment["DOTNET_gcServer"] = "0";
        environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
        environment["DOTNET_EnableDiagnostics"] = "0";
        if (bridge.DotNet is not null) environment["DOTNET_ROOT"] = bridge.DotNet;

        // 3. Start. From here on the state file leads to the processes.
        var groups = _host.Groups.Create(spec.InstanceId, spec.Limits);
        var process = await _host.StartAsync(level, new SandboxRequest
        {
            Command = bridge.Command(layout.Bridge, Path.Combine(layout.Run, "bridge.json")),
            Environment = environment,
            Directory = level == IsolationLevel.Sandbox ? "/" : folder.Home,
            Mounts = layout.Mounts,
            Limits = spec.Limits,
            Groups = groups,
            Output = folder.Output,
        }, Path.Combine(folder.Root, "order.json"));
        Keep(spec.InstanceId, run, process);
        var state = new WorkloadState
        {
            InstallationId = _options.InstallationId(),
            InstanceId = spec.InstanceId,
            Generation = spec.Generation,
            Run = run,
            Address = "unix:" + Address(folder, spec.InstanceId),
            Isolation = level,
            LimitsInForce = Sandbox.InForce(spec.Limits, _host.Groups),
            StartedAt = _time.GetUtcNow(),
            Boot = WorkloadFolder.Boot,
            Leader = ProcessTable.Reference(process.Id) ?? new ProcessRef(process.Id, -1),
            Groups = groups,
            Program = spec.Command[0],
            MemoryBytes = spec.Limits.MemoryBytes,
            Layout = layout,
            Directory = directory,
            Limits = spec.Limits,
        };
        folder.Save(state);
        try
        {
            // 4. Wait until the bridge answers.
            await ListeningAsync(folder, state, level, cancellationToken);
            state = state with { Ready = true, Init = level == IsolationLevel.Sandbox ? ProcessTable.FirstChild(process.Id) : null };
            folder.Save(state);
            File.Delete(configFile);
            _ended.TryRemove(spec.InstanceId, out _);
            return state.Status;
        }
        catch
        {
            await KillAsync(state with { Init = ProcessTable.FirstChild(state.Leader.Pid) });
            await ClearAsync(folder, state);
            throw;
        }
    }

    private async Task ListeningAsync(WorkloadFolder folder, WorkloadState state, IsolationLevel level, CancellationToken cancellationToken)
    {
        var begin = _time.GetTimestamp();
        var linked = false;
        while (true)
        {
            linked = linked || folder.LinkSocket();
            if (linked && await BridgeClient.StatusAsync(state.Address, cancellationToken) is not null) return;
            if (!state.Leader.Alive) throw new WorkloadFailedException(await ExitAsync(folder, state, "start", cancellationToken));
            if (_time.GetElapsedTime(begin) > TimeSpan.FromSeconds(60))
                throw new WorkloadFailedException(new WorkloadExit(null, null, "start", "The bridge did not answer within 60 seconds.", Output(folder), _time.GetUtcNow()));
            await Task.Delay(Pace, _time, cancellationToken);
        }
    }

    private string Address(WorkloadFolder folder, string instanceId) => _paths.Shorten(instanceId, folder.Socket, "bridge.sock");

    /// <summary>After a restart of the machine's temporary folder the short name may be gone.</summary>
    private WorkloadState Adopt(WorkloadState state)
    {
        Address(Folder(state.InstanceId), state.InstanceId);
        return state;
    }

    private async Task StopAsync(WorkloadFolder folder, CancellationToken cancellationToken)
    {
        if (Current(folder) is { } state) await EndAsync(folder, state, cancellationToken);
        else await ClearAsync(folder, folder.Load());
    }

    /// <summary>Asks, then terminates, then kills; nothing is left afterwards.</summary>
    private async Task EndAsync(WorkloadFolder folder, WorkloadState state, CancellationToken cancellationToken)
    {
        _ended[state.InstanceId] = (state.Run, new WorkloadExit(0, null, "run", "Stopped.", [], _time.GetUtcNow()));
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            patience.CancelAfter(TimeSpan.FromSeconds(5));
            try
            {
                if (state.Ready && await BridgeClient.StopAsync(Adopt(state).Address, patience.Token)) await GoneAsync(state, patience.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // too slow
            }
        }
        if (state.Alive)
        {
            (state.Init ?? state.Leader).Signal(Linux.SigTerm);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            try
            {
                await GoneAsync(state, patience.Token);
            }
            catch (OperationCanceledException)
            {
                // It has to be killed.
            }
        }
        await ClearAsync(folder, state);
    }

    private static async Task GoneAsync(WorkloadState state, CancellationToken cancellationToken)
    {
        while (state.Alive) await Task.Delay(Pace, cancellationToken);
    }

    /// <summary>Ends the whole tree: the pid namespace, the group, the cgroup, and whatever carries the mark.</summary>
    private async Task KillAsync(WorkloadState state)
    {
        if (state.Boot == WorkloadFolder.Boot)
        {
            state.Init?.Signal(Linux.SigKill);
            if (state.Leader.Alive) _ = Linux.Kill(-state.Leader.Pid, Linux.SigKill);
            state.Leader.Signal(Linux.SigKill);
        }
        await SandboxHost.EndAsync(Marks(state.InstanceId), state.Groups);
    }

    /// <summary>Removes what a run leaves besides its log.</summary>
    private async Task ClearAsync(WorkloadFolder folder, WorkloadState? state)
    {
        var instance = Path.GetFileName(folder.Root);
        if (state is not null && Ours(state))
        {
            await KillAsync(state);
            Cgroups.Remove(state.Groups);
        }
        else
        {
            await SandboxHost.EndAsync(Marks(instance), []);
        }
        if (_started.TryRemove(instance, out var started)) started.Process.Dispose();
        folder.Forget();
        if (Directory.Exists(folder.Root) && !folder.IsContainer)
        {
            File.Delete(folder.Socket);
            WorkloadFolder.Delete(folder.Run);
        }
    }

    private async Task<WorkloadExit> ExitAsync(WorkloadFolder folder, WorkloadState state, string phase, CancellationToken cancellationToken)
    {
        int? code = null;
        if (_started.TryGetValue(state.InstanceId, out var started) && started.Run == state.Run)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(2));
            try
            {
                await started.Process.WaitForExitAsync(limit.Token);
                code = started.Process.ExitCode;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // the code stays unknown
            }
        }
        int? signal = code > 128 ? code - 128 : null;
        var outOfMemory = Cgroups.OutOfMemory(state.Groups) > 0;
        var lines = new LogFiles(folder, _time).Tail(state.Run, 20, l => l.Stream != "install").Select(l => l.Msg).Concat(Output(folder)).TakeLast(20).ToList();
        return new WorkloadExit(signal is null ? code : null, signal, phase, ExitReasons.Explain(phase, code, null, outOfMemory, lines, "The workload"), lines, _time.GetUtcNow());
    }

    private static List<string> Output(WorkloadFolder folder)
    {
        using var stream = Linux.OpenRegular(folder.Output);
        if (stream is null) return [];
        stream.Position = Math.Max(0, stream.Length - 16384);
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(20)];
    }

    /// <inheritdoc/>
    /// <remarks>That is what belongs to this installation and is known to no state file.</remarks>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var (process, mark) in ProcessTable.Marked(_options.InstallationId() + "/"))
        {
            // A fourth part is a terminal's: nobody sits before it any more.
            if (mark.Split('/') is not [_, var instance, var generation, .. var terminal] || !Known(instance)) continue;
            using var held = await HoldAsync(instance, cancellationToken);
            if (terminal is [] && Current(Folder(instance)) is { Ready: true } state && generation == $"{state.Generation}") continue;
            LeftOver(_logger, mark, process.Pid);
            process.Signal(Linux.SigKill);
        }
        _host.Groups.Sweep(name => _gates.ContainsKey(name) || Current(Folder(name)) is not null);
    }

    private async Task<IsolationLevel> LevelAsync(WorkloadSpec spec)
    {
        var level = await _host.ChooseAsync(spec.MinimumIsolation);
        return level > IsolationLevel.None || _options.AllowNone ? level
            : throw new PlatformNotSupportedException("This machine offers no isolation, and an administrator has not allowed to run without (MCPCAN_MINIMUM_ISOLATION=none).");
    }

    private void Keep(string instanceId, int run, Process process)
    {
        if (_started.TryRemove(instanceId, out var old)) old.Process.Dispose();
        _started[instanceId] = (run, process);
    }

    private WorkloadFailedException Ended(string instanceId, int run, WorkloadExit exit)
    {
        _ended[instanceId] = (run, exit);
        return new WorkloadFailedException(exit);
    }

    private string Marks(string instanceId) => $"{_options.InstallationId()}/{instanceId}/";

    private bool Ours(WorkloadState state) => state.InstallationId == _options.InstallationId();

    private WorkloadState? Current(WorkloadFolder folder) => folder.Load() is { } state && Ours(state) && state.Alive ? state : null;

    private WorkloadFolder Folder(string instanceId, string? home = null) => Known(instanceId) ? new(Path.Combine(_options.Data, "workloads", instanceId), home) : throw new ArgumentException("This is no instance id.", nameof(instanceId));

    private IEnumerable<WorkloadFolder> Folders() =>
        Directory.Exists(Path.Combine(_options.Data, "workloads")) ? Directory.EnumerateDirectories(Path.Combine(_options.Data, "workloads")).Where(d => Known(Path.GetFileName(d))).Select(d => new WorkloadFolder(d)) : [];

    /// <summary>Ids become folder names.</summary>
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
}
