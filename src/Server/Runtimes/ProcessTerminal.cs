using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace McpCan.Server.Runtimes;

/// <summary>The server's end of a pseudo-terminal, and the process at the other one.</summary>
internal sealed class ProcessTerminal : ITerminal
{
    private readonly PseudoTerminal _ends;
    private readonly Process _process;
    private readonly string _mark;
    private readonly Task<int?> _exit;

    public ProcessTerminal(PseudoTerminal ends, Process process, string mark)
    {
        (_ends, _process, _mark) = (ends, process, mark);
        _exit = EndAsync();
    }

    public Task<int?> Exit => _exit;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Linux.Read(_ends.Ours, buffer.Span) is { } count) return count;
            // Nothing there yet. The wait is a thread's own, so that idle terminals do not hold those of the pool.
            await Task.Factory.StartNew(() => Linux.WaitReadable(_ends.Ours, 1000), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0 && !_exit.IsCompleted)
        {
            if (Linux.Write(_ends.Ours, bytes.Span) is { } count) bytes = count == 0 ? default : bytes[count..]; // 0: it has ended, and the reader says so
            else await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken); // the program does not read what is typed
        }
    }

    public Task ResizeAsync(int columns, int rows, CancellationToken cancellationToken)
    {
        _ends.Resize(columns, rows);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        await _exit;
        _ends.Dispose();
        _process.Dispose();
    }

    private async Task<int?> EndAsync()
    {
        await _process.WaitForExitAsync();
        await SandboxHost.EndAsync(_mark, []); // what went into the background
        _ends.Theirs.Dispose();
        return _process.ExitCode;
    }

    private Task KillAsync()
    {
        if (_exit.IsCompleted) return Task.CompletedTask;
        foreach (var entry in ProcessTable.Trees(_process.Id)) new ProcessRef(entry.Pid, entry.Ticks).Signal(Linux.SigKill);
        return SandboxHost.EndAsync(_mark, []);
    }
}

/// <summary>Both ends of a pseudo-terminal. Theirs stays open here until the process is gone, so that its last words can be read.</summary>
internal sealed class PseudoTerminal : IDisposable
{
    public required SafeFileHandle Ours { get; init; }
    public required SafeFileHandle Theirs { get; init; }
    public required string Path { get; init; }

    public static PseudoTerminal Open(int columns, int rows)
    {
        var (ours, number) = Linux.OpenTerminal();
        var handle = new SafeFileHandle(ours, ownsHandle: true);
        try
        {
            var path = $"/dev/pts/{number}";
            var theirs = Linux.OpenTerminalEnd(path);
            if (theirs < 0) throw new IOException($"The pseudo-terminal {path} cannot be opened.");
            var terminal = new PseudoTerminal { Ours = handle, Theirs = new SafeFileHandle(theirs, ownsHandle: true), Path = path };
            terminal.Resize(columns, rows);
            return terminal;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public void Resize(int columns, int rows)
    {
        var added = false;
        try
        {
            Ours.DangerousAddRef(ref added);
            Linux.ResizeTerminal((int)Ours.DangerousGetHandle(), columns, rows);
        }
        catch (ObjectDisposedException)
        {
            // it has ended
        }
        finally
        {
            if (added) Ours.DangerousRelease();
        }
    }

    public void Dispose()
    {
        Theirs.Dispose();
        Ours.Dispose();
    }
}
