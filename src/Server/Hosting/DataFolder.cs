namespace McpCan.Server.Hosting;

/// <summary>Where things lie on disk. Only this program's user may look inside.</summary>
public sealed class DataFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private FileStream? _lock;

    /// <summary>Makes the folders that are missing.</summary>
    public DataFolder(string root)
    {
        Root = Path.GetFullPath(root);
        try
        {
            Make(Root);
            Packages = Make(Path.Combine(Root, "packages"));
            Workloads = Make(Path.Combine(Root, "workloads"));
            Cache = Make(Path.Combine(Root, "cache"));
            Temporary = Make(Path.Combine(Root, "tmp"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"The data folder {Root} cannot be used: {e.Message} Choose another with --data or MCPCAN_DATA.", e);
        }
    }

    /// <summary>The folder itself, absolute.</summary>
    public string Root { get; }
    /// <summary>SQLite file.</summary>
    public string DatabaseFile => Path.Combine(Root, "mcpcan.db");
    /// <summary>Uploaded archives.</summary>
    public string Packages { get; }
    /// <summary>One folder per workload.</summary>
    public string Workloads { get; }
    /// <summary>What can be made again.</summary>
    public string Cache { get; }
    /// <summary>For files on their way to another place of this folder.</summary>
    public string Temporary { get; }

    /// <summary>Names the folder itself: processes that have the same one see the same workloads.</summary>
    public string NodeId => field ??= ReadNodeId();

    /// <summary>Keeps a second server out until this one ends, however it ends.</summary>
    /// <param name="shared">Servers that share a PostgreSQL database may share the folder as well, but not with one on SQLite.</param>
    public void Lock(bool shared = false)
    {
        _lock = TryLock("server.lock", shared)
            ?? throw new StartException($"Another MCPCAN server uses the data folder {Root}. Stop it first, or choose another folder with --data or MCPCAN_DATA.{(shared ? "" : " Several servers on one folder need PostgreSQL.")}");
    }

    /// <summary>Takes a lock of its own file, or null while somebody else holds it. The system frees it when the holder dies.</summary>
    internal FileStream? TryLock(string name, bool shared = false)
    {
        try
        {
            return new FileStream(Path.Combine(Root, name), FileMode.OpenOrCreate, FileAccess.ReadWrite, shared ? FileShare.ReadWrite : FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new StartException($"The data folder {Root} is not writable: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock?.Dispose();

    private string ReadNodeId()
    {
        var file = Path.Combine(Root, "node-id");
        var made = $"{file}.{Guid.NewGuid():N}";
        if (!File.Exists(file))
        {
            File.WriteAllText(made, Ids.New("n"));
            try
            {
                File.Move(made, file); // whole or not at all, and never over that of another process
            }
            catch (IOException) when (File.Exists(file))
            {
                File.Delete(made);
            }
        }
        return File.ReadAllText(file).Trim();
    }

    private static string Make(string path)
    {
        if (OperatingSystem.IsWindows()) return Directory.CreateDirectory(path).FullName;
        Directory.CreateDirectory(path, OwnerOnly);
        File.SetUnixFileMode(path, OwnerOnly);
        return path;
    }
}
