namespace McpCan.Bridge;

/// <summary>
/// Collects the exit of every child, also of orphans that the kernel hands to us as subreaper or as first process of a
/// pid namespace. The only place that waits for processes; <see cref="System.Diagnostics.Process"/> is used nowhere in this
/// program. A thread waits, not a handler of SIGCHLD: as first process .NET's own handler would collect the exits before ours.
/// </summary>
sealed class Reaper : IDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<int, TaskCompletionSource<int>> waiting = [];
    readonly SemaphoreSlim spawned = new(0);
    volatile bool disposed;

    public Reaper()
    {
        if (!OperatingSystem.IsLinux()) throw new PlatformNotSupportedException("mcpcan-bridge needs Linux");
        Native.ProcessControl(Native.SetChildSubreaper, 1, 0, 0, 0);
        new Thread(Run) { IsBackground = true, Name = "reaper" }.Start();
    }

    /// <summary>Starts a process; the task gives its wait status.</summary>
    public (int Pid, Task<int> Exited) Start(Func<int> spawn)
    {
        lock (gate)
        {
            Native.SetSignal(Native.SigChild, 0);
            var pid = spawn();
            var exited = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting[pid] = exited;
            spawned.Release();
            return (pid, exited.Task);
        }
    }

    void Run()
    {
        while (!disposed)
        {
            // Without a child there is no orphan either: the next one comes by a start.
            if (Native.AwaitAnyExit() < 0) spawned.Wait(TimeSpan.FromSeconds(1));
            Collect();
        }
    }

    void Collect()
    {
        lock (gate)
        {
            for (int pid; (pid = Native.WaitPid(-1, out var status, Native.NoHang)) > 0;)
            {
                if (waiting.Remove(pid, out var exited)) exited.TrySetResult(status);
            }
        }
    }

    public void Dispose() => disposed = true;
}
