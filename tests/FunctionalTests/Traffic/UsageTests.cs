using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server;
using McpCan.Server.Hosting;
using McpCan.Server.Traffic;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Traffic;

/// <summary>What servers use, over time.</summary>
public abstract class UsageTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RunningServer_IsSampled_AndItsHistoryShowsWhatItUsed()
    {
        var busy = "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()\n" + TinyServers.Echo;
        using var made = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = $"used {Guid.NewGuid():N}"[..20], mode = "managed", start = true, source = new { type = "command", command = "python3", args = new[] { "-c", busy } } }, Cancel);
        var id = (await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        await Eventually.HoldsAsync(async () => (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString() == "Running");
        var sampler = app.Services.GetRequiredService<UsageSampler>();
        await sampler.SampleAsync(Cancel);
        await sampler.SampleAsync(Cancel);

        var series = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/usage/history", Cancel);

        Assert.Equal((60, 1.0), (series.GetProperty("step").GetInt64(), series.GetProperty("cpus").GetDouble()));
        Assert.InRange(series.GetProperty("points").GetArrayLength(), 60, 61);
        var points = series.GetProperty("points").EnumerateArray().Where(p => p.GetProperty("memoryBytes").ValueKind == JsonValueKind.Number).ToList();
        Assert.InRange(points.Count, 1, 2);
        Assert.All(points, p => Assert.True(p.GetProperty("memoryBytes").GetInt64() > 1_000_000 && p.GetProperty("memoryMost").GetInt64() >= p.GetProperty("memoryBytes").GetInt64(), p.GetRawText()));
        Assert.Contains(points, p => p.GetProperty("processes").GetInt32() > 1);
        Assert.Contains(points, p => p.GetProperty("cpu").ValueKind == JsonValueKind.Number);
        await app.Viewer.GetAsync("api/v1/instances/i-none/usage/history", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task Minutes_AddUp_AndBecomeHours_ThatAreKeptUntilTheyAreOld()
    {
        var id = Ids.New("i");
        var now = app.Clock.GetUtcNow();
        var hour = now.AddDays(-10).UtcTicks / TimeSpan.TicksPerHour * 60;
        var gone = now.AddDays(-100).UtcTicks / TimeSpan.TicksPerMinute;
        await AddAsync(Count(id, hour + 5, cpu: 15, memory: 100, most: 150, processes: 2, received: null), Count(id, hour + 5, cpu: 0, memory: 300, most: 350, processes: 1, received: 10));
        await AddAsync(Count(id, hour + 30, cpu: 30, memory: 200, most: 250, processes: 7, received: 5), Count(id, gone, cpu: 1, memory: 1, most: 1, processes: 1, received: null));
        var retention = app.Services.GetRequiredService<AccessLogRetention>();

        await retention.RunAsync(Cancel);
        await retention.RunAsync(Cancel);

        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        var row = Assert.Single(await db.Usage.AsNoTracking().Where(u => u.InstanceId == id).ToListAsync(Cancel));
        Assert.Equal((hour, 3, 45.0, 45.0, 600L, 350L, 7, 15L), (row.Minute, row.Samples, row.Seconds, row.CpuSeconds, row.MemorySum, row.MemoryMost, row.ProcessesMost, row.ReceivedBytes));
        Assert.Null(row.SentBytes);

        static UsageCount Count(string id, long minute, double cpu, long memory, long most, int processes, long? received) =>
            new() { InstanceId = id, Minute = minute, Samples = 1, Seconds = 15, CpuSeconds = cpu, MemorySum = memory, MemoryMost = most, ProcessesMost = processes, ReceivedBytes = received };
    }

    private async Task AddAsync(params UsageCount[] counts)
    {
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        await UsageTable.AddAsync(db, counts, Cancel);
    }
}

public sealed class UsageTestsOnSqlite(SqliteApp app) : UsageTests<SqliteApp>(app);

public sealed class UsageTestsOnPostgres(PostgresApp app) : UsageTests<PostgresApp>(app);
