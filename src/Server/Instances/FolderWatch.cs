using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>Tells that files in folders have changed: when they have been quiet for a moment, and at the latest some seconds after the first change.</summary>
internal sealed class FolderWatch : IDisposable
{
    private const int MostFolders = 10_000;
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(500), Longest = TimeSpan.FromSeconds(5);
    // What tools write there is not code that a person edits.
    private static readonly string[] Ignored = [".git", "node_modules", "__pycache__", ".venv", "venv", ".pytest_cache", ".mypy_cache"];
    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private (long At, string File)? _first;

    private FolderWatch(Action<string> changed, TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(_ =>
        {
            if (Take() is { } file) changed(file);
        }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Begins to watch.</summary>
    /// <param name="folders">The folders, with all that is below.</param>
    /// <param name="changed">Told the first file of each row of changes.</param>
    /// <param name="failed">Told why changes are not seen any more.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="IOException">They cannot be watched.</exception>
    public static FolderWatch Start(IEnumerable<string> folders, Action<string> changed, Action<string> failed, TimeProvider time)
    {
        var watch = new FolderWatch(changed, time);
        try
        {
            foreach (var folder in folders) watch.Add(folder, failed);
            return watch;
        }
        catch
        {
            watch.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var watcher in _watchers) watcher.Dispose();
        _timer.Dispose();
    }

    private void Add(string folder, Action<string> failed)
    {
        // Each folder below costs a watch of the kernel, whose number is limited for all programs of a user together.
        var below = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        if (Directory.EnumerateDirectories(folder, "*", below).Take(MostFolders).Count() == MostFolders)
            throw new IOException($"'{folder}' has {MostFolders} folders or more, which is too many to watch. Choose a folder with less in it.");
        var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true, NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite };
        _watchers.Add(watcher);
        watcher.Changed += (_, e) => See(e.Name);
        watcher.Created += (_, e) => See(e.Name);
        watcher.Deleted += (_, e) => See(e.Name);
        watcher.Renamed += (_, e) => See(e.Name);
        watcher.Error += (_, e) =>
        {
            if (e.GetException() is InternalBufferOverflowException) See("");
            else failed($"Changes in '{folder}' are not seen any more: {e.GetException().Message}");
        };
        watcher.EnableRaisingEvents = true;
    }

    private void See(string? file)
    {
        if (file is null || file.Split('/').Any(part => Ignored.Contains(part, StringComparer.Ordinal))) return;
        lock (_lock)
        {
            var first = _first ??= (_time.GetTimestamp(), file);
            var left = Longest - _time.GetElapsedTime(first.At);
            _timer.Change(left <= TimeSpan.Zero ? TimeSpan.Zero : left < Quiet ? left : Quiet, Timeout.InfiniteTimeSpan);
        }
    }

    private string? Take()
    {
        lock (_lock)
        {
            var file = _first?.File;
            _first = null;
            return file;
        }
    }
}
