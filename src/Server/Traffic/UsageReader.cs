using System.ComponentModel;
using McpCan.Server.Instances;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Which time is wanted, and in what steps.</summary>
public sealed record UsageQuery(
    [property: Description("Start (RFC 3339); an hour before the end unless told. Counted from the beginning of its step.")] DateTimeOffset? From = null,
    [property: Description("End (RFC 3339); now unless told. Counted to the end of its step.")] DateTimeOffset? To = null,
    [property: Description("Length of a step: seconds, or a number with s, m, h or d; at least a minute. Where only hours are kept, it is raised to hours.")] string? Step = null);

/// <summary>What a workload used in one step; all is null where it did not run.</summary>
/// <param name="T">Start of the step (UTC).</param>
/// <param name="Cpu">Cores in use, on average.</param>
/// <param name="MemoryBytes">Resident memory, on average.</param>
/// <param name="MemoryMost">Most resident memory at a time.</param>
/// <param name="Processes">Most processes at a time.</param>
/// <param name="ReceivedBytes">Bytes from the network; null where that is not measured.</param>
/// <param name="SentBytes">Bytes to the network; null where that is not measured.</param>
public sealed record UsagePoint(DateTimeOffset T, double? Cpu, long? MemoryBytes, long? MemoryMost, int? Processes, long? ReceivedBytes, long? SentBytes);

/// <summary>Use of resources over time; steps without a run are there as well.</summary>
/// <param name="From">Start of the first step.</param>
/// <param name="To">End of the last step.</param>
/// <param name="Step">Length of a step in seconds.</param>
/// <param name="Cpus">CPU limit in cores; 0 for none.</param>
/// <param name="MemoryLimit">Memory limit in bytes; 0 for none.</param>
public sealed record UsageSeries(DateTimeOffset From, DateTimeOffset To, long Step, double Cpus, long MemoryLimit, IReadOnlyList<UsagePoint> Points);

/// <summary>Reads what workloads used.</summary>
internal sealed class UsageReader(IDbContextFactory<McpCanDb> databases, TrafficReader traffic)
{
    public async Task<UsageSeries> ReadAsync(Instance instance, UsageQuery query, CancellationToken cancellationToken)
    {
        var steps = traffic.Steps(new TrafficQuery(From: query.From, To: query.To, Step: query.Step), least: 60);
        var minutes = steps.Seconds / 60;
        var (first, end) = (steps.First * minutes, (steps.First + steps.Count) * minutes);
        var points = Enumerable.Range(0, steps.Count).Select(i => new UsagePoint(steps.Start(i), null, null, null, null, null, null)).ToArray();
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var rows = await db.Usage.AsNoTracking().Where(u => u.InstanceId == instance.Id && u.Minute >= first && u.Minute < end).GroupBy(u => u.Minute / minutes).Select(g => new
        {
            Slot = g.Key,
            Samples = g.Sum(u => u.Samples),
            Seconds = g.Sum(u => u.Seconds),
            Cpu = g.Sum(u => u.CpuSeconds),
            Memory = g.Sum(u => u.MemorySum),
            Most = g.Max(u => u.MemoryMost),
            Processes = g.Max(u => u.ProcessesMost),
            // A sum over nothing but nulls would be 0.
            Received = g.Max(u => u.ReceivedBytes) == null ? null : g.Sum(u => u.ReceivedBytes),
            Sent = g.Max(u => u.SentBytes) == null ? null : g.Sum(u => u.SentBytes),
        }).ToListAsync(cancellationToken);
        foreach (var row in rows)
        {
            var at = row.Slot - steps.First;
            points[at] = points[at] with
            {
                Cpu = row.Seconds > 0 ? Math.Round(row.Cpu / row.Seconds, 4) : null,
                MemoryBytes = row.Samples > 0 ? row.Memory / row.Samples : null,
                MemoryMost = row.Most,
                Processes = row.Processes,
                ReceivedBytes = row.Received,
                SentBytes = row.Sent,
            };
        }
        return new UsageSeries(steps.Start(0), steps.Start(steps.Count), steps.Seconds, instance.Limits.Cpus, instance.Limits.MemoryBytes, points);
    }
}
