using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Deletes access records that are older than the settings ask to keep, in small steps that let others write in between.</summary>
internal sealed partial class AccessLogRetention(IDbContextFactory<McpCanDb> databases, McpCanOptions options, TimeProvider time, ILogger<AccessLogRetention> logger) : BackgroundService
{
    private const int Chunk = 2000;
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>One run; the result is the number of records that were deleted.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var oldest = time.GetUtcNow().AddDays(-options.AccessLogDays);
        for (var total = 0; ; await Task.Delay(Pause, time, cancellationToken))
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var deleted = await db.AccessLog.Where(r => db.AccessLog.Where(o => o.Time < oldest).OrderBy(o => o.Time).Select(o => o.Id).Take(Chunk).Contains(r.Id)).ExecuteDeleteAsync(cancellationToken);
            total += deleted;
            if (deleted < Chunk) return total;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            try
            {
                if (await RunAsync(stoppingToken) is var deleted and > 0) LogDeleted(deleted);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(1, LogLevel.Information, "{Count} old access records were deleted")]
    private partial void LogDeleted(int count);

    [LoggerMessage(2, LogLevel.Warning, "Old access records could not be deleted; tried again in an hour")]
    private partial void LogFailed(Exception exception);
}
