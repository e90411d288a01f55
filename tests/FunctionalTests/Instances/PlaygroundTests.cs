using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Tools, resources and prompts through the API, by the way that clients take.</summary>
public abstract class PlaygroundTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private const string Server = """
        import json, sys
        tools = [{"name": "add/two", "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "x-own": 12345678901234567890123}}}}, {"name": "fail", "inputSchema": {"type": "object"}}]
        for line in sys.stdin:
            m = json.loads(line)
            if "id" not in m: continue
            p, r, e = m.get("params", {}), {}, None
            if m["method"] == "initialize": r = {"protocolVersion": p["protocolVersion"], "capabilities": {"tools": {}, "resources": {}}, "serverInfo": {"name": "tiny", "version": "1"}}
            if m["method"] == "tools/list": r = {"tools": [tools[1]]} if p.get("cursor") else {"tools": [tools[0]], "nextCursor": "2"}
            if m["method"] == "resources/list": r = {"resources": [{"uri": "file:///a", "name": "a"}]}
            if m["method"] == "resources/templates/list": e = {"code": -32601, "message": "no templates"}
            if m["method"] == "tools/call":
                if p["name"] == "fail": e = {"code": -32000, "message": "broken", "data": {"why": "test"}}
                elif p["name"] == "hang": continue
                else: r = {"content": [{"type": "text", "text": json.dumps(p["arguments"])}]}
            print(json.dumps({"jsonrpc": "2.0", "id": m["id"], **({"error": e} if e else {"result": r})}), flush=True)
        """;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tools_AreListed_Called_AndLogged()
    {
        var id = await RunningAsync();

        var tools = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/tools", Cancel);
        Assert.Equal(2, tools.GetProperty("total").GetInt32());
        Assert.Contains("\"x-own\":12345678901234567890123", tools.GetRawText().Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);

        var called = await CallAsync(id, "add%2Ftwo", new { arguments = new { a = 2, text = "é<" } });
        Assert.Equal(JsonValueKind.Null, called.GetProperty("error").ValueKind);
        Assert.Contains("\"a\": 2", called.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString(), StringComparison.Ordinal);
        var trace = called.GetProperty("traceId").GetString();

        var failed = await CallAsync(id, "fail", new { });
        Assert.Equal("test", failed.GetProperty("error").GetProperty("data").GetProperty("why").GetString());
        Assert.Equal(JsonValueKind.Null, failed.GetProperty("result").ValueKind);

        var late = await CallAsync(id, "hang", new { timeoutSeconds = 1 });
        Assert.Contains("within 1 seconds", late.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);

        JsonElement record = default;
        await Eventually.HoldsAsync(async () =>
        {
            var records = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/access-logs?instance={id}", Cancel);
            record = records.GetProperty("items").EnumerateArray().FirstOrDefault(r => r.GetProperty("traceId").GetString() == trace && r.GetProperty("method").GetString() is not null);
            return record.ValueKind == JsonValueKind.Object;
        });
        Assert.Equal("mcpcan-playground", record.GetProperty("clientName").GetString());
        Assert.Equal("tools/call", record.GetProperty("method").GetString());
        // The pass is no token of the list.
        Assert.DoesNotContain("playground", await app.Viewer.GetStringAsync("api/v1/tokens", Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResourcesAndPrompts_AreListed_AlsoWhenTheServerKnowsOnlySome()
    {
        var id = await RunningAsync();

        var resources = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/resources", Cancel);
        Assert.Equal("file:///a", resources.GetProperty("items")[0].GetProperty("uri").GetString());
        Assert.Equal(0, resources.GetProperty("templates").GetArrayLength());
        Assert.Equal(0, (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/prompts", Cancel)).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task StoppedServer_AndWrongInput_AreProblems()
    {
        var id = await NewAsync(start: false);

        await (await app.Viewer.GetAsync($"api/v1/instances/{id}/tools", Cancel)).ProblemAsync(HttpStatusCode.Conflict, "not-running");
        await (await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/x/call", new { arguments = "no" }, Cancel)).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        await (await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/x/call", new { timeoutSeconds = 0 }, Cancel)).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        Assert.Equal(HttpStatusCode.Forbidden, (await app.Viewer.PostAsJsonAsync($"api/v1/instances/{id}/tools/x/call", new { }, Cancel)).StatusCode);
    }

    private async Task<JsonElement> CallAsync(string id, string tool, object body)
    {
        using var answer = await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/{tool}/call", body, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<string> RunningAsync()
    {
        var id = await NewAsync(start: true);
        await Eventually.HoldsAsync(async () =>
            (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString() == "Running");
        return id;
    }

    private async Task<string> NewAsync(bool start)
    {
        using var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new
        {
            name = $"play {Guid.NewGuid():N}"[..20],
            mode = "managed",
            source = new { type = "command", command = "python3", args = new[] { "-u", "-c", Server } },
            start,
        }, Cancel);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }
}

public sealed class PlaygroundTestsOnSqlite(SqliteApp app) : PlaygroundTests<SqliteApp>(app);

public sealed class PlaygroundTestsOnPostgres(PostgresApp app) : PlaygroundTests<PostgresApp>(app);
