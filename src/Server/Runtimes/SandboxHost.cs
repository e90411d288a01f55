using System.Diagnostics;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>Starts processes apart from everything else: which levels there are on this machine, cgroups, interpreters, the stage between.</summary>
internal sealed class SandboxHost(ProcessRuntimeOptions options, HostTools tools)
{
    private readonly Lazy<Cgroups> _groups = new(() => Cgroups.Detect(options.InstallationId()));
    private readonly Lock _gate = new();
    private Task<(IsolationLevel Level, bool NoNested, string? Finding)>? _strongest;

    public Cgroups Groups => _groups.Value;
    public string? Bubblewrap { get; } = HostTools.Which("bwrap");
    private string Settings => Path.Combine(options.Data, "cache", "etc");

    /// <summary>The strongest level that works here, found by trying, and why it is not stronger.</summary>
    public Task<(IsolationLevel Level, bool NoNested, string? Finding)> StrongestAsync(bool again = false)
    {
        lock (_gate) return again || _strongest is null ? _strongest = ProbeAsync() : _strongest;
    }

    public async Task<IsolationLevel> ChooseAsync(IsolationLevel minimum)
    {
        var (level, _, finding) = await StrongestAsync();
        if (level >= minimum) return level;
        throw new PlatformNotSupportedException($"The policy demands isolation '{minimum.ToString().ToLowerInvariant()}', and this machine offers '{level.ToString().ToLowerInvariant()}'. {finding}");
    }

