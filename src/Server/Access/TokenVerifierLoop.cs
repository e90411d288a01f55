using System.Data.Common;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>Loads the tokens before the server listens, follows changes of other processes, and stores last uses in batches.</summary>
internal sealed partial class TokenVerifierLoop(TokenVerifier verifier, TimeProvider time, ILogger<TokenVerifierLoop> logger) : BackgroundService
{
    private const int RoundsPerFlush = 5;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await verifier.LoadAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryAsync(verifier.FlushUsesAsync, cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        try
        {
            for (var round = 1; await timer.WaitForNextTickAsync(stoppingToken); round++)
            {
                await TryAsync(verifier.RefreshAsync, stoppingToken);
                if (round % RoundsPerFlush == 0) await TryAsync(verifier.FlushUsesAsync, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
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
