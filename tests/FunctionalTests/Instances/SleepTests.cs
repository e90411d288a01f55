using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Servers that nobody uses are ended, and come back for the next call.</summary>
public abstract class SleepTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UnusedServer_Sleeps_AndIsBackForTheCallsThatCome()
    {
        var made = await CreateAsync(1);
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Sleeping");
        await Eventually.HoldsAsync(() => Task.FromResult(!Processes(id)));

        // All at once: one start serves them, and none of them sees an error.
        var token = await TokenAsync(made);
        var clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => ClientAsync(made, token)));
        var texts = await Task.WhenAll(clients.Select((c, i) => c.CallAsync("echo", new { text = $"good morning {i}" })));
        Assert.Equal(["good morning 0", "good morning 1", "good morning 2", "good morning 3"], texts);
        Assert.Equal("Running", State(await GetAsync(id)));

        // It is open sessions that keep it awake.
        foreach (var client in clients) Assert.True((int)await client.EndAsync() is 200 or 204);
        await BecomesAsync(id, "Sleeping");
        Assert.Equal(HttpStatusCode.NotFound, (await clients[0].SendAsync("ping", new { })).StatusCode);
        Assert.Equal("Sleeping", State(await GetAsync(id)));
        var events = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/events", Cancel);
        Assert.Contains(events.GetProperty("items").EnumerateArray(), e => e.GetProperty("kind").GetString() == "slept");

        Assert.Equal(HttpStatusCode.Accepted, (await app.Operator.PostAsync(new Uri($"api/v1/instances/{id}/start", UriKind.Relative), null, Cancel)).StatusCode);
        await BecomesAsync(id, "Running");
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task UsedServer_StaysAwake_AndAStoppedOneIsNotWoken()
    {
        var made = await CreateAsync(1);
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Running", "Sleeping");
        var client = await ClientAsync(made);
        await client.CallAsync("echo", new { text = "up" });
        var started = await GetAsync(id);
        await app.Operator.PostAsync(new Uri($"api/v1/instances/{id}/probe", UriKind.Relative), null, Cancel);
        for (var begin = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(begin) < TimeSpan.FromSeconds(3);) // three times what would let it fall asleep
            Assert.Equal("here", await client.CallAsync("echo", new { text = "here" }));
        Assert.Equal(started.GetProperty("status").GetProperty("since").GetString(), (await GetAsync(id)).GetProperty("status").GetProperty("since").GetString());

        await client.EndAsync();
        await BecomesAsync(id, "Sleeping");
        await app.Operator.PostAsync(new Uri($"api/v1/instances/{id}/stop", UriKind.Relative), null, Cancel);
        await BecomesAsync(id, "Stopped");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.SendAsync("ping", new { })).StatusCode);
        Assert.Equal("Stopped", State(await GetAsync(id)));
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task VirtualServer_WakesItsMember()
    {
        var made = await CreateAsync(1);
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Sleeping");
        var virtuals = await SendAsync(new { name = $"over {id}", mode = "virtual", @virtual = new { members = new[] { new { instance = id } } } });
        await BecomesAsync(virtuals.GetProperty("id").GetString()!, "Running");
        Assert.Equal("Sleeping", State(await GetAsync(id)));

        Assert.Equal("up", await (await ClientAsync(virtuals)).CallAsync("echo", new { text = "up" }));

        Assert.Equal("Running", State(await GetAsync(id)));
        await app.Operator.DeleteAsync($"api/v1/instances/{virtuals.GetProperty("id").GetString()}", Cancel);
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    private static bool Processes(string id) =>
        Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).Any(d =>
        {
            try
            {
                return File.ReadAllText(Path.Combine(d, "cmdline")).Contains(id, StringComparison.Ordinal);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        });

    private Task<JsonElement> CreateAsync(int sleepSeconds) => SendAsync(new
    {
        name = $"sleeper {Guid.NewGuid():N}"[..20],
        mode = "managed",
        start = true,
        source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } },
        limits = new { sleepSeconds },
    });

    private async Task<JsonElement> SendAsync(object instance)
    {
        using var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", instance, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<string> TokenAsync(JsonElement instance)
    {
        using var made = await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { instance.GetProperty("id").GetString() } }, Cancel);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Cancel));
        return (await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("value").GetString()!;
    }

    private async Task<TinyClient> ClientAsync(JsonElement instance, string? token = null)
    {
        var client = new TinyClient(app, $"mcp-gateway/{instance.GetProperty("slug").GetString()}/mcp", token ?? await TokenAsync(instance));
        await client.ConnectAsync();
        return client;
    }

    private Task BecomesAsync(string id, params string[] states) => Eventually.HoldsAsync(async () => State(await GetAsync(id)) is var state && Array.IndexOf(states, state) >= 0);

    private Task<JsonElement> GetAsync(string id) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);

    private static string State(JsonElement instance) => instance.GetProperty("status").GetProperty("state").GetString()!;
}

/// <summary>A timer that ends a moment early must not be taken for a server that has been unused for too long.</summary>
public sealed class WakefulTests
{
    [Fact]
    public async Task ServerThatNeverSleeps_Unused_StaysUp()
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var app = new HastyApp();
        app.Settings["ProbeSeconds"] = "1";
        await app.InitializeAsync();
        using var made = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "wakeful", source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, cancel);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(cancel));
        await Eventually.HoldsAsync(async () => await StateAsync() == "Running");

        for (var begin = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(begin) < TimeSpan.FromSeconds(3);) Assert.Equal("Running", await StateAsync());

        async Task<string> StateAsync() => (await app.Viewer.GetFromJsonAsync<JsonElement>("api/v1/instances/wakeful", cancel)).GetProperty("status").GetProperty("state").GetString()!;
    }

    private sealed class HastyApp : SqliteApp
    {
        protected override void Configure(WebApplicationBuilder builder) => builder.Services.AddSingleton<TimeProvider>(new HastyTime());
    }

    private sealed class HastyTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => base.CreateTimer(callback, state, dueTime.TotalMilliseconds > 500 ? dueTime * 0.9 : dueTime, period);
    }
}

public sealed class SleepTestsOnSqlite(SqliteApp app) : SleepTests<SqliteApp>(app);

public sealed class SleepTestsOnPostgres(PostgresApp app) : SleepTests<PostgresApp>(app);
