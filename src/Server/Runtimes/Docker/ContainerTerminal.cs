using Docker.DotNet;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>A command in a container, with its pseudo-terminal kept by the engine.</summary>
internal sealed class ContainerTerminal(Engine engine, string container, string exec, string mark, MultiplexedStream stream) : ITerminal
{
    /// <summary>The variable that names what a terminal started; the engine's API ends no command, so another one does.</summary>
    public const string Mark = "MCPCAN_TERMINAL";

    private const string KillMarked = """cd /proc && for p in [0-9]*; do if [ "$p" != $$ ] && grep -qz "^MCPCAN_TERMINAL=$0$" "$p/environ" 2>/dev/null; then kill -9 "$p" 2>/dev/null; fi; done; true""";
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);
    private readonly TaskCompletionSource<int?> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _writing = new(1, 1);
    private int _ended;

    public Task<int?> Exit => _exit.Task;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted) return 0;
        var piece = new byte[buffer.Length];
        try
        {
            var read = await stream.ReadOutputAsync(piece, 0, piece.Length, cancellationToken);
            if (!read.EOF)
            {
                piece.AsSpan(0, read.Count).CopyTo(buffer.Span);
                return read.Count;
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException || EngineClient.IsUnreachable(e, cancellationToken))
        {
            // The container is gone, or the engine; either way nothing comes any more.
        }
        await EndAsync();
        return 0;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            if (!_exit.Task.IsCompleted) await stream.WriteAsync(bytes.ToArray(), 0, bytes.Length, cancellationToken);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException || EngineClient.IsUnreachable(e, cancellationToken))
        {
            // the reader says that it has ended
        }
        finally
        {
            _writing.Release();
        }
    }

    public Task ResizeAsync(int columns, int rows, CancellationToken cancellationToken) => engine.ResizeAsync(exec, columns, rows, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        stream.Dispose();
        _writing.Dispose();
    }

    /// <summary>Once: what the command left is ended, and its exit code read.</summary>
    private async Task EndAsync()
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0) return;
        using var limit = new CancellationTokenSource(EndLimit);
        int? code = null;
        try
        {
            code = await engine.ExitOfAsync(exec, limit.Token);
            await engine.RunAsync(container, ["/bin/sh", "-c", KillMarked, mark], limit.Token);
        }
        catch (Exception e) when (e is IOException || EngineClient.IsUnreachable(e, CancellationToken.None))
        {
            // It ends with the container.
        }
        finally
        {
            _exit.TrySetResult(code);
        }
    }
}
