using System.Collections.Concurrent;
using McpCan.Gateway;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>An instance's last hour at a glance. A call is a posted message; streams that are only open do not count.</summary>
/// <param name="InstanceId">Instance.</param>
/// <param name="CallsPerMinute">60 numbers; the last one is the current minute.</param>
/// <param name="Calls">Calls in the hour.</param>
/// <param name="Errors">Calls that ended with an HTTP status of 400 or above, or with a JSON-RPC error.</param>
/// <param name="P95">Milliseconds that 95 % of the calls did not exceed; null without calls.</param>
public sealed record TrafficSummary(string InstanceId, IReadOnlyList<int> CallsPerMinute, long Calls, long Errors, double? P95);

/// <summary>The last hour of every instance, kept in memory as records pass, so that lists can show it at no cost.</summary>
internal sealed class TrafficWindow(TimeProvider time)
{
    private const int Minutes = 60;
    private readonly ConcurrentDictionary<string, Hour> _hours = new(StringComparer.Ordinal);

    public static bool IsCall(AccessRecord record) => record.HttpMethod == "POST";

    public static bool IsError(int status, int? errorCode) => status >= 400 || errorCode is not null;

    public void Add(AccessRecord record)
    {
        if (record.InstanceId is { } instance && IsCall(record))
            Add(instance, Minute(record.Time), Durations.Bucket(record.DurationMs), 1, IsError(record.Status, record.ErrorCode) ? 1 : 0);
    }

    /// <summary>One instance's last hour.</summary>
    public TrafficSummary Get(string instanceId) => _hours.TryGetValue(instanceId, out var hour)
        ? hour.Sum(instanceId, Now)
        : new TrafficSummary(instanceId, new int[Minutes], 0, 0, null);

    /// <summary>All instances that had calls in the last hour.</summary>
    public IReadOnlyList<TrafficSummary> All()
    {
        var all = new List<TrafficSummary>();
        foreach (var (instance, hour) in _hours)
        {
            var sum = hour.Sum(instance, Now);
            if (sum.Calls > 0) all.Add(sum);
            else _hours.TryRemove(instance, out _);
        }
        return all;
    }

    /// <summary>Reads what was recorded before this start.</summary>
    public async Task LoadAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        var from = Now - Minutes + 1;
        var rows = await db.Traffic.AsNoTracking().Where(c => c.Minute >= from && c.InstanceId != "").GroupBy(c => new { c.InstanceId, c.Minute, c.Bucket })
            .Select(g => new { g.Key, Calls = g.Sum(c => c.Calls), Errors = g.Sum(c => c.Errors) }).ToListAsync(cancellationToken);
        foreach (var row in rows) Add(row.Key.InstanceId, row.Key.Minute, row.Key.Bucket, row.Calls, row.Errors);
    }

    private long Now => Minute(time.GetUtcNow());

    private static long Minute(DateTimeOffset t) => t.UtcTicks / TimeSpan.TicksPerMinute;

    private void Add(string instance, long minute, int bucket, long calls, long errors)
    {
        if (minute > Now - Minutes) _hours.GetOrAdd(instance, _ => new Hour()).Add(minute, bucket, calls, errors);
    }

    private sealed class Hour
    {
        private readonly Slot[] _slots = new Slot[Minutes];

        public void Add(long minute, int bucket, long calls, long errors)
        {
            lock (_slots)
            {
                ref var slot = ref _slots[minute % Minutes];
                if (slot.Minute > minute) return;
                if (slot.Minute < minute) slot = new Slot { Minute = minute, Buckets = new int[Durations.Count] };
                slot.Calls += calls;
                slot.Errors += errors;
                slot.Buckets[bucket] += (int)calls;
            }
        }

        public TrafficSummary Sum(string instance, long now)
        {
            var perMinute = new int[Minutes];
            var buckets = new long[Durations.Count];
            long calls = 0, errors = 0;
            lock (_slots)
            {
                foreach (var slot in _slots)
                {
                    if (slot.Minute <= now - Minutes || slot.Minute > now) continue;
                    perMinute[Minutes - 1 - (int)(now - slot.Minute)] = (int)Math.Min(slot.Calls, int.MaxValue);
                    calls += slot.Calls;
                    errors += slot.Errors;
                    for (var i = 0; i < buckets.Length; i++) buckets[i] += slot.Buckets[i];
                }
            }
            return new TrafficSummary(instance, perMinute, calls, errors, Durations.Percentile(buckets, 0.95));
        }
    }

    private struct Slot
    {
        public long Minute;
        public long Calls;
        public long Errors;
        public int[] Buckets;
    }
}
