using System.Globalization;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Reads series: from the counts of minutes and hours, and for steps below a minute from the records themselves.</summary>
internal sealed class TrafficReader(IDbContextFactory<McpCanDb> databases, McpCanOptions options, TimeProvider time)
{
    private const int MostPoints = 1500;
    private const int MostGroups = 20;
    private static readonly long[] NiceSteps = [10, 60, 300, 900, 3600, 2 * 3600, 6 * 3600, 86_400];

    public async Task<TrafficSeries> ReadAsync(TrafficQuery query, CancellationToken cancellationToken)
    {
        var steps = Steps(query);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var names = await TrafficLabels.ReadAsync(db, cancellationToken);
        var wanted = Filter(Source(db, query, steps), query, names);
        var all = new TrafficSum();
        var points = new TrafficSum?[steps.Count];
        await foreach (var row in wanted.GroupBy(m => new { Slot = m.Second / steps.Seconds, m.Bucket })
            .Select(g => new { g.Key.Slot, g.Key.Bucket, Calls = g.Sum(m => m.Calls), Errors = g.Sum(m => m.Errors), In = g.Sum(m => m.RequestBytes), Out = g.Sum(m => m.ResponseBytes) })
            .AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            if (row.Slot < steps.First || row.Slot - steps.First >= points.Length) continue;
            (points[row.Slot - steps.First] ??= new TrafficSum()).Add(row.Bucket, row.Calls, row.Errors, row.In, row.Out);
            all.Add(row.Bucket, row.Calls, row.Errors, row.In, row.Out);
        }
        var groups = string.IsNullOrEmpty(query.By) ? null : await GroupsAsync(wanted, query.By, steps, names, cancellationToken);
        return new TrafficSeries(steps.Start(0), steps.Start(steps.Count), steps.Seconds, all.Total(), Points(points, steps), query.By is { Length: > 0 } by ? by : null, groups);
    }

    private static async Task<IReadOnlyList<TrafficGroup>> GroupsAsync(IQueryable<Measured> wanted, string by, TrafficSteps steps, TrafficLabels names, CancellationToken cancellationToken)
    {
        // What was called without naming a tool is no tool; a call without a token or a client's name is a group as well.
        if (by is "tool" or "method") wanted = wanted.Where(m => m.Key != "");
        var sums = await wanted.GroupBy(m => m.Key).Select(g => new { g.Key, Calls = g.Sum(m => m.Calls) }).OrderByDescending(g => g.Calls).ThenBy(g => g.Key).ToListAsync(cancellationToken);
        var top = sums.Where(s => s.Key != TrafficNames.Other).Take(MostGroups).Select(s => s.Key).ToList();
        var groups = new Dictionary<string, (TrafficSum Sum, TrafficSum?[] Points)>(StringComparer.Ordinal);
        foreach (var key in top) groups[key] = (new TrafficSum(), new TrafficSum?[steps.Count]);
        if (sums.Count > top.Count) groups[TrafficNames.Other] = (new TrafficSum(), new TrafficSum?[steps.Count]);
        await foreach (var row in wanted.Select(m => new { Key = top.Contains(m.Key) ? m.Key : TrafficNames.Other, Slot = m.Second / steps.Seconds, m.Bucket, m.Calls, m.Errors, m.RequestBytes, m.ResponseBytes })
            .GroupBy(m => new { m.Key, m.Slot, m.Bucket })
            .Select(g => new { g.Key.Key, g.Key.Slot, g.Key.Bucket, Calls = g.Sum(m => m.Calls), Errors = g.Sum(m => m.Errors), In = g.Sum(m => m.RequestBytes), Out = g.Sum(m => m.ResponseBytes) })
            .AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            if (row.Slot < steps.First || row.Slot - steps.First >= steps.Count || !groups.TryGetValue(row.Key, out var group)) continue;
            group.Sum.Add(row.Bucket, row.Calls, row.Errors, row.In, row.Out);
            (group.Points[row.Slot - steps.First] ??= new TrafficSum()).Add(row.Bucket, row.Calls, row.Errors, row.In, row.Out);
        }
        return [.. groups.Select(g => new TrafficGroup(g.Key, names.Of(by, g.Key), g.Value.Sum.Total(), Points(g.Value.Points, steps)))];
    }

