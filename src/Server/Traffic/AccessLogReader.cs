using System.Buffers.Text;
using System.ComponentModel;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Which access records are wanted.</summary>
public sealed record AccessLogQuery(
    [property: Description("Only this instance (id or slug).")] string? Instance = null,
    [property: Description("Only calls with this token (id).")] string? Token = null,
    [property: Description("Only this tool, prompt or resource.")] string? Tool = null,
    [property: Description("Only this JSON-RPC method, such as tools/call.")] string? Method = null,
    [property: Description("'ok', 'error', an HTTP status such as 404, or a class such as 4xx.")] string? Status = null,
    [property: Description("Only clients whose name contains this text, or with this network address.")] string? Client = null,
    [property: Description("Only this session (as records show it).")] string? Session = null,
    [property: Description("Only this HTTP method; POST leaves streams out, as the traffic's counts do.")] string? HttpMethod = null,
    [property: Description("'legacy' or 'modern': only this family of the protocol.")] string? Era = null,
    [property: Description("Only records of this trace (W3C trace id).")] string? Trace = null,
    [property: Description("A JSON-RPC error code, or a text that the error contains, in any case.")] string? Error = null,
    [property: Description("Only exchanges that took so many milliseconds or longer.")] double? MinDuration = null,
    [property: Description("Only records whose method, tool, client or error contains this text, in any case.")] string? Search = null,
    [property: Description("Only records of this time or later (RFC 3339).")] DateTimeOffset? From = null,
    [property: Description("Only records before this time (RFC 3339).")] DateTimeOffset? To = null,
    [property: Description("Records per page: 1 to 500, 50 unless told.")] int? Limit = null,
    [property: Description("The 'next' of the page before.")] string? Cursor = null);

/// <summary>An access record as people read it.</summary>
/// <param name="Instance">Slug of the instance, while it exists.</param>
/// <param name="Token">Name of the token, while it exists.</param>
/// <param name="Session">Stands for the session; it cannot be used as one.</param>
/// <param name="Era">Family of the protocol: legacy or modern.</param>
/// <param name="Target">Tool, prompt or resource.</param>
/// <param name="FirstByteMs">Milliseconds to the first byte of the answer; null when there was none.</param>
/// <param name="HasPayload">Whether payloads are kept; see the record itself.</param>
public sealed record AccessLogView(
    string Id, DateTimeOffset Time, string? InstanceId, string? Instance, string? TokenId, string? Token, string? ClientName, string? ClientVersion, string? ClientAddress,
    string? Session, string? Era, string HttpMethod, string? Method, string? Target, int Status, int? ErrorCode, string? Error,
    double DurationMs, double? FirstByteMs, long RequestBytes, long ResponseBytes, string? TraceId, bool HasPayload);

/// <summary>One access record with what was kept of its payloads.</summary>
/// <param name="RequestPayload">The request, secrets replaced, cut at the instance's limit; null when none is kept or the asker may not see it.</param>
/// <param name="ResponsePayload">The answer, likewise.</param>
public sealed record AccessLogDetail(AccessLogView Record, string? RequestPayload, string? ResponsePayload);

/// <summary>A page of access records, newest first.</summary>
/// <param name="Total">Number of records on all pages; counting stops at 10,000.</param>
/// <param name="TotalIsMinimum">Whether there are more than <paramref name="Total"/>.</param>
/// <param name="Dropped">Records lost since the server's start because the database could not follow.</param>
public sealed record AccessLogPage(IReadOnlyList<AccessLogView> Items, string? Next, int Total, bool TotalIsMinimum, long Dropped);

/// <summary>Reads access records by their rising number, so that a page costs the same however far down it is.</summary>
internal sealed class AccessLogReader(IDbContextFactory<McpCanDb> databases, AccessLogWriter writer)
{
    private const int CountTo = 10_000;
    private const int ExportChunk = 1000;

    /// <summary>One page, newest first.</summary>
    public async Task<AccessLogPage> ListAsync(AccessLogQuery query, CancellationToken cancellationToken)
    {
        var (_, take) = Paging.Window(new PageQuery(Limit: query.Limit));
        var before = Before(query.Cursor);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var names = await TrafficLabels.ReadAsync(db, cancellationToken);
        var wanted = Filter(db.AccessLog.AsNoTracking(), query, names);
        var total = await wanted.Take(CountTo + 1).CountAsync(cancellationToken);
        var rows = await wanted.Where(r => r.Id < before).OrderByDescending(r => r.Id).Take(take + 1).ToListAsync(cancellationToken);
        var more = rows.Count > take;
        return new AccessLogPage([.. rows.Take(take).Select(r => View(r, names))], more ? Cursor(rows[take - 1].Id) : null, Math.Min(total, CountTo), total > CountTo, writer.Dropped);
    }

