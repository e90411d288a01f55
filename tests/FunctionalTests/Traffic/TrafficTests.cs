using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Server;
using McpCan.Server.Hosting;
using McpCan.Server.Traffic;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Traffic;

public abstract class TrafficTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private readonly string _instance = Ids.New("i");

    private AccessRecord Record(DateTimeOffset time) => new()
    {
        Time = time,
        InstanceId = _instance,
        TokenId = "t-1",
        ClientName = "cursor",
        HttpMethod = "POST",
        Method = "tools/call",
        Target = "echo",
        Status = 200,
        DurationMs = 10,
        RequestBytes = 100,
        ResponseBytes = 1000,
        Era = "modern",
        TraceId = "0af7651916cd43dd8448eb211c80319c",
        FirstByteMs = 4,
    };

    private async Task WriteAsync(params IReadOnlyList<AccessRecord> records)
    {
        var log = app.Services.GetRequiredService<IAccessLog>();
        foreach (var record in records) log.Write(record);
        await Eventually.HoldsAsync(async () => (await GetAsync("access-logs?limit=1")).GetProperty("total").GetInt32() >= records.Count);
    }

    private Task<JsonElement> GetAsync(string path) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/{path}{(path.Contains('?') ? '&' : '?')}instance={_instance}", Cancel);

    private static string Text(DateTimeOffset time) => Uri.EscapeDataString(time.ToString("O"));

    private AccessRecord[] RandomDay(DateTimeOffset now, int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Record(now.AddSeconds(-random.Next(86_000))) with
        {
            TokenId = random.Next(4) == 0 ? null : $"t-{random.Next(3)}",
            ClientName = random.Next(5) == 0 ? null : $"client {random.Next(4)}",
            Method = random.Next(3) == 0 ? "tools/list" : "tools/call",
            Target = random.Next(3) == 0 ? null : $"tool{random.Next(5)}",
            Status = random.Next(10) == 0 ? 500 : 200,
            ErrorCode = random.Next(10) == 0 ? -32602 : null,
            DurationMs = Math.Exp(random.NextDouble() * 12 - 2),
            RequestBytes = random.Next(5000),
            ResponseBytes = random.Next(50_000),
        })];
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("token=t-1", 2)]
    [InlineData("tool=tool2", 3)]
    [InlineData("client=client%201&method=tools/list", 4)]
    public async Task Series_EqualsTheRecords_StepByStep(string filter, int seed)
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync(RandomDay(now, seed, 700));

        var series = await GetAsync($"traffic?from={Text(now.AddDays(-1))}&to={Text(now)}&step=15m&{filter}");
        var records = await RecordsAsync(series, filter);

        var ticks = TimeSpan.FromMinutes(15).Ticks;
        foreach (var point in series.GetProperty("points").EnumerateArray())
        {
            var start = point.GetProperty("t").GetDateTimeOffset();
            var mine = records.Where(r => r.Time.UtcTicks / ticks * ticks == start.UtcTicks).ToList();
            Assert.Equal((mine.Count, mine.Count(r => r.Failed), mine.Sum(r => r.In), mine.Sum(r => r.Out)), (
                point.GetProperty("calls").GetInt32(), point.GetProperty("errors").GetInt32(), point.GetProperty("requestBytes").GetInt64(), point.GetProperty("responseBytes").GetInt64()));
            if (mine.Count == 0) Assert.Equal(JsonValueKind.Null, point.GetProperty("p99").ValueKind);
        }
        Assert.Equal(records.Count, series.GetProperty("total").GetProperty("calls").GetInt32());
        // A bucket is 22 % wide.
        var ordered = records.Select(r => r.Ms).Order().ToList();
        Assert.InRange(series.GetProperty("total").GetProperty("p50").GetDouble(), ordered[(ordered.Count - 1) / 2] * 0.8, ordered[ordered.Count / 2] * 1.25);
    }

    private sealed record Seen(DateTimeOffset Time, bool Failed, long In, long Out, double Ms, string? Tool, string? Token, string? Client);

    private async Task<List<Seen>> RecordsAsync(JsonElement series, string filter)
    {
        var (from, to) = (series.GetProperty("from").GetDateTimeOffset(), series.GetProperty("to").GetDateTimeOffset());
        var lines = await app.Viewer.GetStringAsync($"api/v1/access-logs?format=ndjson&instance={_instance}&from={Text(from)}&to={Text(to)}&{filter}", Cancel);
        return [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l)).Select(r => new Seen(
            r.GetProperty("time").GetDateTimeOffset(), r.GetProperty("status").GetInt32() >= 400 || r.GetProperty("errorCode").ValueKind == JsonValueKind.Number,
            r.GetProperty("requestBytes").GetInt64(), r.GetProperty("responseBytes").GetInt64(), r.GetProperty("durationMs").GetDouble(),
            r.GetProperty("method").GetString() == "tools/call" ? r.GetProperty("target").GetString() : null, r.GetProperty("tokenId").GetString(), r.GetProperty("clientName").GetString()))];
    }

    [Fact]
    public async Task Groups_AddUpToTheRecords()
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync(RandomDay(now, 7, 600));

        foreach (var by in new[] { "tool", "token", "client", "instance" })
        {
            var series = await GetAsync($"traffic?from={Text(now.AddDays(-1))}&to={Text(now)}&by={by}");
            var records = await RecordsAsync(series, "");
            var expected = records.GroupBy(r => by switch { "tool" => r.Tool, "token" => r.Token, "client" => r.Client, _ => _instance } ?? "").Where(g => by != "tool" || g.Key != "")
                .ToDictionary(g => g.Key, g => g.Count());
            var groups = series.GetProperty("groups").EnumerateArray().ToDictionary(g => g.GetProperty("key").GetString()!, g => g.GetProperty("total").GetProperty("calls").GetInt32());
            Assert.Equal(expected.OrderBy(e => e.Key), groups.OrderBy(e => e.Key));
            Assert.Equal(groups.Values.OrderDescending(), groups.Values);
            Assert.All(series.GetProperty("groups").EnumerateArray(), g => Assert.Equal(g.GetProperty("total").GetProperty("calls").GetInt32(), g.GetProperty("points").EnumerateArray().Sum(p => p.GetProperty("calls").GetInt32())));
        }
    }

    [Fact]
    public async Task ManyNames_StayBoundedAndNoCallIsLost()
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync([.. Enumerable.Range(0, 50).Select(i => Record(now) with { Target = "real" }), .. Enumerable.Range(0, 1000).Select(i => Record(now) with { Target = $"made-up-{i}", Status = 404 })]);

        var series = await GetAsync("traffic?by=tool");
        var groups = series.GetProperty("groups").EnumerateArray().ToList();

        Assert.InRange(groups.Count, 2, 21);
        Assert.Equal(1050, groups.Sum(g => g.GetProperty("total").GetProperty("calls").GetInt32()));
        Assert.Contains(groups, g => g.GetProperty("key").GetString() == "(other)");
        Assert.Contains(groups, g => g.GetProperty("key").GetString() == "real");
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        Assert.InRange(await db.Traffic.Where(c => c.InstanceId == _instance).Select(c => c.Target).Distinct().CountAsync(Cancel), 3, 210);
    }

    [Fact]
    public async Task StepsBelowAMinute_ComeFromTheRecords()
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync([.. Enumerable.Range(0, 30).Select(i => Record(now.AddSeconds(-10 * i)))]);

        var series = await GetAsync($"traffic?from={Text(now.AddMinutes(-15))}&to={Text(now)}&by=client");

        Assert.Equal(10, series.GetProperty("step").GetInt32());
        Assert.Equal(30, series.GetProperty("points").EnumerateArray().Count(p => p.GetProperty("calls").GetInt32() == 1));
        Assert.Equal("cursor", Assert.Single(series.GetProperty("groups").EnumerateArray()).GetProperty("key").GetString());
        Assert.InRange(series.GetProperty("total").GetProperty("p50").GetDouble(), 8, 12.5);
    }

    [Fact]
    public async Task OldMinutes_BecomeHours_AndSumsStay()
    {
        var old = app.Clock.GetUtcNow().AddDays(-5);
        await WriteAsync([.. Enumerable.Range(0, 300).Select(i => Record(old.AddMinutes(i)) with { DurationMs = i + 1, ErrorCode = i % 3 == 0 ? 1 : null }), Record(app.Clock.GetUtcNow())]);
        var query = $"traffic?from={Text(old.AddDays(-1))}&to={Text(old.AddDays(1))}&step=10m&by=tool";
        var before = await GetAsync(query);

        await app.Services.GetRequiredService<AccessLogRetention>().RunAsync(Cancel);
        await app.Services.GetRequiredService<AccessLogRetention>().RunAsync(Cancel);

        var after = await GetAsync(query);
        Assert.Equal(3600, after.GetProperty("step").GetInt32());
        Assert.Equal(before.ToString(), after.ToString());
        Assert.Equal((300, 100), (after.GetProperty("total").GetProperty("calls").GetInt32(), after.GetProperty("total").GetProperty("errors").GetInt32()));
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        var minutes = await db.Traffic.Where(c => c.InstanceId == _instance).Select(c => c.Minute).Distinct().ToListAsync(Cancel);
        Assert.InRange(minutes.Count, 6, 7);
    }

    [Fact]
    public async Task Retention_DeletesOldCountsAndPayloads()
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync(Record(now.AddDays(-100)), Record(now.AddDays(-91)), Record(now.AddDays(-8)) with { RequestPayload = "old" }, Record(now) with { RequestPayload = "new" });

        await app.Services.GetRequiredService<AccessLogRetention>().RunAsync(Cancel);

        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        Assert.Equal(2, await db.Traffic.CountAsync(c => c.InstanceId == _instance, Cancel));
        var kept = await db.AccessLog.Where(r => r.InstanceId == _instance && r.PayloadId != null).Select(r => r.PayloadId).ToListAsync(Cancel);
        Assert.Equal(2, kept.Count);
        Assert.Equal("new", (await db.AccessPayloads.SingleAsync(p => kept.Contains(p.Id), Cancel)).Request);
    }

    [Fact]
    public async Task Record_HasAllFields_AndPayloadsForOperatorsOnly()
    {
        await WriteAsync(Record(app.Clock.GetUtcNow()) with { RequestPayload = "{\"a\":1}", ResponsePayload = "{\"b\":2}" });
        var row = (await GetAsync("access-logs")).GetProperty("items")[0];
        var path = $"api/v1/access-logs/{row.GetProperty("id").GetString()}";

        var seen = await app.Operator.GetFromJsonAsync<JsonElement>(path, Cancel);
        Assert.Equal(("modern", 4.0, true), (row.GetProperty("era").GetString(), row.GetProperty("firstByteMs").GetDouble(), row.GetProperty("hasPayload").GetBoolean()));
        Assert.Equal(row.ToString(), seen.GetProperty("record").ToString());
        Assert.Equal(("{\"a\":1}", "{\"b\":2}"), (seen.GetProperty("requestPayload").GetString(), seen.GetProperty("responsePayload").GetString()));
        var viewer = await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel);
        Assert.Equal((JsonValueKind.Null, JsonValueKind.Null), (viewer.GetProperty("requestPayload").ValueKind, viewer.GetProperty("responsePayload").ValueKind));
        await app.Nobody.GetAsync(path, Cancel).ProblemAsync(HttpStatusCode.Unauthorized);
        await app.Viewer.GetAsync("api/v1/access-logs/999999999", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        await app.Viewer.GetAsync("api/v1/access-logs/x", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("era=legacy", 1)]
    [InlineData("trace=0AF7651916CD43DD8448EB211C80319C", 0)]
    [InlineData("error=-32602", 2)]
    [InlineData("error=broKE", 3)]
    [InlineData("minDuration=500", 4)]
    public async Task NewFilters_Apply(string filter, int expected)
    {
        var records = Enumerable.Range(0, 5).Select(i => Record(app.Clock.GetUtcNow()) with { Target = $"tool{i}", TraceId = i == 0 ? "0af7651916cd43dd8448eb211c80319c" : "1" }).ToArray();
        records[1] = records[1] with { Era = "legacy" };
        records[2] = records[2] with { ErrorCode = -32602 };
        records[3] = records[3] with { Error = "It broke" };
        records[4] = records[4] with { DurationMs = 500 };
        await WriteAsync(records);

        var item = Assert.Single((await GetAsync($"access-logs?{filter}")).GetProperty("items").EnumerateArray());
        Assert.Equal($"tool{expected}", item.GetProperty("target").GetString());
    }

    [Theory]
    [InlineData("text/csv", "text/csv")]
    [InlineData("application/x-ndjson", "application/x-ndjson")]
    [InlineData("application/json", "application/json")]
    [InlineData("*/*", "application/json")]
    public async Task List_AnswersInTheTypeAskedFor(string accept, string type)
    {
        await WriteAsync(Record(app.Clock.GetUtcNow()));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"api/v1/access-logs?instance={_instance}");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse(accept));

        using var answer = await app.Viewer.SendAsync(request, Cancel);

        Assert.Equal(type, answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains("cursor", await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_IsOffUntilAskedFor_AndChecked()
    {
        using var made = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Captured", mode = "managed", source = new { type = "command", command = "python3" }, start = false }, Cancel);
        var instance = await made.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var path = $"api/v1/instances/{instance.GetProperty("id").GetString()}";
        Assert.Equal(JsonValueKind.Null, instance.GetProperty("traffic").GetProperty("capture").ValueKind);

        var on = await PatchAsync(new { traffic = new { capture = new { redact = new[] { "ssn" } } } });
        Assert.Equal(16_384, on.GetProperty("capture").GetProperty("maxBytes").GetInt32());
        var route = app.Services.GetRequiredService<IRouteSource>().Find(instance.GetProperty("id").GetString()!)!;
        Assert.Equal((16_384, "ssn"), (route.Capture!.MaxBytes, Assert.Single(route.Capture.RedactedFields)));
        await app.Operator.PatchAsJsonAsync(path, new { traffic = new { capture = new { maxBytes = 10 } } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        await app.Viewer.PatchAsJsonAsync(path, new { traffic = new { capture = (object?)null } }, Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        Assert.Equal(JsonValueKind.Null, (await PatchAsync(new { traffic = new { capture = (object?)null } })).GetProperty("capture").ValueKind);

        async Task<JsonElement> PatchAsync(object patch)
        {
            using var answer = await app.Operator.PatchAsJsonAsync(path, patch, Cancel);
            answer.EnsureSuccessStatusCode();
            return (await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel)).GetProperty("traffic");
        }
    }

    [Theory]
    [InlineData("traffic?by=x")]
    [InlineData("access-logs?format=xml")]
    [InlineData("access-logs?minDuration=x")]
    public async Task BadQuery_IsRefused(string path) => await app.Viewer.GetAsync($"api/v1/{path}", Cancel).ProblemAsync(HttpStatusCode.BadRequest);
}

public sealed class SqliteTrafficTests(SqliteApp app) : TrafficTests<SqliteApp>(app);

public sealed class PostgresTrafficTests(PostgresApp app) : TrafficTests<PostgresApp>(app);
