namespace McpCan.Server.Runtimes;

/// <summary>A folder or file that a workload sees.</summary>
/// <param name="Host">Where it lies; of a volume that an engine keeps its name.</param>
/// <param name="Inside">Where the workload sees it.</param>
/// <param name="Writable">Whether the workload may write there.</param>
/// <param name="IsVolume">Whether an engine keeps it.</param>
internal sealed record Mount(string Host, string Inside, bool Writable = false, bool IsVolume = false);

/// <summary>What is to run apart from everything else.</summary>
internal sealed record SandboxRequest
{
    public required IReadOnlyList<string> Command { get; init; }
    public required Dictionary<string, string> Environment { get; init; }
    /// <summary>Working directory as seen inside.</summary>
    public required string Directory { get; init; }
    public required IReadOnlyList<Mount> Mounts { get; init; }
    public required WorkloadLimits Limits { get; init; }
    public string[] Groups { get; init; } = [];
    public string? Output { get; init; }
    /// <summary>Path of the pseudo-terminal that is its input and output.</summary>
    public string? Terminal { get; init; }
}

/// <summary>Turns a request into the order for <see cref="SandboxExec"/>, for each level of isolation.</summary>
internal static class Sandbox
{
    private static readonly string[] Devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts"];

    private static readonly string? NewSession = HostTools.Which("setsid");

    private static readonly string[] KernelSettings = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/scsi", "/proc/mtrr", "/proc/acpi", "/proc/asound"];

    public static LaunchOrder Order(IsolationLevel level, string? bubblewrap, bool noNestedNamespaces, string settings, SandboxRequest request, Cgroups groups) => new()
    {
        Command = level == IsolationLevel.Sandbox ? [bubblewrap!, .. Arguments(request, settings, noNestedNamespaces)] : Direct(request),
        Environment = request.Environment,
        Directory = level == IsolationLevel.Sandbox ? "/" : request.Directory,
        Output = request.Output,
        Terminal = request.Terminal,
        Leads = level != IsolationLevel.Sandbox || NewSession is null,
        Groups = [.. request.Groups.Select(g => Path.Combine(g, "cgroup.procs"))],
        Limits = Limits(request.Limits, groups),
        Landlock = level == IsolationLevel.Landlock,
        Writable = [.. request.Mounts.Where(m => m.Writable).Select(m => m.Host), .. Devices],
        Readable = [.. request.Mounts.Where(m => !m.Writable).Select(m => m.Host), .. HostTools.SystemFolders, .. HostTools.SystemSettings.Select(s => HostTools.Real(s) ?? s), "/etc/passwd", "/etc/group", "/proc"],
    };

    /// <summary>Which limits hold and by what, for people.</summary>
    public static string[] InForce(WorkloadLimits limits, Cgroups groups)
    {
        var cgroup = $"cgroup {groups.Version}";
        return
        [
            limits.MemoryBytes <= 0 ? "memory: none" : groups.Has("memory") ? $"memory: {limits.MemoryBytes >> 20} MiB ({cgroup})" : $"memory: {limits.MemoryBytes >> 20} MiB for each process (rlimit; no memory cgroup is writable)",
            limits.Cpus <= 0 ? "cpu: none" : groups.Has("cpu") ? FormattableString.Invariant($"cpu: {limits.Cpus} cores ({cgroup})") : "cpu: none (no cpu cgroup is writable)",
            limits.Pids <= 0 ? "processes: none" : groups.Has("pids") ? $"processes: {limits.Pids} ({cgroup})" : Linux.UserId() == 0 ? "processes: none (no pids cgroup is writable, and the process limit does not hold for root)" : $"processes: {limits.Pids} for the user (rlimit; no pids cgroup is writable)",
            limits.OpenFiles <= 0 ? "open files: none" : $"open files: {limits.OpenFiles} for each process (rlimit)",
            limits.FileBytes <= 0 ? "file size: none" : $"file size: {limits.FileBytes >> 20} MiB (rlimit)",
        ];
    }

    private static Dictionary<int, long> Limits(WorkloadLimits limits, Cgroups groups)
    {
        var all = new Dictionary<int, long> { [Linux.LimitCore] = 0 };
        if (limits.OpenFiles > 0) all[Linux.LimitOpenFiles] = limits.OpenFiles;
        if (limits.FileBytes > 0) all[Linux.LimitFileSize] = limits.FileBytes;
        // Not the address space: Node and .NET reserve far more than they use.
        if (limits.MemoryBytes > 0 && !groups.Has("memory")) all[Linux.LimitData] = limits.MemoryBytes;
        if (limits.Pids > 0 && !groups.Has("pids")) all[Linux.LimitProcesses] = limits.Pids;
        return all;
    }

    private static string[] Direct(SandboxRequest request)
    {
        var program = HostTools.Which(request.Command[0], request.Environment.GetValueOrDefault("PATH")) ?? request.Command[0];
        return [program, .. request.Command.Skip(1)];
    }

    private static IEnumerable<string> Arguments(SandboxRequest request, string settings, bool noNestedNamespaces)
    {
        // The network stays shared: servers call out, and npx and pip fetch.
        yield return "--unshare-user";
        if (noNestedNamespaces) yield return "--disable-userns";
        foreach (var option in (string[])["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--uid", "10001", "--gid", "10001", "--hostname", "mcp", "--cap-drop", "ALL"]) yield return option;
        // The first process of the pid namespace is the bridge itself: when it ends, the kernel ends all others.
        // In a terminal bubblewrap keeps that place: a first process would not hear its Ctrl-C. Hung up, it takes all with it.
        yield return request.Terminal is null ? "--as-pid-1" : "--die-with-parent";
        foreach (var folder in HostTools.SystemFolders.Where(Directory.Exists))
        {
            var link = new DirectoryInfo(folder).LinkTarget;
            yield return link is null ? "--ro-bind" : "--symlink";
            yield return link ?? folder;
            yield return folder;
        }
        foreach (var setting in HostTools.SystemSettings)
        {
            if (HostTools.Real(setting) is not { } real) continue;
            yield return "--ro-bind";
            yield return real;
            yield return setting;
        }
        foreach (var file in (string[])["passwd", "group"])
        {
            yield return "--ro-bind";
            yield return Path.Combine(settings, file);
            yield return "/etc/" + file;
        }
        foreach (var option in (string[])["--proc", "/proc", "--dev", "/dev", "--dir", "/var/tmp"]) yield return option;
        // Seen from outside a root server's workload is user 0, without capabilities; but these the kernel guards by the user's number alone.
        foreach (var setting in KernelSettings.Where(Path.Exists))
        {
            yield return "--ro-bind";
            yield return setting;
            yield return setting;
        }
        foreach (var mount in request.Mounts)
        {
            yield return mount.Writable ? "--bind" : "--ro-bind";
            yield return mount.Host;
            yield return mount.Inside;
        }
        foreach (var option in (string[])["--remount-ro", "/", "--chdir", request.Directory, "--"]) yield return option;
        // The terminal's session must be one of the new namespace: a shell of another one's cannot give the terminal back when it ends.
        if (request.Terminal is not null && NewSession is { } newSession)
        {
            foreach (var argument in (string[])[newSession, "-c", "--"]) yield return argument;
        }
        foreach (var argument in request.Command) yield return argument;
    }

    /// <summary>Accounts as seen inside: root's name, and the workload's.</summary>
    public static void WriteSettings(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "passwd"), "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nmcp:x:10001:10001:mcp:/home/mcp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        File.WriteAllText(Path.Combine(folder, "group"), "root:x:0:\nmcp:x:10001:\nnogroup:x:65534:\n");
    }
}
