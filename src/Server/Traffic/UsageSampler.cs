using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Looks at what all workloads use, now and then, in the process that leads, and adds it to the minutes.</summary>
internal sealed partial class UsageSampler(
    EnvironmentMap environments, IDbContextFactory<McpCanDb> databases, LeaderLease lease, TimeProvider time, ILogger<UsageSampler> logger) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(15);
    private Dictionary<string, Seen> _last = [];

    /// <summary>One look at all workloads.</summary>
    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        var seen = new Dictionary<string, Seen>();
        foreach (var runtime in environments.All.Values)
        {
            try
            {
                foreach (var workload in await runtime.ListAsync(cancellationToken))
                {
                    if (await runtime.GetUsageAsync(workload.InstanceId, cancellationToken) is { } usage) seen[workload.InstanceId] = new(workload.Run, time.GetTimestamp(), usage);
                }
            }
            catch (IOException e)
            {
                // Then there is a gap; why it is not reached is said elsewhere.
                LogNotReached(runtime.Kind, e.Message);
            }
        }
        var minute = time.GetUtcNow().UtcTicks / TimeSpan.TicksPerMinute;
        var counts = seen.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => Count(s.Key, minute, s.Value, _last.GetValueOrDefault(s.Key))).ToList();
        _last = seen;
        if (counts.Count == 0) return;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await UsageTable.AddAsync(db, counts, cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (!lease.Leads)
                {
                    _last = [];
                    continue;
                }
                try
                {
                    await SampleAsync(stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogFailed(e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // the program stops
        }
    }

    // CPU time and bytes count from the look before; of a new run there is none yet.
    private UsageCount Count(string instanceId, long minute, Seen now, Seen? before)
    {
        var follows = before is not null && before.Run == now.Run && now.Usage.CpuSeconds >= before.Usage.CpuSeconds;
        return new UsageCount
        {
            InstanceId = instanceId,
            Minute = minute,
            Samples = 1,
            Seconds = follows ? time.GetElapsedTime(before!.At, now.At).TotalSeconds : 0,
            CpuSeconds = follows ? now.Usage.CpuSeconds - before!.Usage.CpuSeconds : 0,
            MemorySum = now.Usage.MemoryBytes,
            MemoryMost = now.Usage.MemoryBytes,
            ProcessesMost = now.Usage.Processes,
            ReceivedBytes = follows ? now.Usage.ReceivedBytes - before!.Usage.ReceivedBytes : null,
            SentBytes = follows ? now.Usage.SentBytes - before!.Usage.SentBytes : null,
        };
    }

    private sealed record Seen(int Run, long At, WorkloadUsage Usage);

    [LoggerMessage(1, LogLevel.Warning, "What the servers use could not be written down; it is tried again")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(2, LogLevel.Debug, "An environment ({Kind}) could not be asked what its servers use: {Why}")]
    private partial void LogNotReached(string kind, string why);
}
