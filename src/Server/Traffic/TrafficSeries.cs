using System.ComponentModel;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Which calls are to be counted, and how.</summary>
public sealed record TrafficQuery(
    [property: Description("Only this instance (id or slug).")] string? Instance = null,
    [property: Description("Only calls with this token (id).")] string? Token = null,
    [property: Description("Only this tool, prompt or resource.")] string? Tool = null,
    [property: Description("Only this JSON-RPC method, such as tools/call.")] string? Method = null,
    [property: Description("Only clients of this name.")] string? Client = null,
    [property: Description("Start (RFC 3339); an hour before the end unless told. Counted from the beginning of its step.")] DateTimeOffset? From = null,
    [property: Description("End (RFC 3339); now unless told. Counted to the end of its step.")] DateTimeOffset? To = null,
    [property: Description("Length of a step: seconds, or a number with s, m, h or d. Where only hours are kept, it is raised to hours.")] string? Step = null,
    [property: Description("Groups as well: 'tool', 'token', 'client', 'instance' or 'method'.")] string? By = null);

/// <summary>One step of a series.</summary>
/// <param name="T">Its start (UTC).</param>
/// <param name="Calls">Posted messages.</param>
/// <param name="Errors">Those that ended with an HTTP status of 400 or above, or with a JSON-RPC error.</param>
/// <param name="P50">Median of the durations in milliseconds; null without calls.</param>
/// <param name="P95">Milliseconds that 95 % of the calls did not exceed; null without calls.</param>
/// <param name="P99">Milliseconds that 99 % of the calls did not exceed; null without calls.</param>
public sealed record TrafficPoint(DateTimeOffset T, long Calls, long Errors, double? P50, double? P95, double? P99, long RequestBytes, long ResponseBytes);

/// <summary>All steps together; the percentiles are those of all calls, not means of percentiles.</summary>
public sealed record TrafficTotal(long Calls, long Errors, double? P50, double? P95, double? P99, long RequestBytes, long ResponseBytes);

/// <summary>The calls of one tool, token, client, instance or method.</summary>
/// <param name="Key">Name or id; "(other)" for all beyond the first twenty and for what was not counted by name; empty when the calls named none.</param>
/// <param name="Name">Name of the token, slug of the instance, while it exists.</param>
public sealed record TrafficGroup(string Key, string? Name, TrafficTotal Total, IReadOnlyList<TrafficPoint> Points);

/// <summary>Traffic over time; steps without calls are there as well.</summary>
/// <param name="From">Start of the first step.</param>
/// <param name="To">End of the last step.</param>
/// <param name="Step">Length of a step in seconds.</param>
/// <param name="Groups">With 'by': the groups, most calls first.</param>
public sealed record TrafficSeries(
    DateTimeOffset From, DateTimeOffset To, long Step, TrafficTotal Total, IReadOnlyList<TrafficPoint> Points, string? By, IReadOnlyList<TrafficGroup>? Groups);

/// <summary>The time axis: whole steps since year 1.</summary>
internal readonly record struct TrafficSteps(long First, int Count, long Seconds)
{
    public bool OfRecords => Seconds % 60 != 0;

    public DateTimeOffset Start(int step) => new((First + step) * Seconds * TimeSpan.TicksPerSecond, TimeSpan.Zero);
}

/// <summary>A sum of counts.</summary>
internal sealed class TrafficSum
{
    public static readonly TrafficSum Nothing = new();
    private readonly long[] _buckets = new long[Durations.Count];
    private long _calls;
    private long _errors;
    private long _requestBytes;
    private long _responseBytes;

    public void Add(long bucket, long calls, long errors, long requestBytes, long responseBytes)
    {
        _buckets[(int)Math.Clamp(bucket, 0, Durations.Count - 1)] += calls;
        _calls += calls;
        _errors += errors;
        _requestBytes += requestBytes;
        _responseBytes += responseBytes;
    }

    public TrafficPoint At(DateTimeOffset t) => new(t, _calls, _errors, Percentile(0.5), Percentile(0.95), Percentile(0.99), _requestBytes, _responseBytes);

    public TrafficTotal Total() => new(_calls, _errors, Percentile(0.5), Percentile(0.95), Percentile(0.99), _requestBytes, _responseBytes);

    private double? Percentile(double share) => Durations.Percentile(_buckets, share);
}

/// <summary>Names of instances and tokens, read once per call.</summary>
internal sealed record TrafficLabels(Dictionary<string, string> Slugs, Dictionary<string, string> Ids, Dictionary<string, string> Tokens)
{
    public static async Task<TrafficLabels> ReadAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        var slugs = await db.Instances.ToDictionaryAsync(i => i.Id, i => i.Slug, cancellationToken);
        return new TrafficLabels(slugs, slugs.ToDictionary(s => s.Value, s => s.Key), await db.Tokens.ToDictionaryAsync(t => t.Id, t => t.Name, cancellationToken));
    }

    public string InstanceId(string idOrSlug) => Ids.GetValueOrDefault(idOrSlug, idOrSlug);

    public string? Of(string by, string key) => by switch
    {
        "instance" => Slugs.GetValueOrDefault(key),
        "token" => Tokens.GetValueOrDefault(key),
        _ => null,
    };
}
