using McpCan.Server.Instances;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>The one MCP session of a page: made when needed, closed when unused for a while, and with the page.</summary>
internal sealed class PlaygroundConnection : IAsyncDisposable
{
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(10);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _gone = new();
    private PlaygroundSession? _session;
    private CancellationTokenSource? _idle;

    public async Task<PlaygroundSession> GetAsync(Func<CancellationToken, Task<PlaygroundSession>> open, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            _session ??= await open(cancellationToken);
            StartIdle();
            return _session;
        }
        finally
        {
            _gate.Release();
        }
    }

    public async Task CloseAsync()
    {
        await _gate.WaitAsync();
        try
        {
            if (_session is { } session) await session.DisposeAsync();
            _session = null;
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _gone.CancelAsync();
        await CloseAsync();
        _idle?.Dispose();
        _gone.Dispose();
        _gate.Dispose();
    }

    // A call lasts ten minutes at the most, and each use begins the time anew.
    private void StartIdle()
    {
        _idle?.Cancel();
        _idle?.Dispose();
        _idle = CancellationTokenSource.CreateLinkedTokenSource(_gone.Token);
        _ = CloseLaterAsync(_idle.Token);
    }

    private async Task CloseLaterAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(IdleLimit, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!cancellationToken.IsCancellationRequested) await CloseAsync();
    }
}
