using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using McpCan.Server.Runtimes;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Instances that really run, through the API and the gateway only.</summary>
public abstract class InstanceRunTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ServerIsCalled_Stopped_Started_Restarted_Edited_AndDeleted()
    {
        var made = await CreateAsync(TinyServers.Echo, env: new() { ["GREETING"] = "hello", ["HIDDEN"] = new { secret = "s3cret" } });
        var id = Id(made);
        Assert.Equal("Starting", State(made));
        var running = await BecomesAsync(id, "Running");
        Assert.Equal(3, running.GetProperty("toolCount").GetInt32());
        Assert.Equal("tiny 1.2", running.GetProperty("serverInfo").GetString());
        var client = await ClientAsync(running);
        Assert.Equal("hello", await client.CallAsync("env", new { name = "GREETING" }));
        Assert.Equal("s3cret", await client.CallAsync("env", new { name = "HIDDEN" }));
        Assert.Contains(await LogsAsync(id), l => l.GetProperty("msg").GetString() == "echo server up");
        Assert.True((await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/usage", Cancel)).GetProperty("processes").GetInt32() > 1);
        var probe = await (await PostAsync($"instances/{id}/probe")).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.True(probe.GetProperty("ok").GetBoolean(), probe.GetRawText());

        Assert.Equal(HttpStatusCode.Accepted, (await PostAsync($"instances/{id}/stop")).StatusCode);
        var stopped = await BecomesAsync(id, "Stopped");
        Assert.Equal("Stopped by key:test operator.", stopped.GetProperty("status").GetProperty("reason").GetString());
        Assert.False((await client.SendAsync("ping", new { })).IsSuccessStatusCode);
        Assert.Equal("stopped", (await (await PostAsync($"instances/{id}/probe")).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("finding").GetString());

        await PostAsync($"instances/{id}/start");
        await BecomesAsync(id, "Running");
        Assert.Equal(HttpStatusCode.NotFound, (await client.SendAsync("ping", new { })).StatusCode); // the session of the run before
        Assert.Equal("again", await (await ClientAsync(running)).CallAsync("echo", new { text = "again" }));

        var restarted = await (await PostAsync($"instances/{id}/restart")).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal("Starting", State(restarted));
        await BecomesAsync(id, "Running");

        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { name = "Renamed", env = new Dictionary<string, string> { ["GREETING"] = "bye" } }, Cancel);
        await BecomesAsync(id, "Running");
        Assert.Equal("bye", await (await ClientAsync(running)).CallAsync("env", new { name = "GREETING" }));

        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await GoneAsync(id);
    }

    [Fact]
    public async Task Rename_KeepsTheRun()
    {
        var made = await CreateAsync(TinyServers.Echo);
        var running = await BecomesAsync(Id(made), "Running");
        var client = await ClientAsync(running);

        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{Id(made)}", new { name = "Another" }, Cancel);

        Assert.Equal("still", await client.CallAsync("echo", new { text = "still" }));
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task TokenRulesAndLimits_HoldAtARealServer_AndChangeAtOnce()
    {
        var made = await CreateAsync(TinyServers.Echo);
        var running = await BecomesAsync(Id(made), "Running");
        var token = await (await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "bound", instances = new[] { Id(made) }, tools = new[] { "e*" }, addresses = new[] { "127.0.0.0/8", "::1" } }, Cancel))
            .Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var client = new TinyClient(app, $"mcp-gateway/{running.GetProperty("slug").GetString()}/mcp", token.GetProperty("value").GetString()!);
        await client.ConnectAsync();
        Assert.Equal(["echo", "env", "exit"], await client.ToolsAsync());

        await ChangeAsync(new { tools = new { deny = new[] { "exit" } } });
        Assert.Equal(["echo", "env"], await client.ToolsAsync());
        Assert.Equal("open", await client.CallAsync("echo", new { text = "open" }));
        using (var refused = await client.SendAsync("tools/call", new { name = "exit" }))
        {
            Assert.Equal(HttpStatusCode.OK, refused.StatusCode);
            Assert.Contains("\"code\":-32602,\"message\":\"Unknown tool: exit\"", await refused.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        }
        await ChangeAsync(new { addresses = new[] { "192.0.2.0/24" } });
        Assert.Equal(HttpStatusCode.Forbidden, (await client.SendAsync("ping", new { })).StatusCode);
        await ChangeAsync(new { addresses = (object?)null, tools = (object?)null, limits = new { requestsPerMinute = 1 } });
        Assert.Equal(["echo", "env", "exit"], await client.ToolsAsync());
        using (var limited = await client.SendAsync("ping", new { }))
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, limited.StatusCode);
            Assert.NotNull(limited.Headers.RetryAfter);
        }
        await ChangeAsync(new { limits = (object?)null });
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync("ping", new { })).StatusCode);

        var wrong = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{Id(made)}", new { access = new { limits = new { sessions = 0 } } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.True(wrong.GetProperty("errors").TryGetProperty("access.limits.sessions", out _), wrong.GetRawText());
        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{Id(made)}", new { access = new { limits = new { requestsPerMinute = 1, sessions = 5 } } }, Cancel);
        Assert.Equal("""{"requestsPerMinute":1,"concurrentCalls":null,"sessions":5}""", (await GetAsync(Id(made))).GetProperty("access").GetProperty("limits").GetRawText());
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync("ping", new { })).StatusCode); // the same run: limits need no restart
        Assert.Equal(HttpStatusCode.TooManyRequests, (await client.SendAsync("ping", new { })).StatusCode);
        await DeleteAsync(Id(made));

        async Task ChangeAsync(object patch) =>
            Assert.Equal(HttpStatusCode.OK, (await app.Operator.PatchAsJsonAsync($"api/v1/tokens/{token.GetProperty("id").GetString()}", patch, Cancel)).StatusCode);
    }

    [Theory]
    [InlineData(nameof(TinyServers.Banner))]
    [InlineData(nameof(TinyServers.Slow))]
    [InlineData(nameof(TinyServers.Forks))]
    [InlineData(nameof(TinyServers.Floods))]
    public async Task OddServer_Runs_AndLeavesNothing(string which)
    {
        var made = await CreateAsync((string)typeof(TinyServers).GetField(which)!.GetRawConstantValue()!);

        var running = await BecomesAsync(Id(made), "Running");

        Assert.Equal("x", await (await ClientAsync(running)).CallAsync("echo", new { text = "x" }));
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task ServerThatExits_FailsWithItsCodeAndLastWords()
    {
        var made = await CreateAsync(TinyServers.Exits);

        var failed = await BecomesAsync(Id(made), "Failed");

        var exit = failed.GetProperty("status").GetProperty("lastExit");
        Assert.Equal(3, exit.GetProperty("code").GetInt32());
        Assert.Contains("DATABASE is not set", exit.GetProperty("lastLines").GetRawText(), StringComparison.Ordinal);
        Assert.Contains(await LogsAsync(Id(made)), l => l.GetProperty("msg").GetString() == "DATABASE is not set");
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task ServerThatIsSilent_FailsAfterItsTime()
    {
        var made = await CreateAsync(TinyServers.Silent, startSeconds: 2);

        var failed = await BecomesAsync(Id(made), "Failed");

        Assert.Contains("did not answer initialize within 2", failed.GetProperty("status").GetProperty("reason").GetString(), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("thinking", failed.GetProperty("status").GetProperty("lastExit").GetProperty("lastLines").GetRawText(), StringComparison.Ordinal);
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task Stop_InTheMiddleOfAStart_Stops()
    {
        var made = await CreateAsync(TinyServers.Silent, startSeconds: 60);
        await Eventually.HoldsAsync(async () => (await GetAsync(Id(made))).GetProperty("status").GetProperty("phase").GetString() == "initialize");

        await PostAsync($"instances/{Id(made)}/stop");

        await BecomesAsync(Id(made), "Stopped");
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task WorkloadThatVanishes_IsStartedAgain()
    {
        var made = await CreateAsync(TinyServers.Echo);
        await BecomesAsync(Id(made), "Running");

        await app.Services.GetRequiredService<IRuntime>().StopAsync(Id(made), Cancel);

        await Eventually.HoldsAsync(async () => (await GetAsync(Id(made))).GetProperty("status").GetProperty("restarts").GetInt32() == 1);
        var again = await BecomesAsync(Id(made), "Running");
        Assert.Equal("again", await (await ClientAsync(again)).CallAsync("echo", new { text = "again" }));
        var events = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{Id(made)}/events", Cancel);
        Assert.Equal(["running", "crashed", "running", "created"], events.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("kind").GetString()));
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task RestartOfThePlatform_FindsServersAgain_WithTheirSessions()
    {
        var made = await CreateAsync(TinyServers.Echo);
        var running = await BecomesAsync(Id(made), "Running");
        var client = await ClientAsync(running);
        app.EndWorkloads = false;
        await app.RestartAsync();
        app.EndWorkloads = true;

        client.Reconnect(app);

        Assert.Equal("survived", await client.CallAsync("echo", new { text = "survived" }));
        Assert.Equal("Running", State(await GetAsync(Id(made))));
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task Logs_AreFollowed()
    {
        var made = await CreateAsync(TinyServers.Echo);
        await BecomesAsync(Id(made), "Running");

        using var answer = await app.Viewer.GetAsync($"api/v1/instances/{Id(made)}/logs?follow=true&stream=stderr", HttpCompletionOption.ResponseHeadersRead, Cancel);

        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal("no", answer.Headers.GetValues("X-Accel-Buffering").Single());
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Cancel));
        var line = JsonSerializer.Deserialize<JsonElement>(await reader.ReadLineAsync(Cancel) ?? "");
        Assert.Equal("stderr", line.GetProperty("stream").GetString());
        await DeleteAsync(Id(made));
    }

    private async Task<JsonElement> CreateAsync(string script, Dictionary<string, object>? env = null, int startSeconds = 60)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new
        {
            name = $"r{Guid.NewGuid():N}"[..16],
            source = new { type = "command", command = "python3", args = new[] { "-c", script } },
            env,
            limits = new { startSeconds },
        }, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> BecomesAsync(string id, string state)
    {
        JsonElement now = default;
        try
        {
            await Eventually.HoldsAsync(async () => State(now = await GetAsync(id)) == state || (State(now) == "Failed" && state == "Running"));
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"It did not become {state}: {now.GetProperty("status").GetRawText()}");
        }
        Assert.True(State(now) == state, now.GetProperty("status").GetRawText());
        return now;
    }

    private async Task DeleteAsync(string id)
    {
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await GoneAsync(id);
    }

    private async Task GoneAsync(string id)
    {
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(app.Data, "workloads"), $"*{id}*"));
        Assert.DoesNotContain(Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).Select(CommandLine), c => c.Contains(id, StringComparison.Ordinal));
    }

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private async Task<List<JsonElement>> LogsAsync(string id)
    {
        var text = await app.Viewer.GetStringAsync($"api/v1/instances/{id}/logs?tail=1000", Cancel);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l))];
    }

    private async Task<TinyClient> ClientAsync(JsonElement instance)
    {
        var token = await (await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { Id(instance) } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var client = new TinyClient(app, $"mcp-gateway/{instance.GetProperty("slug").GetString()}/mcp", token.GetProperty("value").GetString()!);
        await client.ConnectAsync();
        return client;
    }

    private Task<HttpResponseMessage> PostAsync(string path) => app.Operator.PostAsync(new Uri($"api/v1/{path}", UriKind.Relative), null, Cancel);

    private Task<JsonElement> GetAsync(string id) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);

    private static string Id(JsonElement instance) => instance.GetProperty("id").GetString()!;

    private static string State(JsonElement instance) => instance.GetProperty("status").GetProperty("state").GetString()!;
}

public sealed class InstanceRunTestsOnSqlite(SqliteApp app) : InstanceRunTests<SqliteApp>(app);

public sealed class InstanceRunTestsOnPostgres(PostgresApp app) : InstanceRunTests<PostgresApp>(app);
