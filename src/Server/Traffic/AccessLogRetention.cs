using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Deletes records, payloads, counts and minutes of use that are older than the settings ask to keep, and makes hours of old minutes; all in small steps that let others write in between.</summary>
internal sealed partial class AccessLogRetention(IDbContextFactory<McpCanDb> databases, McpCanOptions options, TimeProvider time, ILogger<AccessLogRetention> logger) : BackgroundService
{
    private const int Chunk = 2000;
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>One run; the result is the number of records that were deleted.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var (records, payloads) = (now.AddDays(-options.AccessLogDays), now.AddDays(-Math.Min(options.PayloadDays, options.AccessLogDays)));
        var counts = now.AddDays(-options.TrafficDays).UtcTicks / TimeSpan.TicksPerMinute;
        await DeleteAsync(db => db.AccessPayloads.Where(p => db.AccessPayloads.Where(o => o.Time < payloads).OrderBy(o => o.Time).Select(o => o.Id).Take(Chunk / 10).Contains(p.Id)), Chunk / 10, cancellationToken);
        await DeleteAsync(db => db.Usage.Where(u => u.Minute < counts), int.MaxValue, cancellationToken);
        await FoldUsageAsync(now.AddDays(-options.TrafficMinuteDays).UtcTicks / TimeSpan.TicksPerHour * 60, cancellationToken);
        await DeleteHoursAsync(counts, cancellationToken);
        await FoldAsync(now.AddDays(-options.TrafficMinuteDays).UtcTicks / TimeSpan.TicksPerHour * 60, cancellationToken);
        return await DeleteAsync(db => db.AccessLog.Where(r => db.AccessLog.Where(o => o.Time < records).OrderBy(o => o.Time).Select(o => o.Id).Take(Chunk).Contains(r.Id)), Chunk, cancellationToken);
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

    private async Task<int> DeleteAsync<T>(Func<McpCanDb, IQueryable<T>> oldest, int chunk, CancellationToken cancellationToken)
    {
        for (var total = 0; ; await Task.Delay(Pause, time, cancellationToken))
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var deleted = await oldest(db).ExecuteDeleteAsync(cancellationToken);
            total += deleted;
            if (deleted < chunk) return total;
        }
    }

    private async Task DeleteHoursAsync(long before, CancellationToken cancellationToken)
    {
        for (; ; await Task.Delay(Pause, time, cancellationToken))
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            if (await db.Traffic.Where(c => c.Minute < before).MinAsync(c => (long?)c.Minute, cancellationToken) is not { } oldest) return;
            var end = Math.Min(before, oldest + 60);
            await db.Traffic.Where(c => c.Minute >= oldest && c.Minute < end).ExecuteDeleteAsync(cancellationToken);
        }
    }

    /// <summary>Whole hours before <paramref name="before"/> (a whole hour in minutes), oldest first.</summary>
    private async Task FoldAsync(long before, CancellationToken cancellationToken)
    {
        for (; ; await Task.Delay(Pause, time, cancellationToken))
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            if (await db.Traffic.Where(c => c.Minute < before && c.Minute % 60 != 0).MinAsync(c => (long?)c.Minute, cancellationToken) is not { } oldest) return;
            await TrafficTable.FoldAsync(db, oldest / 60 * 60, cancellationToken);
        }
    }

    private async Task FoldUsageAsync(long before, CancellationToken cancellationToken)
    {
        for (; ; await Task.Delay(Pause, time, cancellationToken))
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            if (await db.Usage.Where(u => u.Minute < before && u.Minute % 60 != 0).MinAsync(u => (long?)u.Minute, cancellationToken) is not { } oldest) return;
            await UsageTable.FoldAsync(db, oldest / 60 * 60, cancellationToken);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "{Count} old access records were deleted")]
    private partial void LogDeleted(int count);

    [LoggerMessage(2, LogLevel.Warning, "Old access records could not be deleted; tried again in an hour")]
    private partial void LogFailed(Exception exception);
}
