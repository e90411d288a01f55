using System.Collections;
using System.Security.Cryptography;

namespace McpCan.Bridge;

/// <summary>All that the server processes of one bridge have in common.</summary>
sealed class ChildHost(BridgeConfig config, BridgeLog log, TimeProvider time) : IDisposable
{
    /// <summary>A setting of .NET for this process alone; servers do not inherit it.</summary>
    public const string InlineSockets = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    readonly Lock gate = new();
    readonly HashSet<ChildProcess> children = [];
    readonly SemaphoreSlim sweeping = new(1);
    readonly List<(string Mark, int Pid)> toSweep = [];
    readonly string mark = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
    int lastChild;

    public BridgeConfig Config => config;
    public BridgeLog Log => log;
    public TimeProvider Time => time;
    public Reaper Reaper { get; } = new();
    public StderrPump Stderr { get; } = new();
    public ServerExit? LastExit { get; private set; }
    public int Restarts { get; private set; }
    /// <summary>Starts in a row that ended before the server answered anything.</summary>
    public int FailedStarts { get; private set; }

    /// <summary>A server ended without being asked to.</summary>
    public Action? ServerCrashed { get; set; }

    public int Count
    {
        get
        {
            lock (gate) return children.Count;
        }
    }

    public void StartGuard() => Guard.Start(mark + ".");

    /// <summary>Starts a server. Throws <see cref="IOException"/> when it cannot be started.</summary>
    public ChildProcess Start(bool isProbe = false)
    {
        var child = new ChildProcess(this, $"{mark}.{Interlocked.Increment(ref lastChild)};", isProbe);
        lock (gate)
        {
            if (!child.Ended.IsCompleted) children.Add(child);
        }
        _ = Forget(child);
        return child;
    }

    async Task Forget(ChildProcess child)
    {
        await child.Ended;
        lock (gate) children.Remove(child);
        child.Dispose();
    }

    public void OnExit(ChildProcess child)
    {
        if (!child.Crashed || child.IsProbe) return;
        LastExit = child.Exit;
        Restarts++;
        FailedStarts++;
        log.Bridge("error", child.Exit!.Explain());
        ServerCrashed?.Invoke();
    }

    public void OnCannotStart(string reason)
    {
        LastExit = new(null, null, time.GetUtcNow(), [reason]);
        FailedStarts++;
        log.Bridge("error", reason);
    }

    public void OnAnswered() => FailedStarts = 0;

    /// <summary>Our own environment, then the configured one, then the mark.</summary>
    public IEnumerable<string> Variables(string childMark)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (!config.Environment.ContainsKey(name) && name is not (ProcessTree.Mark or InlineSockets)) yield return $"{name}={variable.Value}";
        }
        foreach (var (name, value) in config.Environment) yield return $"{name}={value}";
        yield return $"{ProcessTree.Mark}={childMark}";
    }

    /// <summary>The command with its program found by the PATH that the server itself will see.</summary>
    public string[] Command()
    {
        var program = config.Command[0];
        if (program.Contains('/') || !config.Environment.TryGetValue("PATH", out var path)) return config.Command;
        var found = path.Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        return found is null ? config.Command : [found, .. config.Command[1..]];
    }

    /// <summary>Ends what an exited server left behind; servers that end together share one look at the processes.</summary>
    public async Task SweepAsync(string childMark, int pid)
    {
        lock (gate) toSweep.Add((childMark, pid));
        await sweeping.WaitAsync();
        try
        {
            (string Mark, int Pid)[] now;
            lock (gate)
            {
                now = [.. toSweep];
                toSweep.Clear();
            }
            if (now.Length > 0) ProcessTree.Kill([.. now.Select(n => n.Mark)], [.. now.Select(n => n.Pid)]);
        }
        finally
        {
            sweeping.Release();
        }
    }

    public void Dispose()
    {
        Reaper.Dispose();
        sweeping.Dispose();
    }

    /// <summary>Stops all servers and waits until nothing is left of them.</summary>
    public async Task StopAllAsync()
    {
        ChildProcess[] all;
        lock (gate) all = [.. children];
        foreach (var child in all) child.Stop();
        await Task.WhenAny(Task.WhenAll(all.Select(child => child.Ended)), Task.Delay(TimeSpan.FromSeconds(8)));
        ProcessTree.Kill([mark + "."], []);
    }
}
