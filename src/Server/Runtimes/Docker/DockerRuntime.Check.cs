namespace McpCan.Server.Runtimes.Docker;

/// <summary>Whether the engine can be used.</summary>
public sealed partial class DockerRuntime
{
    private bool _sharesFiles;

    /// <inheritdoc/>
    public async Task<RuntimeCheck> CheckAsync(CancellationToken cancellationToken)
    {
        // Asked before every start: what changed meanwhile is seen after half a minute, what was wrong at once.
        if (_check is { } last && last.Check.Usable && _time.GetElapsedTime(last.At) < TimeSpan.FromSeconds(30)) return last.Check;
        var check = await LookAsync(cancellationToken);
        _check = new(_time.GetTimestamp(), check);
        return check;
    }

    private async Task<RuntimeCheck> LookAsync(CancellationToken cancellationToken)
    {
        var findings = new List<string>();
        var tools = new Dictionary<string, string?>();
        var usable = true;
        void Missing(string finding)
        {
            usable = false;
            findings.Add(finding);
        }
        try
        {
            var kind = await _engine.KindAsync(cancellationToken);
            tools["engine"] = $"{kind.Name} {kind.Version}";
            var info = await _engine.InfoAsync(cancellationToken);
            tools["cgroup"] = info.CgroupVersion is { Length: > 0 } version ? "v" + version : null;
            if (!info.MemoryLimit) findings.Add("The engine cannot limit memory: switch the memory control group on (kernel parameter cgroup_enable=memory).");
            if (!info.PidsLimit) findings.Add("The engine cannot limit the number of processes: switch the pids control group on.");
            if (info.SecurityOptions?.Any(s => s.Contains("seccomp", StringComparison.Ordinal)) != true) findings.Add("The engine filters no system calls: install it with seccomp.");
            if (kind.Rootless) findings.Add("The engine runs without root. This version was tried with engines run by root only.");
            if (BridgeProgram.Find(_options.Installation.BridgePath) is null) Missing("The bridge program is missing: build it with ./run, or name it in MCPCAN_BRIDGE_PATH.");
            var image = await _engine.Image.EnsureAsync(cancellationToken);
            foreach (var (name, value) in image.Tools) tools[name] = value;
            if (!_sharesFiles && !(_sharesFiles = await SharesFilesAsync(image, cancellationToken)))
                Missing($"The engine does not see this machine's folder {_options.Installation.Data}. Run MCPCAN on the engine's machine; in a container, mount the data folder at the same path as outside.");
        }
        catch (EngineUnreachableException e)
        {
            Missing($"{e.Message} {Remedy(e)}");
        }
        catch (IOException e)
        {
            Missing(e.Message);
        }
        return new(usable, IsolationLevel.Container, findings, tools);
    }

    /// <summary>A container that sees a file of our data folder.</summary>
    private async Task<bool> SharesFilesAsync(WorkloadImage.Found image, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_options.Installation.Data, "cache", $"probe-{Guid.NewGuid():N}")).FullName;
        string? container = null;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "file"), "", cancellationToken);
            var order = new ContainerPlan.Order
            {
                Name = $"{NetworkName}-{Path.GetFileName(folder)}",
                Image = image.Name,
                Command = ["/usr/bin/test", "-e", "/run/mcpcan/file"],
                Environment = new Dictionary<string, string>(),
                Mounts = [new(folder, "/run/mcpcan")],
                Labels = new Dictionary<string, string> { [ContainerPlan.Installation] = Installation, [ContainerPlan.Environment] = _options.Environment, [ContainerPlan.Instance] = "probe", [ContainerPlan.Role] = "probe" },
                Limits = new() { OpenFiles = 0, FileBytes = 0 },
                Network = "none",
                User = User,
                Podman = (await _engine.KindAsync(cancellationToken)).Podman,
            };
            container = await _engine.CreateAsync(ContainerPlan.Create(order), cancellationToken);
            await _engine.StartAsync(container, cancellationToken);
            await _engine.WaitAsync(container, cancellationToken);
            return (await _engine.InspectAsync(container, cancellationToken))?.State?.ExitCode == 0;
        }
        catch (IOException e) when (e is not EngineUnreachableException && e.Message.Contains(folder, StringComparison.Ordinal))
        {
            return false; // it says that there is no such folder
        }
        finally
        {
            if (container is not null) await RemoveQuietlyAsync(container);
            WorkloadFolder.Delete(folder);
        }
    }

    private string Remedy(Exception e)
    {
        var path = _options.Engine.Endpoint.AbsolutePath;
        if (!_options.Engine.IsSocket) return "Check host, port, firewall and certificates.";
        if (!File.Exists(path)) return "There is no such socket: start the engine (systemctl start docker, or podman system service).";
        return e.GetBaseException() is UnauthorizedAccessException || e.GetBaseException().Message.Contains("ermission", StringComparison.Ordinal)
            ? "MCPCAN may not use the socket: add its user to the group that owns it (usermod -aG docker USER)." : "Nothing listens there: start the engine (systemctl start docker, or podman system service).";
    }
}
