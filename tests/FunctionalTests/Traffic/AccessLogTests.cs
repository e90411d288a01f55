using System.Net;
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

public abstract class AccessLogTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private readonly string _instance = Ids.New("i");

    private AccessRecord Record(int number = 0) => new()
    {
        Time = app.Clock.GetUtcNow(),
        InstanceId = _instance,
        TokenId = "t-1",
        ClientName = "cursor",
        ClientVersion = "1.0",
        ClientAddress = "10.0.0.7",
        Session = "abc",
        HttpMethod = "POST",
        Method = "tools/call",
        Target = $"tool{number}",
        Status = 200,
        DurationMs = 12.5,
        RequestBytes = 100,
        ResponseBytes = 2000,
        TraceId = "0af7",
    };

    private async Task WriteAsync(params AccessRecord[] records)
    {
        var log = app.Services.GetRequiredService<IAccessLog>();
        foreach (var record in records) log.Write(record);
        await Eventually.HoldsAsync(async () => (await ListAsync("limit=1")).GetProperty("total").GetInt32() >= Math.Min(records.Length, 10_000));
    }

    private Task<JsonElement> ListAsync(string query = "") => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/access-logs?instance={_instance}&{query}", Cancel);

    private static string[] Targets(JsonElement page) => [.. page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("target").GetString()!)];

    [Fact]
    public async Task Record_ComesBackWhole()
    {
        await WriteAsync(Record() with { ErrorCode = -32602, Error = "Unknown tool", Target = "文\u001b[31m" });

        var item = (await ListAsync()).GetProperty("items")[0];

        Assert.Equal(_instance, item.GetProperty("instanceId").GetString());
        Assert.Equal("文 [31m", item.GetProperty("target").GetString());
        Assert.Equal("cursor", item.GetProperty("clientName").GetString());
        Assert.Equal(-32602, item.GetProperty("errorCode").GetInt32());
        Assert.Equal(12.5, item.GetProperty("durationMs").GetDouble());
        Assert.Equal(2000, item.GetProperty("responseBytes").GetInt64());
        Assert.Equal(TimeSpan.Zero, item.GetProperty("time").GetDateTimeOffset().Offset);
    }

    [Fact]
    public async Task Pages_AreNewestFirstAndDoNotOverlap()
    {
        await WriteAsync([.. Enumerable.Range(0, 25).Select(Record)]);

        var seen = new List<string>();
        var cursor = "";
        do
        {
            var page = await ListAsync($"limit=10&cursor={cursor}");
            Assert.Equal(25, page.GetProperty("total").GetInt32());
            seen.AddRange(Targets(page));
            cursor = page.GetProperty("next").GetString();
            await WriteAsync(Record(99) with { InstanceId = Ids.New("i") });
        }
        while (cursor is not null);

        Assert.Equal([.. Enumerable.Range(0, 25).Reverse().Select(i => $"tool{i}")], seen);
    }

    [Fact]
    public async Task Filters_Apply()
    {
        await WriteAsync(
            Record(1) with { Status = 404 }, Record(2) with { ErrorCode = -1 }, Record(3) with { TokenId = "t-2" }, Record(4) with { ClientName = "Claude 50%" },
            Record(5) with { Method = "tools/list" }, Record(6) with { Session = "other" }, Record(7) with { Time = app.Clock.GetUtcNow().AddHours(-2) }, Record(8) with { Error = "It broke" });

        await Expect("status=4xx", 1);
        await Expect("status=404", 1);
        await Expect("status=error", 2, 1);
        await Expect("status=ok&tool=tool3", 3);
        await Expect("status=5xx");
        await Expect("token=t-2", 3);
        await Expect("client=claude", 4);
        await Expect("client=50%25", 4);
        await Expect("client=_aude");
        await Expect("method=tools/list", 5);
        await Expect("session=other", 6);
        await Expect("search=BROKE", 8);
        await Expect($"to={Uri.EscapeDataString(app.Clock.GetUtcNow().AddHours(-1).ToString("O"))}", 7);
        await Expect($"from={Uri.EscapeDataString(app.Clock.GetUtcNow().AddHours(-1).ToString("O"))}&search=tools", 8, 6, 5, 4, 3, 2, 1);

        async Task Expect(string query, params int[] numbers) => Assert.Equal(numbers.Select(n => $"tool{n}"), Targets(await ListAsync(query)));
    }

    [Theory]
    [InlineData("status=bad")]
    [InlineData("status=99999999999")]
    [InlineData("limit=0")]
    [InlineData("limit=501")]
    [InlineData("limit=x")]
    [InlineData("cursor=!")]
    [InlineData("cursor=YWJj")]
    [InlineData("from=yesterday")]
    [InlineData("session=%00")]
    public async Task BadQuery_IsRefused(string query)
    {
        await app.Viewer.GetAsync($"api/v1/access-logs?{query}", Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        if (query != "limit=501") await app.Viewer.GetAsync($"api/v1/access-logs/export?{query}", Cancel).ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("step=0")]
    [InlineData("step=x")]
    [InlineData("step=99999999999999999999")]
    [InlineData("step=1s&from=2020-01-01T00:00:00Z")]
    [InlineData("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")]
    public async Task BadSeries_IsRefused(string query) => await app.Viewer.GetAsync($"api/v1/traffic?{query}", Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");

    [Fact]
    public async Task Export_CsvAndLines_HaveAllRecords()
    {
        await WriteAsync([.. Enumerable.Range(0, 2500).Select(Record), Record() with { Target = "=cmd|' /C calc'!A0", ClientName = "a,\"b\"" }]);

        var csv = await app.Viewer.GetAsync($"api/v1/access-logs/export?instance={_instance}", Cancel);
        var lines = (await csv.Content.ReadAsStringAsync(Cancel)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("text/csv", csv.Content.Headers.ContentType?.MediaType);
        Assert.Equal("access-log.csv", csv.Content.Headers.ContentDisposition?.FileName);
        Assert.Equal(2502, lines.Length);
        Assert.StartsWith("time,instanceId,", lines[0], StringComparison.Ordinal);
        Assert.Contains(",\"'=cmd|' /C calc'!A0\",", lines[1], StringComparison.Ordinal);
        Assert.Contains(",\"a,\"\"b\"\"\",", lines[1], StringComparison.Ordinal);

        var json = await app.Viewer.GetStringAsync($"api/v1/access-logs/export?format=ndjson&limit=1200&instance={_instance}&search=tool1", Cancel);
        Assert.All(json.TrimEnd('\n').Split('\n'), l => Assert.StartsWith("tool1", JsonSerializer.Deserialize<JsonElement>(l).GetProperty("target").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Series_CountsCallsErrorsAndDurations()
    {
        var now = app.Clock.GetUtcNow();
        await WriteAsync([
            .. Enumerable.Range(1, 100).Select(i => Record() with { Time = now.AddMinutes(-10), DurationMs = i }),
            Record() with { Time = now.AddMinutes(-30), Status = 500, DurationMs = 0 }, Record() with { Time = now.AddMinutes(-30), HttpMethod = "GET", DurationMs = 1e6 }]);

        var series = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/traffic?instance={_instance}&step=1m", Cancel);

        Assert.Equal(60, series.GetProperty("step").GetInt32());
        var points = series.GetProperty("points").EnumerateArray().ToList();
        Assert.InRange(points.Count, 60, 61);
        var busy = Assert.Single(points, p => p.GetProperty("calls").GetInt64() == 100);
        Assert.InRange(busy.GetProperty("p50").GetDouble(), 40, 60);
        Assert.InRange(busy.GetProperty("p95").GetDouble(), 80, 110);
        Assert.Equal(200_000, busy.GetProperty("responseBytes").GetInt64());
        var failed = Assert.Single(points, p => p.GetProperty("errors").GetInt64() == 1);
        Assert.Equal(1, failed.GetProperty("calls").GetInt64());
        Assert.Equal(JsonValueKind.Null, points.First(p => p.GetProperty("calls").GetInt64() == 0).GetProperty("p95").ValueKind);
        Assert.Equal(101, points.Sum(p => p.GetProperty("calls").GetInt64()));
    }

    [Fact]
    public async Task Series_WithoutAnything_HasEmptySteps()
    {
        var series = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/traffic?instance=i-none&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", Cancel);

        Assert.All(series.GetProperty("points").EnumerateArray(), p => Assert.Equal(0, p.GetProperty("calls").GetInt64()));
    }

    [Fact]
    public async Task Summary_IsThereAtOnceAndAfterARestart()
    {
        await WriteAsync([.. Enumerable.Range(0, 7).Select(Record), Record() with { Status = 401 }]);

        await Expect();
        await app.RestartAsync();
        await Eventually.HoldsAsync(async () => (await Mine()).ValueKind == JsonValueKind.Object);
        await Expect();

        async Task<JsonElement> Mine() => (await app.Viewer.GetFromJsonAsync<JsonElement>("api/v1/traffic/summary", Cancel)).EnumerateArray()
            .FirstOrDefault(s => s.GetProperty("instanceId").GetString() == _instance);

        async Task Expect()
        {
            var sum = await Mine();
            Assert.Equal((8, 1), (sum.GetProperty("calls").GetInt32(), sum.GetProperty("errors").GetInt32()));
            Assert.Equal(8, sum.GetProperty("callsPerMinute").EnumerateArray().Sum(n => n.GetInt32()));
            Assert.InRange(sum.GetProperty("p95").GetDouble(), 10, 16);
        }
    }

    [Fact]
    public async Task Stop_StoresWhatWaits()
    {
        var log = app.Services.GetRequiredService<IAccessLog>();
        for (var i = 0; i < 3000; i++) log.Write(Record(i));

        await app.RestartAsync();

        Assert.Equal(3000, (await ListAsync()).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Retention_DeletesOldRecordsOnly()
    {
        var old = app.Clock.GetUtcNow().AddDays(-31);
        await WriteAsync([.. Enumerable.Range(0, 4500).Select(i => Record(i) with { Time = old }), Record(1)]);

        await app.Services.GetRequiredService<AccessLogRetention>().RunAsync(Cancel);

        Assert.Equal(1, (await ListAsync()).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Total_StopsCounting()
    {
        await WriteAsync([.. Enumerable.Range(0, 10_050).Select(Record)]);

        await Eventually.HoldsAsync(async () => (await ListAsync("limit=1")).GetProperty("totalIsMinimum").GetBoolean());
        Assert.Equal(10_000, (await ListAsync("limit=1")).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task DeletedInstance_ItsRecordsStayReadable_AndASlugFindsThem()
    {
        await WriteAsync(Record(5));
        var database = app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>();
        await using (var db = await database.CreateDbContextAsync(Cancel))
        {
            db.Instances.Add(new McpCan.Server.Instances.Instance { Id = _instance, Name = "Weather", Slug = "w-" + _instance[2..], Mode = "managed" });
            await db.SaveChangesAsync(Cancel);
        }
        var bySlug = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/access-logs?instance=w-{_instance[2..]}", Cancel);
        Assert.Equal("w-" + _instance[2..], bySlug.GetProperty("items")[0].GetProperty("instance").GetString());
        await using (var db = await database.CreateDbContextAsync(Cancel)) await db.Instances.Where(i => i.Id == _instance).ExecuteDeleteAsync(Cancel);

        Assert.Equal(JsonValueKind.Null, (await ListAsync()).GetProperty("items")[0].GetProperty("instance").ValueKind);
    }

    [Fact]
    public async Task Nobody_ReadsNothing()
    {
        foreach (var path in new[] { "access-logs", "access-logs/export", "traffic", "traffic/summary" })
            await app.Nobody.GetAsync($"api/v1/{path}", Cancel).ProblemAsync(HttpStatusCode.Unauthorized);
    }
}

public sealed class SqliteAccessLogTests(SqliteApp app) : AccessLogTests<SqliteApp>(app);

public sealed class PostgresAccessLogTests(PostgresApp app) : AccessLogTests<PostgresApp>(app);