    /// <summary>Starts the request; its standard output and error are ours unless it names a file.</summary>
    public async Task<Process> StartAsync(IsolationLevel level, SandboxRequest request, string orderFile)
    {
        var (_, noNested, _) = await StrongestAsync();
        if (level == IsolationLevel.Sandbox && !File.Exists(Path.Combine(Settings, "group"))) Sandbox.WriteSettings(Settings);
        var (_, paths) = await tools.InterpretersAsync();
        var shown = paths.Concat(HostTools.Extra(request.Command[0]) is { } extra ? [extra] : []).Select(p => new Mount(p.Host, p.Inside))
            .Concat(HostEnvironment.Files(request.Environment).Where(f => !HostTools.InSystem(f) && !f.StartsWith("/etc/ssl/certs", StringComparison.Ordinal)).Select(f => new Mount(HostTools.Real(f)!, f)));
        request = request with { Mounts = [.. shown, .. request.Mounts] };
        var order = Sandbox.Order(level, Bubblewrap, noNested, Settings, request, Groups);
        WorkloadFolder.WritePrivate(orderFile, JsonSerializer.SerializeToUtf8Bytes(order));
        var info = new ProcessStartInfo { RedirectStandardInput = true, RedirectStandardOutput = request.Output is null, RedirectStandardError = request.Output is null, WorkingDirectory = "/" };
        var self = Path.Combine(AppContext.BaseDirectory, "mcpcan");
        info.FileName = File.Exists(self) ? self : Environment.ProcessPath!;
        if (!File.Exists(self)) info.ArgumentList.Add(self + ".dll");
        info.ArgumentList.Add(SandboxExec.Word);
        info.ArgumentList.Add(orderFile);
        info.Environment.Clear();
        foreach (var name in (string[])["PATH", "HOME", "DOTNET_ROOT"])
        {
            if (Environment.GetEnvironmentVariable(name) is { } value) info.Environment[name] = value;
        }
        if (BridgeProgram.DotNetRoot is { } root) info.Environment["DOTNET_ROOT"] = root;
        // Lives for a moment only: small and quick.
        info.Environment["DOTNET_gcServer"] = "0";
        info.Environment["DOTNET_TieredPGO"] = "0";
        info.Environment["DOTNET_EnableDiagnostics"] = "0";
        info.Environment[ProcessTable.Mark] = request.Environment.GetValueOrDefault(ProcessTable.Mark, "");
        var process = Process.Start(info)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>Runs a command of the install phase to its end; the result is its exit code. Nothing of it is left afterwards.</summary>
    public async Task<int> RunAsync(WorkloadSpec spec, string[] command, Layout layout, IsolationLevel level, Action<string, string> line, CancellationToken cancellationToken)
    {
        // An installation needs more than the server: unpacking, compilers.
        var limits = spec.Limits with { MemoryBytes = spec.Limits.MemoryBytes == 0 ? 0 : Math.Max(spec.Limits.MemoryBytes, 2L << 30), Cpus = 0, Pids = spec.Limits.Pids == 0 ? 0 : Math.Max(spec.Limits.Pids, 512), FileBytes = spec.Limits.FileBytes == 0 ? 0 : Math.Max(spec.Limits.FileBytes, 2L << 30) };
        var name = $"{spec.InstanceId}-install";
        var groups = Groups.Create(name, limits);
        var mark = $"{options.InstallationId()}/{spec.InstanceId}/install";
        var (folders, _) = await tools.InterpretersAsync();
        var directory = layout.Directory(spec.WorkingDirectory is { } d && layout.HasApp ? d : null);
        var environment = layout.Environment(folders, directory);
        foreach (var (key, value) in spec.Environment) environment[key] = value;
        environment[ProcessTable.Mark] = mark;
        Process? process = null;
        try
        {
            process = await StartAsync(level, new SandboxRequest { Command = command, Environment = environment, Directory = directory, Mounts = layout.Mounts, Limits = limits, Groups = groups }, Path.Combine(options.Data, "workloads", spec.InstanceId, "order-install.json"));
            var output = ReadAsync(process.StandardOutput, "info", line);
            var errors = ReadAsync(process.StandardError, "info", line);
            await process.WaitForExitAsync(cancellationToken);
            await EndAsync(mark, groups); // what is left may hold the pipes open
            await Task.WhenAll(output, errors);
            return process.ExitCode;
        }
        finally
        {
            await EndAsync(mark, groups);
            Cgroups.Remove(groups);
            process?.Dispose();
        }
    }

    /// <summary>Kills all that carries the mark or is in the groups, until nothing is left.</summary>
    public static async Task EndAsync(string mark, string[] groups)
    {
        for (var round = 0; round < 100; round++)
        {
            var empty = Cgroups.Kill(groups);
            foreach (var (process, _) in ProcessTable.Marked(mark))
            {
                empty = false;
                process.Signal(Linux.SigKill);
            }
            if (empty) return;
            await Task.Delay(round < 10 ? 5 : 50);
        }
    }

    private static async Task ReadAsync(StreamReader reader, string level, Action<string, string> line)
    {
        while (await reader.ReadLineAsync() is { } text)
        {
            if (text.Length > 0) line(level, text);
        }
    }

    private async Task<(IsolationLevel Level, bool NoNested, string? Finding)> ProbeAsync()
    {
        string? finding = null;
        if (options.StrongestIsolation >= IsolationLevel.Sandbox)
        {
            if (Bubblewrap is null)
            {
                finding = "bubblewrap is not installed: install the package 'bubblewrap' (apt install bubblewrap) for stronger isolation.";
            }
            else
            {
                Sandbox.WriteSettings(Settings);
                if (await TryAsync(noNested: true) is null) return (IsolationLevel.Sandbox, true, null);
                if (await TryAsync(noNested: false) is not { } fault) return (IsolationLevel.Sandbox, false, null);
                finding = $"bubblewrap is installed but does not work here ({fault}): allow unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; in a container: --security-opt seccomp=unconfined).";
            }
        }
        if (options.StrongestIsolation >= IsolationLevel.Landlock && Landlock.Version > 0) return (IsolationLevel.Landlock, false, finding);
        return (IsolationLevel.None, false, $"{finding} Landlock is not available either: it needs Linux 5.13 or newer with Landlock switched on (kernel parameter lsm=landlock,…).".Trim());
    }

    /// <summary>Null when a sandbox can be made, else what bubblewrap said.</summary>
    private async Task<string?> TryAsync(bool noNested)
    {
        var request = new SandboxRequest { Command = ["true"], Environment = [], Directory = "/", Mounts = [], Limits = new() };
        var order = Sandbox.Order(IsolationLevel.Sandbox, Bubblewrap, noNested, Settings, request, Groups);
        using var process = Process.Start(new ProcessStartInfo(order.Command[0], order.Command[1..]) { RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var said = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? null : said.Trim();
    }
}
