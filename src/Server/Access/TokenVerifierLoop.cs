using System.Data.Common;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>Loads the tokens before the server listens, follows changes of other processes, and stores last uses in batches.</summary>
internal sealed partial class TokenVerifierLoop(TokenVerifier verifier, News news, TimeProvider time, ILogger<TokenVerifierLoop> logger) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1), FlushEvery = TimeSpan.FromSeconds(5);
    private readonly Bell _told = new();

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await verifier.LoadAsync(cancellationToken);
        news.On(TokenVerifier.Topic, _ => _told.Ring());
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryAsync(verifier.FlushUsesAsync, cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var flushed = time.GetTimestamp();
        try
        {
            while (true)
            {
                await _told.WaitAsync(Every, stoppingToken);
                await TryAsync(verifier.RefreshAsync, stoppingToken);
                if (time.GetElapsedTime(flushed) < FlushEvery) continue;
                await TryAsync(verifier.FlushUsesAsync, stoppingToken);
                flushed = time.GetTimestamp();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    public override void Dispose()
    {
        _told.Dispose();
        base.Dispose();
    }

    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        try
        {
            await work(cancellationToken);
        }
        catch (Exception e) when (e is DbException or DbUpdateException or TimeoutException or InvalidOperationException)
        {
            LogFailed(e);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Tokens could not be read or their last use not be stored; trying again")]
    private partial void LogFailed(Exception exception);
}