    /// <summary>One record; payloads only for who may see them.</summary>
    public async Task<AccessLogDetail?> FindAsync(string id, bool payloads, CancellationToken cancellationToken)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return null;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        if (await db.AccessLog.AsNoTracking().FirstOrDefaultAsync(r => r.Id == number, cancellationToken) is not { } row) return null;
        var payload = payloads && row.PayloadId is { } kept ? await db.AccessPayloads.AsNoTracking().FirstOrDefaultAsync(p => p.Id == kept, cancellationToken) : null;
        return new AccessLogDetail(View(row, await TrafficLabels.ReadAsync(db, cancellationToken)), payload?.Request, payload?.Response);
    }

    /// <summary>All wanted records, newest first, read in chunks. What is wrong with the query is said before the first one.</summary>
    public async Task<IAsyncEnumerable<AccessLogView>> ExportAsync(AccessLogQuery query, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var names = await TrafficLabels.ReadAsync(db, cancellationToken);
        Filter(db.AccessLog, query, names);
        return ReadAsync(query, names, Before(query.Cursor), cancellationToken);
    }

    private async IAsyncEnumerable<AccessLogView> ReadAsync(AccessLogQuery query, TrafficLabels names, long before, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var left = query.Limit ?? int.MaxValue; left > 0;)
        {
            // A context of its own per chunk: a slow reader must not hold the database.
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var rows = await Filter(db.AccessLog.AsNoTracking(), query, names).Where(r => r.Id < before).OrderByDescending(r => r.Id)
                .Take(Math.Min(left, ExportChunk)).ToListAsync(cancellationToken);
            foreach (var row in rows) yield return View(row, names);
            if (rows.Count < ExportChunk) yield break;
            left -= rows.Count;
            before = rows[^1].Id;
        }
    }

    private static IQueryable<AccessLogEntry> Filter(IQueryable<AccessLogEntry> records, AccessLogQuery query, TrafficLabels names)
    {
        if (query.Instance is { Length: > 0 } asked && names.InstanceId(asked) is var instance) records = records.Where(r => r.InstanceId == instance);
        if (query.Token is { Length: > 0 } token) records = records.Where(r => r.TokenId == token);
        if (query.Tool is { Length: > 0 } tool) records = records.Where(r => r.Target == tool);
        if (query.Method is { Length: > 0 } method) records = records.Where(r => r.Method == method);
        if (query.Session is { Length: > 0 } session) records = records.Where(r => r.Session == session);
        if (query.HttpMethod?.ToUpperInvariant() is { Length: > 0 } http) records = records.Where(r => r.HttpMethod == http);
        if (query.Era is { Length: > 0 } era) records = records.Where(r => r.Era == era);
        if (query.Trace?.ToLowerInvariant() is { Length: > 0 } trace) records = records.Where(r => r.TraceId == trace);
        if (query.MinDuration is { } least) records = records.Where(r => r.DurationMs >= least);
        if (query.Error?.Trim() is { Length: > 0 } error) records = ByError(records, error);
        if (query.From is { } from) records = records.Where(r => r.Time >= from);
        if (query.To is { } to) records = records.Where(r => r.Time < to);
        if (query.Client?.Trim() is { Length: > 0 } client) records = ByClient(records, client);
        if (query.Search?.Trim() is { Length: > 0 } search) records = ByText(records, search);
        return query.Status is { Length: > 0 } status ? ByStatus(records, status) : records;
    }

#pragma warning disable CA1304, CA1311, CA1862 // becomes SQL's lower()
    private static IQueryable<AccessLogEntry> ByClient(IQueryable<AccessLogEntry> records, string client)
    {
        var pattern = Paging.Pattern(client);
        return records.Where(r => r.ClientAddress == client || EF.Functions.Like(r.ClientName!.ToLower(), pattern, "\\"));
    }

    private static IQueryable<AccessLogEntry> ByError(IQueryable<AccessLogEntry> records, string error)
    {
        if (int.TryParse(error, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code)) return records.Where(r => r.ErrorCode == code);
        var pattern = Paging.Pattern(error);
        return records.Where(r => EF.Functions.Like(r.Error!.ToLower(), pattern, "\\"));
    }

    private static IQueryable<AccessLogEntry> ByText(IQueryable<AccessLogEntry> records, string search)
    {
        var pattern = Paging.Pattern(search);
        return records.Where(r => EF.Functions.Like(((r.Method ?? "") + " " + (r.Target ?? "") + " " + (r.ClientName ?? "") + " " + (r.Error ?? "")).ToLower(), pattern, "\\"));
    }
#pragma warning restore CA1304, CA1311, CA1862

    private static IQueryable<AccessLogEntry> ByStatus(IQueryable<AccessLogEntry> records, string status)
    {
        if (status == "ok") return records.Where(r => r.Status < 400 && r.ErrorCode == null);
        if (status == "error") return records.Where(r => r.Status >= 400 || r.ErrorCode != null);
        if (status is [>= '1' and <= '5', 'x' or 'X', 'x' or 'X'] && (status[0] - '0') * 100 is var from) return records.Where(r => r.Status >= from && r.Status < from + 100);
        if (status.Length == 3 && int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code)) return records.Where(r => r.Status == code);
        throw new ProblemException(400, "invalid", "'status' must be 'ok', 'error', an HTTP status such as 404, or a class such as 4xx.",
            new Dictionary<string, string[]> { ["status"] = ["ok, error, a status, or a class such as 4xx."] });
    }

    private static string Cursor(long id) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(id.ToString(CultureInfo.InvariantCulture)));

    private static long Before(string? cursor)
    {
        if (string.IsNullOrEmpty(cursor)) return long.MaxValue;
        if (cursor.Length < 30 && Base64Url.IsValid(cursor)
            && long.TryParse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)), NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return id;
        throw new ProblemException(400, "bad-cursor", "'cursor' is not one that this list gave out.");
    }

    private static AccessLogView View(AccessLogEntry r, TrafficLabels names) => new(
        r.Id.ToString(CultureInfo.InvariantCulture), r.Time, r.InstanceId, names.Slugs.GetValueOrDefault(r.InstanceId ?? ""),
        r.TokenId, names.Tokens.GetValueOrDefault(r.TokenId ?? ""), r.ClientName, r.ClientVersion, r.ClientAddress, r.Session, r.Era, r.HttpMethod, r.Method, r.Target,
        r.Status, r.ErrorCode, r.Error, r.DurationMs, r.FirstByteMs, r.RequestBytes, r.ResponseBytes, r.TraceId, r.PayloadId is not null);
}
