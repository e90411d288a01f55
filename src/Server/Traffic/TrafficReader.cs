using System.Globalization;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>One step of a series.</summary>
/// <param name="T">Its start (UTC).</param>
/// <param name="Calls">Posted messages.</param>
/// <param name="Errors">Those that ended with an HTTP status of 400 or above, or with a JSON-RPC error.</param>
/// <param name="P50">Median of the durations in milliseconds; null without calls.</param>
/// <param name="P95">Milliseconds that 95 % of the calls did not exceed; null without calls.</param>
public sealed record TrafficPoint(DateTimeOffset T, long Calls, long Errors, double? P50, double? P95, long RequestBytes, long ResponseBytes);

/// <summary>Traffic over time; steps without calls are there as well.</summary>
/// <param name="Step">Length of a step in seconds.</param>
public sealed record TrafficSeries(DateTimeOffset From, DateTimeOffset To, long Step, IReadOnlyList<TrafficPoint> Points);

/// <summary>Counts access records over time, in the database.</summary>
internal sealed class TrafficReader(IDbContextFactory<McpCanDb> databases, TimeProvider time)
{
    private const int MostPoints = 1500;
    private static readonly long[] NiceSteps = [10, 60, 300, 900, 3600, 6 * 3600, 86_400];

    /// <summary>The series of one instance (id or slug) or of all.</summary>
    public async Task<TrafficSeries> ReadAsync(string? instance, DateTimeOffset? from, DateTimeOffset? to, string? step, CancellationToken cancellationToken)
    {
        var end = to ?? time.GetUtcNow();
        var start = from ?? end.AddHours(-1);
        var seconds = Seconds(step, end - start);
        new Checks().That(start < end, "from", "'from' must be before 'to'.")
            .That(seconds > 0, "step", "'step' must be seconds, or a number with s, m, h or d, such as 5m.")
            .That(seconds <= 0 || (end - start).TotalSeconds / seconds <= MostPoints, "step", $"'step' is too small: the series would have more than {MostPoints} points.")
            .Throw();
        var ticks = seconds * TimeSpan.TicksPerSecond;
        var first = start.UtcTicks / ticks;
        var points = new Counts[(end.UtcTicks - 1) / ticks - first + 1];
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var names = string.IsNullOrEmpty(instance) ? [] : await InstanceNames.ReadAsync(db, cancellationToken);
        var rows = string.IsNullOrEmpty(instance)
            ? db.Database.SqlQueryRaw<Row>(TrafficSql.Series, start.UtcTicks, end.UtcTicks, ticks)
            : db.Database.SqlQueryRaw<Row>(TrafficSql.SeriesOfInstance, start.UtcTicks, end.UtcTicks, ticks, names.GetValueOrDefault(instance, instance));
        await foreach (var row in rows.AsAsyncEnumerable().WithCancellation(cancellationToken)) (points[row.Slot - first] ??= new Counts()).Add(row);
        return new TrafficSeries(start, end, seconds, [.. points.Select((p, i) => (p ?? new Counts()).At(new DateTimeOffset((first + i) * ticks, TimeSpan.Zero)))]);
    }

    private static long Seconds(string? step, TimeSpan range)
    {
        if (string.IsNullOrEmpty(step)) return NiceSteps.FirstOrDefault(s => range.TotalSeconds / s <= 120, 86_400L * Math.Max(1, (long)(range.TotalDays / 1000)));
        var unit = step[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        return long.TryParse(unit == 0 ? step : step[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 10_000_000 ? number * Math.Max(unit, 1) : 0;
    }

    private sealed record Row(long Slot, long Bucket, long Calls, long Errors, long RequestBytes, long ResponseBytes);

    private sealed class Counts
    {
        private readonly long[] _buckets = new long[Durations.Count];
        private long _calls;
        private long _errors;
        private long _requestBytes;
        private long _responseBytes;

        public void Add(Row row)
        {
            _buckets[Durations.FromLog(row.Bucket)] += row.Calls;
            _calls += row.Calls;
            _errors += row.Errors;
            _requestBytes += row.RequestBytes;
            _responseBytes += row.ResponseBytes;
        }

        public TrafficPoint At(DateTimeOffset t) =>
            new(t, _calls, _errors, Durations.Percentile(_buckets, 0.5), Durations.Percentile(_buckets, 0.95), _requestBytes, _responseBytes);
    }
}
