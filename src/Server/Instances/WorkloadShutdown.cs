using System.Runtime.InteropServices;

namespace McpCan.Server.Instances;

/// <summary>
/// Decides what becomes of the servers when the platform stops. SIGINT (Ctrl-C, a person at the terminal) ends them,
/// and the next start starts them again. SIGTERM leaves them running: an upgrade keeps the clients' sessions.
/// </summary>
public sealed class WorkloadShutdown : IDisposable
{
    private readonly PosixSignalRegistration _interrupt;
    private volatile bool _end;

    /// <summary>Listens for SIGINT from now on.</summary>
    public WorkloadShutdown() => _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => _end = true);

    /// <summary>Ends the servers with the platform, however it is stopped.</summary>
    public bool EndWorkloads { get => _end; set => _end = value; }

    /// <inheritdoc/>
    public void Dispose() => _interrupt.Dispose();

    internal async Task<bool> AsksForEndAsync()
    {
        // The host may hear the signal before we do.
        for (var i = 0; i < 5 && !_end; i++) await Task.Delay(20);
        return _end;
    }
}
