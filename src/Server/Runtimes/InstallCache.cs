using System.Collections.Concurrent;

namespace McpCan.Server.Runtimes;

/// <summary>
/// What installs left in the data folder: a result for each key in <c>cache/install</c>, and what the package managers downloaded in
/// <c>cache/{npm,pip,uv}</c> and, of containers, <c>cache/containers</c>. There is one for a data folder, so that nothing is removed under an install.
/// </summary>
internal sealed class InstallCache
{
    private static readonly ConcurrentDictionary<string, InstallCache> Known = new(StringComparer.Ordinal);
    private static readonly string[] Managers = ["npm", "pip", "uv"];
    private static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _busy = new(StringComparer.Ordinal);
    private readonly string _data;
    private readonly Lock _gate = new();
    private int _installs;

    private InstallCache(string data) => _data = data;

    private string Results => Path.Combine(_data, "cache", "install");

    private IEnumerable<string> Downloads => ((string[])["cache", Path.Combine("cache", "containers")]).SelectMany(f => Managers.Select(m => Path.Combine(_data, f, m)));

    public static InstallCache Of(string data) => Known.GetOrAdd(Path.GetFullPath(data), d => new(d));

    public string Result(string key) => Path.Combine(Results, key);

    /// <summary>A new name beside the results, for what may become one. One that is left behind by a kill goes with the next cleaning.</summary>
    public string Staging()
    {
        Directory.CreateDirectory(Results);
        return Path.Combine(Results, $"{Guid.NewGuid():N}.new");
    }

    /// <summary>Says that the result is complete.</summary>
    public static string Mark(string result) => Path.Combine(result, "complete");

    /// <summary>Keeps others from the result of the key until it is disposed.</summary>
    public async Task<IDisposable> HoldAsync(string key, CancellationToken cancellationToken)
    {
        var gate = _busy.GetOrAdd(key, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken);
        return new Held(() => gate.Release());
    }

    /// <summary>Keeps what was downloaded until it is disposed.</summary>
    public IDisposable Installing()
    {
        lock (_gate) _installs++;
        return new Held(() =>
        {
            lock (_gate) _installs--;
        });
    }

    /// <summary>
    /// Removes results that no workload was started from last and that are older than <paramref name="keep"/>; then, while all is larger than
    /// <paramref name="most"/> bytes, more of them, the one unused for longest first, and at last the downloads. What is removed can be made again.
    /// </summary>
    /// <returns>How many results were removed, and the bytes that were freed.</returns>
    public (int Results, long Bytes) Clean(TimeSpan keep, long most, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var found = Directory.Exists(Results) ? new DirectoryInfo(Results).GetDirectories() : [];
        foreach (var torn in found.Where(f => IsTorn(f.Name)).Select(f => f.FullName).Concat(Downloads.Select(d => d + Torn).Where(Directory.Exists))) WorkloadFolder.Delete(torn); // an earlier removal was cut off
        var sizes = found.Where(f => !IsTorn(f.Name)).Select(f => (f.Name, Bytes: Size(f.FullName, cancellationToken))).ToList();
        var (removed, freed) = (0, 0L);
        var (total, downloaded) = (sizes.Sum(s => s.Bytes), Downloads.Sum(d => Size(d, cancellationToken)));
        if (Used() is { } used)
        {
            foreach (var (key, bytes) in sizes.Where(s => !used.Contains(s.Name)).OrderBy(s => LastUse(s.Name)).ToList())
            {
                cancellationToken.ThrowIfCancellationRequested();
                var age = now - LastUse(key);
                var complete = File.Exists(Mark(Result(key)));
                if (complete ? age < keep && total + downloaded - freed <= most : age < Abandoned) continue;
                if (!Remove(key)) continue;
                (removed, freed) = (removed + 1, freed + bytes);
            }
        }
        if (total + downloaded - freed > most && RemoveDownloads()) freed += downloaded;
        return (removed, freed);
    }

    /// <summary>The keys that workloads were last started from; null when one runs that does not say.</summary>
    private HashSet<string>? Used()
    {
        var workloads = Path.Combine(_data, "workloads");
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var folder in Directory.Exists(workloads) ? Directory.GetDirectories(workloads).Select(f => new WorkloadFolder(f)) : [])
        {
            if (folder.InstalledFrom is { } key) used.Add(key);
            else if (folder.Load() is not null || folder.IsContainer) return null; // started by an earlier version
        }
        return used;
    }

    private DateTimeOffset LastUse(string key)
    {
        var mark = Mark(Result(key));
        return File.Exists(mark) ? File.GetLastWriteTimeUtc(mark) : Directory.GetLastWriteTimeUtc(Result(key));
    }

    private bool Remove(string key)
    {
        var gate = _busy.GetOrAdd(key, _ => new SemaphoreSlim(1));
        if (!gate.Wait(0)) return false;
        try
        {
            // Since we looked, a start may have come upon it.
            if (Used()?.Contains(key) != false) return false;
            return MoveAndDelete(Result(key));
        }
        finally
        {
            gate.Release();
        }
    }

    private bool RemoveDownloads()
    {
        List<string> moved = [];
        lock (_gate)
        {
            if (_installs > 0) return false;
            foreach (var folder in Downloads.Where(Directory.Exists))
            {
                moved.Add(folder + Torn);
                WorkloadFolder.Delete(moved[^1]);
                Directory.Move(folder, moved[^1]);
            }
        }
        moved.ForEach(WorkloadFolder.Delete);
        return moved.Count > 0;
    }

    private const string Torn = ".removed";

    private static bool IsTorn(string name) => name.EndsWith(Torn, StringComparison.Ordinal);

    // Renamed first: half of a result must never pass for a whole one.
    private static bool MoveAndDelete(string folder)
    {
        if (!Directory.Exists(folder)) return false;
        Directory.Move(folder, folder + Torn);
        WorkloadFolder.Delete(folder + Torn);
        return true;
    }

    private static long Size(string folder, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder)) return 0;
        var total = 0L;
        try
        {
            // What installs wrote is not trusted: links are not followed.
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true }))
            {
                cancellationToken.ThrowIfCancellationRequested();
                total += file.Length;
            }
        }
        catch (DirectoryNotFoundException)
        {
            // an install is at work in it; next time
        }
        return total;
    }

    private sealed class Held(Action release) : IDisposable
    {
        public void Dispose() => release();
    }
}
