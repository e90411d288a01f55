using System.Runtime.InteropServices;

namespace McpCan.Bridge;

/// <summary>
/// Collects the exit of every child, also of orphans that the kernel hands to us as subreaper. The only place that
/// waits for processes; <see cref="System.Diagnostics.Process"/> is used nowhere in this program.
/// </summary>
sealed class Reaper : IDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<int, TaskCompletionSource<int>> waiting = [];
    readonly PosixSignalRegistration registration;

    public Reaper()
    {
        if (!OperatingSystem.IsLinux()) throw new PlatformNotSupportedException("mcpcan-bridge needs Linux");
        Native.ProcessControl(Native.SetChildSubreaper, 1, 0, 0, 0);
        registration = PosixSignalRegistration.Create(PosixSignal.SIGCHLD, context =>
        {
            context.Cancel = true;
            Collect();
        });
    }

    /// <summary>Starts a process; the task gives its wait status.</summary>
    public (int Pid, Task<int> Exited) Start(Func<int> spawn)
    {
        lock (gate)
        {
            var pid = spawn();
            var exited = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting[pid] = exited;
            return (pid, exited.Task);
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

    public void Dispose() => registration.Dispose();
}