    private static List<TrafficPoint> Points(TrafficSum?[] sums, TrafficSteps steps) => [.. sums.Select((p, i) => (p ?? TrafficSum.Nothing).At(steps.Start(i)))];

    private static IQueryable<Measured> Source(McpCanDb db, TrafficQuery query, TrafficSteps steps)
    {
        var key = query.By switch
        {
            "instance" => "\"InstanceId\"",
            "token" => "\"TokenId\"",
            "client" => steps.OfRecords ? "\"ClientName\"" : "\"Client\"",
            "method" => "\"Method\"",
            _ => "CASE WHEN \"Method\" = 'tools/call' THEN \"Target\" ELSE '' END",
        };
        return steps.OfRecords
            ? db.Database.SqlQueryRaw<Measured>(TrafficSql.Records.Replace("@key", key, StringComparison.Ordinal), steps.Start(0).UtcTicks, steps.Start(steps.Count).UtcTicks)
            : db.Database.SqlQueryRaw<Measured>(TrafficSql.Counts.Replace("@key", key, StringComparison.Ordinal), steps.First * steps.Seconds / 60, (steps.First + steps.Count) * steps.Seconds / 60);
    }

    private static IQueryable<Measured> Filter(IQueryable<Measured> source, TrafficQuery query, TrafficLabels names)
    {
        if (query.Instance is { Length: > 0 } asked && names.InstanceId(asked) is var instance) source = source.Where(m => m.InstanceId == instance);
        if (query.Token is { Length: > 0 } token) source = source.Where(m => m.TokenId == token);
        if (query.Tool is { Length: > 0 } tool) source = source.Where(m => m.Target == tool);
        if (query.Method is { Length: > 0 } method) source = source.Where(m => m.Method == method);
        if (query.Client is { Length: > 0 } client) source = source.Where(m => m.Client == client);
        return source;
    }

    /// <summary>The steps that a query asks for, each at least so many seconds (a whole minute, when above one) long.</summary>
    public TrafficSteps Steps(TrafficQuery query, long least = 1)
    {
        var end = query.To ?? time.GetUtcNow();
        var start = query.From ?? end.AddHours(-1);
        var seconds = Seconds(query.Step, end - start);
        if (seconds > 0 && least > 1) seconds = (Math.Max(seconds, least) + least - 1) / least * least;
        // Older than that only hours are kept.
        if (seconds > 0 && start < time.GetUtcNow().AddDays(-options.TrafficMinuteDays)) seconds = (seconds + 3599) / 3600 * 3600;
        new Checks().That(start < end, "from", "'from' must be before 'to'.")
            .That(seconds > 0, "step", "'step' must be seconds, or a number with s, m, h or d, such as 5m.")
            .That(seconds <= 0 || (end - start).TotalSeconds / seconds <= MostPoints, "step", $"'step' is too small: the series would have more than {MostPoints} points.")
            .That(query.By is null or "" or "tool" or "token" or "client" or "instance" or "method", "by", "'by' must be 'tool', 'token', 'client', 'instance' or 'method'.")
            .Throw();
        var ticks = seconds * TimeSpan.TicksPerSecond;
        var first = start.UtcTicks / ticks;
        return new TrafficSteps(first, (int)((end.UtcTicks - 1) / ticks - first + 1), seconds);
    }

    private static long Seconds(string? step, TimeSpan range)
    {
        if (string.IsNullOrEmpty(step)) return NiceSteps.FirstOrDefault(s => range.TotalSeconds / s <= 120, 86_400L * Math.Max(1, (long)(range.TotalDays / 1000)));
        var unit = step[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        return long.TryParse(unit == 0 ? step : step[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 10_000_000 ? number * Math.Max(unit, 1) : 0;
    }
}
