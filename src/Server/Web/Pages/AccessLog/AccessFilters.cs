using System.Globalization;
using McpCan.Server.Traffic;
using Microsoft.AspNetCore.WebUtilities;

namespace McpCan.Server.Web.Pages.AccessLog;

/// <summary>What the address of an access-log page asks for.</summary>
internal sealed record AccessFilters(
    string? Search, string? Range, string? From, string? To, string? Server, string? Token, string? Client, string? Method, string? Tool, string? Result, string? Session, string? Trace, string? Http)
{
    public static readonly IReadOnlyDictionary<string, TimeSpan> Ranges = new Dictionary<string, TimeSpan>
    {
        ["15m"] = TimeSpan.FromMinutes(15),
        ["1h"] = TimeSpan.FromHours(1),
        ["6h"] = TimeSpan.FromHours(6),
        ["24h"] = TimeSpan.FromDays(1),
        ["7d"] = TimeSpan.FromDays(7),
        ["30d"] = TimeSpan.FromDays(30),
    };

    public static readonly string[] Methods =
    [
        "tools/call", "tools/list", "initialize", "server/discover", "prompts/get", "prompts/list", "resources/read", "resources/list", "subscriptions/listen", "ping",
    ];

    public bool Any => this != new AccessFilters(null, null, null, null, null, null, null, null, null, null, null, null, null);

    /// <summary>A window that was chosen on a chart; it wins over the ranges that end now.</summary>
    public (DateTimeOffset From, DateTimeOffset To)? Window => Moment(From) is { } from && Moment(To) is { } to && from < to ? (from, to) : null;

    /// <summary>Filters that have no field of their own, by their names in the address.</summary>
    public IEnumerable<(string Name, string Text)> Chips => new[] { ("session", Session), ("trace", Trace), ("http", Http) }.Where(c => c.Item2 is not null).Select(c => (c.Item1, c.Item2!));

    public AccessLogQuery Query(string? instanceId, DateTimeOffset now, int? limit, string? cursor)
    {
        var from = Window?.From ?? now - Ranges.GetValueOrDefault(Range ?? "24h", TimeSpan.FromDays(1));
        return new(instanceId ?? Server, Token, Tool, Method, Result, Client, Session, Http, Trace: Trace, Search: Search, From: from, To: Window?.To, Limit: limit, Cursor: cursor);
    }

    /// <summary>Address of the same records as a file.</summary>
    public string Export(string? instanceId, DateTimeOffset now, string format)
    {
        var query = Query(instanceId, now, null, null);
        var parts = new Dictionary<string, string?>
        {
            ["format"] = format,
            ["instance"] = query.Instance,
            ["token"] = query.Token,
            ["tool"] = query.Tool,
            ["method"] = query.Method,
            ["status"] = query.Status,
            ["client"] = query.Client,
            ["session"] = query.Session,
            ["httpMethod"] = query.HttpMethod,
            ["trace"] = query.Trace,
            ["search"] = query.Search,
            ["from"] = query.From?.ToString("O", CultureInfo.InvariantCulture),
            ["to"] = query.To?.ToString("O", CultureInfo.InvariantCulture),
        };
        return QueryHelpers.AddQueryString("api/v1/access-logs/export", parts.Where(p => p.Value is not null).ToDictionary());
    }

    private static DateTimeOffset? Moment(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment : null;
}
