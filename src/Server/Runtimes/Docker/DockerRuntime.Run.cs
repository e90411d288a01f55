using System.Text.Json;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>Start and end of a run. All of this happens while the instance's gate is held.</summary>
public sealed partial class DockerRuntime
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);
    private static readonly string[] ImagePath = ["/usr/local/sbin", "/usr/local/bin"];

    private async Task<WorkloadStatus> StartAsync(WorkloadSpec spec, WorkloadFolder folder, WorkloadImage.Found image, ServerImage? server, Installer.Result installed, int run, long firstLine, CancellationToken cancellationToken)
    {
        // 1. What the workload sees, and its command with all placeholders filled.
        var bridge = BridgeProgram.Find(_options.Installation.BridgePath) ?? throw new IOException("The bridge program is missing. Build it with ./run, or name it in MCPCAN_BRIDGE_PATH.");
        if (spec.Http is not null) bridge = bridge.ForHttp;
        var kind = await _engine.KindAsync(cancellationToken);
        var layout = Layout.ForRun(IsolationLevel.Container, folder, installed, bridge.Folder, spec.Package is not null);
        if (bridge.DotNet is { } dotnet) layout.Mounts.Add(new(dotnet, dotnet));
        layout.Mounts.AddRange(await VolumesAsync(spec, cancellationToken));
        var directory = server?.Directory ?? layout.Directory(spec.WorkingDirectory);
        if (spec.Package is null) folder.MakeHome(spec.WorkingDirectory);
        var command = server?.Command ?? [.. spec.Command.Select(layout.Fill)];
        if (command is [CommandPlans.Bin, ..]) command[0] = $"{layout.Deps}/node_modules/.bin/{Installer.NpxProgram(installed.Deps ?? throw new IOException("Nothing was installed."))}";
        var environment = Variables(layout, directory);
        if (server is not null)
        {
            // The image's own stay, and what is set for our interpreters does not belong here.
            foreach (var name in (string[])["PATH", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "npm_config_update_notifier"]) environment.Remove(name);
            if (bridge.DotNet is not null) throw new IOException("Images need the bridge as a native program: build it with script/build, which needs clang or gcc.");
        }
        else
        {
            environment["DOTNET_gcServer"] = "0";
            environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
            environment["DOTNET_EnableDiagnostics"] = "0";
        }
        if (bridge.DotNet is not null) environment["DOTNET_ROOT"] = bridge.DotNet;
        foreach (var own in (string[])[folder.Run, folder.Logs, folder.App, folder.Home]) FileOwner.Give(own);
        if (installed.Own is { } deps) FileOwner.Give(deps);
        if (spec.Package is null) foreach (var made in Ancestors(folder.Home, spec.WorkingDirectory)) FileOwner.Give(made);

        // 2. The container starts, and its bridge waits for the configuration.
        var network = spec.Egress.Mode == "none" ? null : await NetworkAsync(cancellationToken);
        var egress = spec.Egress.Mode == EgressPolicy.AllowList ? await EgressList.ResolveAsync(spec.Egress.Allow ?? [], _options.Resolve, cancellationToken) : null;
        if (egress is not null) await WriteHostsAsync(folder, egress, cancellationToken);
        var order = new ContainerPlan.Order
        {
            Name = $"{NetworkName}-{spec.InstanceId}-{run}",
            Image = server?.Id ?? image.Name,
            Command = [.. (server is null ? null : bridge.PortableCommand(layout.Bridge, ContainerPlan.Config)) ?? bridge.Command(layout.Bridge, ContainerPlan.Config), "--wait"],
            Environment = environment,
            Mounts = [.. layout.Mounts.Where(m => m.Inside != layout.Tmp), .. Certificates(environment), .. egress is null ? [] : (Mount[])[new(HostsFile(folder), "/etc/hosts")]],
            HostName = egress is null ? null : EgressList.HostName,
            Labels = Labels(spec.InstanceId, spec.Generation, run, "workload"),
            Limits = spec.Limits,
            Network = network?.Name ?? "none",
            User = User,
            Podman = kind.Podman,
        };
        var container = await _engine.CreateAsync(ContainerPlan.Create(order), cancellationToken);
        var state = new ContainerState
        {
            InstallationId = Installation,
            Environment = _options.Environment,
            InstanceId = spec.InstanceId,
            Generation = spec.Generation,
            Run = run,
            Container = container,
            Address = "unix:" + Address(folder, spec.InstanceId),
            LimitsInForce = ContainerPlan.InForce(spec.Limits, spec.Egress, kind.Name),
            Image = server?.Digest ?? image.Name,
            StartedAt = _time.GetUtcNow(),
            MemoryBytes = spec.Limits.MemoryBytes,
            Egress = egress,
        };
        try
        {
            folder.Save(state);
            await _engine.StartAsync(container, cancellationToken);
            state = state with { Groups = ContainerGroups.Of((await _engine.InspectAsync(container, cancellationToken))?.State?.Pid ?? 0) };

            // 3. Before anything of the workload runs, its network is closed where it has to be.
            if (network is { } open) await CloseAsync(spec.InstanceId, spec.Generation, folder, run, container, open, egress?.Openings(), cancellationToken);

            // 4. The configuration. It holds secrets: for its owner only, and gone once the bridge has read it.
            Configure(spec, folder, command, directory, layout, run, firstLine);

            // 5. Wait until the bridge answers.
            await ListeningAsync(folder, state, cancellationToken);
            state = state with { Ready = true };
            folder.Save(state);
            File.Delete(ConfigFile(folder));
            _ended.TryRemove(spec.InstanceId, out _);
            return state.Status;
        }
        catch
        {
            await ClearAsync(folder, CancellationToken.None);
            throw;
        }
    }

    private void Configure(WorkloadSpec spec, WorkloadFolder folder, string[] command, string directory, Layout layout, int run, long firstLine)
    {
        var config = new
        {
            listen = $"unix:{layout.Run}/bridge.sock",
            command,
            workingDirectory = directory,
            environment = spec.Environment,
            processes = spec.Processes,
            http = spec.Http,
            warmSpares = spec.Limits.WarmSpares,
            maxSessions = spec.Limits.Sessions,
            sessionIdleSeconds = spec.Limits.SessionIdleSeconds,
            startSeconds = spec.Limits.StartSeconds,
            maxMessageBytes = _options.Installation.MaxMessageBytes,
            logDirectory = layout.Logs,
            run,
            firstLogNumber = firstLine,
            installationId = Installation,
            instanceId = spec.InstanceId,
        };
        var written = Path.Combine(folder.Root, "bridge.json");
        WorkloadFolder.WritePrivate(written, JsonSerializer.SerializeToUtf8Bytes(config, Web));
        FileOwner.Give(written);
        File.Move(written, ConfigFile(folder), overwrite: true);
    }

    private async Task ListeningAsync(WorkloadFolder folder, ContainerState state, CancellationToken cancellationToken)
    {
        var begin = _time.GetTimestamp();
        var linked = false;
        for (var round = 0; ; round++)
        {
            linked = linked || folder.LinkSocket();
            if (linked && await BridgeClient.StatusAsync(state.Address, cancellationToken) is not null) return;
            if (round % 10 == 9 && await CurrentAsync(folder, cancellationToken) is null) throw new WorkloadFailedException(await ExitAsync(folder, state, "start", cancellationToken));
            if (_time.GetElapsedTime(begin) > TimeSpan.FromSeconds(60))
                throw new WorkloadFailedException(new WorkloadExit(null, null, "start", "The bridge did not answer within 60 seconds.", await OutputAsync(state.Container, cancellationToken), _time.GetUtcNow()));
            await Task.Delay(Pace, _time, cancellationToken);
        }
    }

    /// <summary>Runs a command of the install phase to its end, in a container of its own with the network.</summary>
    private async Task<int> InstallAsync(WorkloadSpec spec, string[] command, Layout layout, IsolationLevel level, Action<string, string> line, CancellationToken cancellationToken)
    {
        // An installation needs more than the server: unpacking, compilers.
        var limits = spec.Limits with { MemoryBytes = spec.Limits.MemoryBytes == 0 ? 0 : Math.Max(spec.Limits.MemoryBytes, 2L << 30), Cpus = 0, FileBytes = spec.Limits.FileBytes == 0 ? 0 : Math.Max(spec.Limits.FileBytes, 2L << 30) };
        var folder = Folder(spec.InstanceId);
        var kind = await _engine.KindAsync(cancellationToken);
        var image = await _engine.Image.EnsureAsync(cancellationToken);
        var directory = layout.Directory(spec.WorkingDirectory is { } d && layout.HasApp ? d : null);
        var environment = Variables(layout, directory);
        foreach (var (key, value) in spec.Environment) environment[key] = value;
        foreach (var own in layout.Mounts.Where(m => m.Writable)) FileOwner.Give(own.Host);
        var gate = Path.Combine(folder.Tmp, "gate");
        Directory.CreateDirectory(gate);
        File.Delete(Path.Combine(gate, "go"));
        var network = await NetworkAsync(cancellationToken);
        var run = folder.Numbers?.Run ?? 1;
        var container = await _engine.CreateAsync(ContainerPlan.Create(new ContainerPlan.Order
        {
            Name = $"{NetworkName}-{spec.InstanceId}-{run}-{Guid.NewGuid():N}"[..^24] + "-install",
            Image = image.Name,
            // It waits until its network is closed where it has to be.
            Command = ["/bin/sh", "-c", "until [ -e /run/mcpcan/go ]; do sleep 0.02; done; exec \"$@\"", "sh", .. command],
            Environment = environment,
            Mounts = [.. layout.Mounts, new(gate, "/run/mcpcan"), .. Certificates(environment)],
            Labels = Labels(spec.InstanceId, spec.Generation, run, "install"),
            Limits = limits,
            Network = network.Name,
            User = User,
            Podman = kind.Podman,
            Directory = directory,
        }), cancellationToken);
        try
        {
            await _engine.StartAsync(container, cancellationToken);
            await CloseAsync(spec.InstanceId, spec.Generation, folder, run, container, network, null, cancellationToken);
            await File.WriteAllTextAsync(Path.Combine(gate, "go"), "", cancellationToken);
            await _engine.ReadAsync(container, follow: true, text => line("info", text), cancellationToken);
            await _engine.WaitAsync(container, cancellationToken);
            return (int)((await _engine.InspectAsync(container, cancellationToken))?.State?.ExitCode ?? -1);
        }
        finally
        {
            await RemoveQuietlyAsync(container);
        }
    }

    private async Task StopAsync(WorkloadFolder folder, CancellationToken cancellationToken)
    {
        if (await CurrentAsync(folder, cancellationToken) is { } state) await EndAsync(folder, state, cancellationToken);
        else await ClearAsync(folder, cancellationToken);
    }

    /// <summary>Asks, then terminates, then kills; nothing is left afterwards.</summary>
    private async Task EndAsync(WorkloadFolder folder, ContainerState state, CancellationToken cancellationToken)
    {
        _ended[state.InstanceId] = (state.Run, new WorkloadExit(0, null, "run", "Stopped.", [], _time.GetUtcNow()));
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            patience.CancelAfter(TimeSpan.FromSeconds(5));
            try
            {
                if (state.Ready && await BridgeClient.StopAsync(Adopt(state).Address, patience.Token)) await _engine.WaitAsync(state.Container, patience.Token);
                else await _engine.StopAsync(state.Container, patience.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or EngineUnreachableException && !cancellationToken.IsCancellationRequested)
            {
                // too slow: it has to be killed
            }
        }
        await ClearAsync(folder, cancellationToken);
    }

    /// <summary>Removes what a run leaves besides its log: all containers of the instance.</summary>
    private async Task ClearAsync(WorkloadFolder folder, CancellationToken cancellationToken)
    {
        var instance = Path.GetFileName(folder.Root);
        foreach (var container in await _engine.ListAsync([.. OwnLabels, (ContainerPlan.Instance, instance)], cancellationToken)) await _engine.RemoveAsync(container.ID, cancellationToken);
        if (!Directory.Exists(folder.Root) || (folder.IsContainer && Own(folder) is null)) return;
        if (!folder.IsContainer && folder.Load() is not null) return; // runs as a process now
        File.Delete(folder.ContainerFile);
        File.Delete(folder.Socket);
        WorkloadFolder.Delete(folder.Run);
    }

    private async Task<WorkloadExit> ExitAsync(WorkloadFolder folder, ContainerState state, string phase, CancellationToken cancellationToken)
    {
        var ended = (await _engine.InspectAsync(state.Container, cancellationToken))?.State;
        int? code = ended is null ? null : (int)ended.ExitCode;
        int? signal = code > 128 ? code - 128 : null;
        var outOfMemory = ended?.OOMKilled == true || (signal == 9 && state.MemoryBytes > 0); // Podman does not say so
        var lines = new LogFiles(folder, _time).Tail(state.Run, 20, l => l.Stream != "install").Select(l => l.Msg).Concat(ended is null ? [] : await OutputAsync(state.Container, cancellationToken)).TakeLast(20).ToList();
        if (!string.IsNullOrEmpty(ended?.Error)) lines.Add(ended.Error);
        return new WorkloadExit(signal is null ? code : null, signal, phase, ExitReasons.Explain(phase, code, null, outOfMemory, lines, "The container"), lines, _time.GetUtcNow());
    }

    private async Task<List<string>> OutputAsync(string container, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        try
        {
            await _engine.ReadAsync(container, follow: false, lines.Add, cancellationToken);
        }
        catch (IOException)
        {
            // gone with the container
        }
        return lines;
    }

    private async Task RemoveQuietlyAsync(string container)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        try
        {
            await _engine.RemoveAsync(container, limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            NotSwept(_logger, _options.Environment, e); // the sweep finds it by its labels
        }
    }

    private Dictionary<string, string> Labels(string instanceId, long generation, int run, string role) => new()
    {
        [ContainerPlan.Installation] = Installation,
        [ContainerPlan.Environment] = _options.Environment,
        [ContainerPlan.Instance] = instanceId,
        [ContainerPlan.Generation] = generation.ToString(System.Globalization.CultureInfo.InvariantCulture),
        [ContainerPlan.Run] = run.ToString(System.Globalization.CultureInfo.InvariantCulture),
        [ContainerPlan.Role] = role,
    };

    private static Dictionary<string, string> Variables(Layout layout, string directory) => layout.Environment(ImagePath, directory);

    /// <summary>Certificates and wheels that the passed variables name.</summary>
    private static IEnumerable<Mount> Certificates(Dictionary<string, string> environment) => HostEnvironment.Files(environment)
        .Where(f => !HostTools.InSystem(f) && (File.Exists(f) || !f.StartsWith("/etc/ssl/certs", StringComparison.Ordinal))).Select(f => new Mount(HostTools.Real(f)!, f));

    private static IEnumerable<string> Ancestors(string home, string? relative)
    {
        if (Path.IsPathRooted(relative)) yield break; // in a volume
        foreach (var part in (relative ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            home = Path.Combine(home, part);
            if (new FileInfo(home).LinkTarget is not null) yield break;
            yield return home;
        }
    }

    private static string User => $"{FileOwner.Workload.User}:{FileOwner.Workload.Group}";

    private static string ConfigFile(WorkloadFolder folder) => Path.Combine(folder.Run, "bridge.json");

    private string Address(WorkloadFolder folder, string instanceId) => _paths.Shorten(instanceId, folder.Socket, "bridge.sock");

    private ContainerState Adopt(ContainerState state)
    {
        Address(Folder(state.InstanceId), state.InstanceId);
        return state;
    }

    private WorkloadFailedException Ended(string instanceId, int run, WorkloadExit exit)
    {
        _ended[instanceId] = (run, exit);
        return new WorkloadFailedException(exit);
    }
}
