using System.Text.Json;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Runtimes;

/// <summary>What a run is known by; lies outside of what the workload can see.</summary>
internal sealed record WorkloadState
{
    public required string InstallationId { get; init; }
    public required string InstanceId { get; init; }
    public required long Generation { get; init; }
    public required int Run { get; init; }
    public required string Address { get; init; }
    public required IsolationLevel Isolation { get; init; }
    public required string[] LimitsInForce { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    /// <summary>Process numbers mean something only until the machine starts again.</summary>
    public required string Boot { get; init; }
    /// <summary>The process that we started: bubblewrap, or the bridge itself.</summary>
    public required ProcessRef Leader { get; init; }
    /// <summary>First process of the workload's pid namespace.</summary>
    public ProcessRef? Init { get; init; }
    public string[] Groups { get; init; } = [];
    public string Program { get; init; } = "";
    public long MemoryBytes { get; init; }
    /// <summary>What the workload sees, for terminals beside it.</summary>
    public Layout? Layout { get; init; }
    public string? Directory { get; init; }
    public WorkloadLimits? Limits { get; init; }
    /// <summary>Set once the bridge has answered.</summary>
    public bool Ready { get; init; }

    public bool Alive => Boot == WorkloadFolder.Boot && (Init?.Alive == true || Leader.Alive);

    public WorkloadStatus Status => new()
    {
        InstanceId = InstanceId,
        Generation = Generation,
        Address = Address,
        Run = Run,
        StartedAt = StartedAt,
        Isolation = Isolation,
        LimitsInForce = LimitsInForce,
    };
}

/// <summary>Numbers that rise over all runs.</summary>
internal sealed record WorkloadNumbers(int Run, long FirstLine);

/// <summary>Where a workload's files lie. The workload sees run, logs, app, home and tmp; not what lies beside them.</summary>
internal sealed class WorkloadFolder(string root, string? home = null)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    public static readonly string Boot = File.Exists("/proc/sys/kernel/random/boot_id") ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim() : "";

    public string Root { get; } = root;
    public string Run => Path.Combine(Root, "run");
    public string Logs => Path.Combine(Root, "logs");
    public string App => Path.Combine(Root, "app");
    public string Home { get; } = home ?? Path.Combine(root, "home");
    public string Tmp => Path.Combine(Root, "tmp");
    /// <summary>What the bridge and bubblewrap themselves say.</summary>
    public string Output => Path.Combine(Root, "output.txt");
    /// <summary>Names the package and install result that <see cref="App"/> was made from.</summary>
    public string AppMark => Path.Combine(Root, "app.txt");
    /// <summary>Copy of the dependencies that an npx server may write to.</summary>
    public string Deps => Path.Combine(Root, "deps");
    /// <summary>Names the install result that <see cref="Deps"/> was made from.</summary>
    public string DepsMark => Path.Combine(Root, "deps.txt");
    private string InstallMark => Path.Combine(Root, "install.txt");

    /// <summary>Key of the install result that the last start uses; empty when it needs none, null when that is not known.</summary>
    public string? InstalledFrom
    {
        get => File.Exists(InstallMark) ? File.ReadAllText(InstallMark) : null;
        set => File.WriteAllText(InstallMark, value);
    }

    /// <summary>
    /// Second name of the bridge's socket. The workload can replace the one in <see cref="Run"/>, for example by a link to another
    /// workload's socket; this one it cannot reach.
    /// </summary>
    public string Socket => Path.Combine(Root, "bridge.sock");
    private string StateFile => Path.Combine(Root, "state.json");
    private string NumbersFile => Path.Combine(Root, "numbers.json");

    /// <summary>What a container's run is known by; there only while the workload is one.</summary>
    public string ContainerFile => Path.Combine(Root, "container.json");
    public bool IsContainer => File.Exists(ContainerFile);

    public void Make()
    {
        foreach (var folder in (string[])[Root, Run, Logs, App, Home, Tmp]) Directory.CreateDirectory(folder, OwnerOnly);
    }

    /// <summary>Empties what does not outlive a run.</summary>
    public void Clean()
    {
        Delete(Run);
        Delete(Tmp);
        foreach (var file in (string[])[Socket, StateFile, StateFile + ".new", ContainerFile]) File.Delete(file);
    }

    public WorkloadState? Load() => Read<WorkloadState>(StateFile);
    public void Save(WorkloadState state) => Write(StateFile, state);
    public void Forget()
    {
        if (Directory.Exists(Root)) File.Delete(StateFile);
    }

    public WorkloadNumbers? Numbers => Read<WorkloadNumbers>(NumbersFile);
    public void SaveNumbers(WorkloadNumbers numbers) => Write(NumbersFile, numbers);

    /// <summary>Number of the next run and of its first log line. The log is the workload's to write, so what it says is believed within bounds only.</summary>
    public (int Run, long First) NextRun(TimeProvider time)
    {
        const long mostLines = 1_000_000_000;
        if (Numbers is not { } last) return (1, 1);
        var written = new LogFiles(this, time).LastNumber(last.Run);
        return (last.Run + 1, written < last.FirstLine ? last.FirstLine : written > last.FirstLine + mostLines ? last.FirstLine + mostLines : written + 1);
    }

    /// <summary>Makes the folder that a command starts in.</summary>
    public void MakeHome(string? relative)
    {
        if (Path.IsPathRooted(relative)) return; // in a volume
        var path = Home;
        foreach (var part in (relative ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            path = Path.Combine(path, part);
            if (new FileInfo(path).LinkTarget is not null) return; // the workload's own doing: inside it leads where it leads
            Directory.CreateDirectory(path);
        }
    }

    /// <summary>Gives the bridge's socket its second name, once it is there. A link in its place is not followed, and anything but a socket is refused.</summary>
    public bool LinkSocket()
    {
        var made = Path.Combine(Run, "bridge.sock");
        if (!File.Exists(made)) return false;
        File.Delete(Socket);
        if (Linux.HardLink(made, Socket) != 0) return false;
        if (new FileInfo(Socket).LinkTarget is null && Linux.IsSocket(Socket)) return true;
        File.Delete(Socket);
        return false;
    }

    public ContainerState? LoadContainer() => Read<ContainerState>(ContainerFile);
    public void Save(ContainerState state) => Write(ContainerFile, state);

    /// <summary>Removes the folder; of the logs only when they are to go as well.</summary>
    public void Remove(bool purge)
    {
        if (!Directory.Exists(Root)) return;
        if (!purge)
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(Root).Where(e => e != Logs && e != NumbersFile).ToList()) Delete(entry);
            return;
        }
        Delete(Root);
    }

    /// <summary>Deletes a file or folder, also when folders in it were made unwritable. Links are never followed.</summary>
    public static void Delete(string path)
    {
        if (!Directory.Exists(path) || new DirectoryInfo(path).LinkTarget is not null)
        {
            if (Directory.Exists(Path.GetDirectoryName(path))) File.Delete(path);
            return;
        }
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (UnauthorizedAccessException)
        {
            var all = new EnumerationOptions { RecurseSubdirectories = false, AttributesToSkip = 0, IgnoreInaccessible = false };
            void Open(string folder)
            {
                File.SetUnixFileMode(folder, OwnerOnly);
                foreach (var below in Directory.EnumerateDirectories(folder, "*", all).Where(d => new DirectoryInfo(d).LinkTarget is null)) Open(below);
            }
            Open(path);
            Directory.Delete(path, recursive: true);
        }
    }

    private static T? Read<T>(string file) where T : class
    {
        try
        {
            return File.Exists(file) ? JsonSerializer.Deserialize<T>(File.ReadAllBytes(file)) : null;
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    private static void Write<T>(string file, T value)
    {
        WritePrivate(file + ".new", JsonSerializer.SerializeToUtf8Bytes(value));
        File.Move(file + ".new", file, overwrite: true);
    }

    /// <summary>Writes a file that only its owner may read.</summary>
    public static void WritePrivate(string file, byte[] content)
    {
        File.Delete(file);
        using var stream = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        stream.Write(content);
    }
}
