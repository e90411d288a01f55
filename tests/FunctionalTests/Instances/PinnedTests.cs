using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>What a sleeping server offers is answered without waking it.</summary>
public abstract class PinnedTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Two pages of tools, whose descriptions come from a file, so that they can change between two runs.
    private const string Server = """
        import json, os, sys, time
        home = os.environ.get("HOME", "/tmp")
        count = os.path.join(home, "starts")
        starts = int(open(count).read()) + 1 if os.path.exists(count) else 1
        open(count, "w").write(str(starts))
        slow = float(os.environ.get("SLOW", "0")) if starts > 1 else 0
        time.sleep(slow)
        names = ["echo", "secret"] + (["fresh"] if starts > 1 and os.environ.get("CHANGES") else [])
        for line in sys.stdin:
            m = json.loads(line)
            if "id" not in m: continue
            r, p = None, m.get("params") or {}
            if m["method"] == "initialize": r = {"protocolVersion": p["protocolVersion"], "capabilities": {"tools": {}, "prompts": {}, "resources": {}}, "serverInfo": {"name": "tiny", "version": "1"}, "instructions": "Be gentle."}
            if m["method"] == "tools/list":
                at = int(p.get("cursor", "0"))
                r = {"tools": [{"name": names[at], "inputSchema": {"type": "object"}}]}
                if at + 1 < len(names): r["nextCursor"] = str(at + 1)
            if m["method"] == "prompts/list": r = {"prompts": [{"name": "greet"}]}
            if m["method"] == "resources/list": r = {"resources": [{"uri": "file:///a", "name": "a"}]}
            if m["method"] == "tools/call": r = {"content": [{"type": "text", "text": p["arguments"].get("text", "")}]}
            if m["method"] == "ping": r = {}
            answer = {"result": r} if r is not None else {"error": {"code": -32601, "message": "Method not found"}}
            print(json.dumps({"jsonrpc": "2.0", "id": m["id"], **answer}), flush=True)
        """;

    [Fact]
    public async Task SleepingServer_SaysWhatItOffers_AndSleepsOn_UntilACallWakesIt()
    {
        var (id, slug) = await SleepingAsync();
        var client = new Client(app, slug, await TokenAsync(id));

        var hello = await client.AskAsync("initialize", new { protocolVersion = "2025-06-18", capabilities = new { }, clientInfo = new { name = "c", version = "1" } });
        await client.NotifyAsync("notifications/initialized");
        Assert.Equal("2025-06-18", (string?)hello["result"]!["protocolVersion"]);
        Assert.Equal("Be gentle.", (string?)hello["result"]!["instructions"]);
        Assert.Equal(["echo", "secret"], Names(await client.AskAsync("tools/list", new { }), "tools"));
        Assert.Equal(["greet"], Names(await client.AskAsync("prompts/list", new { }), "prompts"));
        Assert.Equal(["a"], Names(await client.AskAsync("resources/list", new { }), "resources"));
        Assert.Equal(-32601, (int?)(await client.AskAsync("resources/templates/list", new { }))["error"]!["code"]);
        Assert.NotNull((await client.AskAsync("ping", new { }))["result"]);
        Assert.Equal("Sleeping", await StateAsync(id));

        // The same session goes on at the server.
        Assert.Equal("awake", Text(await client.AskAsync("tools/call", new { name = "echo", arguments = new { text = "awake" } })));
        Assert.Equal("Running", await StateAsync(id));
        Assert.Equal("again", Text(await client.AskAsync("tools/call", new { name = "echo", arguments = new { text = "again" } })));
        Assert.Equal(["echo"], Names(await client.AskAsync("tools/list", new { }), "tools")); // the server's own first page
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task ModernClient_IsAnsweredWhileTheServerSleeps_AndWakesItWithACall()
    {
        var (id, slug) = await SleepingAsync();
        var client = new Client(app, slug, await TokenAsync(id)) { IsModern = true };

        Assert.NotNull((await client.AskAsync("server/discover", new { }))["result"]!["capabilities"]!["tools"]);
        Assert.Equal(["echo", "secret"], Names(await client.AskAsync("tools/list", new { }), "tools"));
        Assert.Equal("Sleeping", await StateAsync(id));

        Assert.Equal("up", Text(await client.AskAsync("tools/call", new { name = "echo", arguments = new { text = "up" } }, "echo")));
        Assert.Equal("Running", await StateAsync(id));
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task TokenThatMayNotUseATool_DoesNotSeeItWhileTheServerSleeps()
    {
        var (id, slug) = await SleepingAsync();
        var client = new Client(app, slug, await TokenAsync(id, ["echo"]));
        await client.AskAsync("initialize", new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "c", version = "1" } });

        Assert.Equal(["echo"], Names(await client.AskAsync("tools/list", new { }), "tools"));
        Assert.NotNull((await client.AskAsync("tools/call", new { name = "secret", arguments = new { } }))["error"]);
        Assert.Equal("Sleeping", await StateAsync(id));

        // Whose session it is holds as for any other.
        var other = new Client(app, slug, await TokenAsync(id)) { Session = client.Session };
        Assert.Equal(404, (await other.AskAsync("tools/list", new { }, status: true)).GetValue<int>());
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task ListThatIsAnotherAfterTheWake_IsToldToTheSession()
    {
        var (id, slug) = await SleepingAsync(("CHANGES", "1"));
        var client = new Client(app, slug, await TokenAsync(id));
        var hello = await client.AskAsync("initialize", new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "c", version = "1" } });
        await client.NotifyAsync("notifications/initialized");
        Assert.True((bool?)hello["result"]!["capabilities"]!["tools"]!["listChanged"]);
        Assert.Equal(["echo", "secret"], Names(await client.AskAsync("tools/list", new { }), "tools"));
        await using var listening = await client.ListenAsync();

        await client.AskAsync("tools/call", new { name = "echo", arguments = new { text = "x" } });

        Assert.Equal("notifications/tools/list_changed", (string?)(await listening.NextAsync())["method"]);
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task CallerWithAProgressToken_HearsThatTheServerWakes()
    {
        var (id, slug) = await SleepingAsync(("SLOW", "2.5"));
        var client = new Client(app, slug, await TokenAsync(id));
        await client.AskAsync("initialize", new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "c", version = "1" } });

        var answers = await client.AllAsync("tools/call", new { name = "echo", arguments = new { text = "late" }, _meta = new { progressToken = "p1" } });

        Assert.Contains(answers, a => (string?)a["method"] == "notifications/progress" && (string?)a["params"]!["progressToken"] == "p1" && ((string?)a["params"]!["message"])!.Contains("waking", StringComparison.Ordinal));
        Assert.Equal("late", Text(answers[^1]));
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    [Fact]
    public async Task ChangedSettings_AreNotAnsweredFromWhatWasSaidBefore()
    {
        var (id, slug) = await SleepingAsync();
        var client = new Client(app, slug, await TokenAsync(id));
        await client.AskAsync("initialize", new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "c", version = "1" } });

        using var changed = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { env = new Dictionary<string, string> { ["CHANGES"] = "1" } }, Cancel);
        Assert.True(changed.IsSuccessStatusCode, await changed.Content.ReadAsStringAsync(Cancel));

        Assert.Equal(404, (await client.AskAsync("tools/list", new { }, status: true)).GetValue<int>());
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    private async Task<(string Id, string Slug)> SleepingAsync(params (string Name, string Value)[] env)
    {
        using var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new
        {
            name = $"pinned {Guid.NewGuid():N}"[..20],
            mode = "managed",
            start = true,
            source = new { type = "command", command = "python3", args = new[] { "-c", Server } },
            processes = "shared",
            limits = new { sleepSeconds = 1 },
            env = env.ToDictionary(e => e.Name, e => e.Value),
        }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var id = made.GetProperty("id").GetString()!;
        await Eventually.HoldsAsync(async () => await StateAsync(id) == "Sleeping");
        await Eventually.HoldsAsync(async () => (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/events", Cancel)).GetProperty("items").EnumerateArray().Any(e => e.GetProperty("kind").GetString() == "slept"));
        return (id, made.GetProperty("slug").GetString()!);
    }

    private async Task<string> TokenAsync(string id, string[]? tools = null)
    {
        using var made = await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { id }, tools }, Cancel);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Cancel));
        return (await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("value").GetString()!;
    }

    private async Task<string?> StateAsync(string id) => (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString();

    private static List<string?> Names(JsonNode answer, string list) => [.. answer["result"]![list]!.AsArray().Select(t => (string?)t!["name"])];

    private static string? Text(JsonNode answer) => (string?)answer["result"]!["content"]![0]!["text"];

    private sealed class Client(TestApp app, string slug, string token)
    {
        private readonly HttpClient _http = app.NewClient(token);
        private int _id;

        public bool IsModern { get; init; }
        public string? Session { get; set; }

        public async Task<JsonNode> AskAsync(string method, object parameters, string? name = null, bool status = false)
        {
            using var answer = await SendAsync(method, parameters, ++_id, name);
            if (status) return JsonValue.Create((int)answer.StatusCode);
            var text = await answer.Content.ReadAsStringAsync(Cancel);
            Assert.True(answer.IsSuccessStatusCode, $"{method}: {(int)answer.StatusCode} {text}");
            if (answer.Headers.TryGetValues("Mcp-Session-Id", out var session)) Session = session.Single();
            return Messages(text).Last(m => m["id"] is not null);
        }

        public async Task<List<JsonNode>> AllAsync(string method, object parameters)
        {
            using var answer = await SendAsync(method, parameters, ++_id, null);
            return Messages(await answer.Content.ReadAsStringAsync(Cancel));
        }

        public async Task NotifyAsync(string method)
        {
            using var answer = await SendAsync(method, new { }, null, null);
            Assert.Equal(202, (int)answer.StatusCode);
        }

        public async Task<Listening> ListenAsync()
        {
            var request = new HttpRequestMessage(HttpMethod.Get, $"mcp-gateway/{slug}/mcp");
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
            request.Headers.Add("Mcp-Session-Id", Session);
            var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
            Assert.True(response.IsSuccessStatusCode);
            return new Listening(response, await response.Content.ReadAsStreamAsync(Cancel));
        }

        private async Task<HttpResponseMessage> SendAsync(string method, object parameters, int? id, string? name)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"mcp-gateway/{slug}/mcp");
            var body = new JsonObject { ["jsonrpc"] = "2.0", ["method"] = method, ["params"] = JsonSerializer.SerializeToNode(parameters) };
            if (id is not null) body["id"] = id;
            if (IsModern)
            {
                body["params"]!["_meta"] = new JsonObject
                {
                    ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
                    ["io.modelcontextprotocol/clientInfo"] = new JsonObject { ["name"] = "c", ["version"] = "1" },
                    ["io.modelcontextprotocol/clientCapabilities"] = new JsonObject(),
                };
                request.Headers.Add("MCP-Protocol-Version", "2026-07-28");
                request.Headers.Add("Mcp-Method", method);
                if (name is not null) request.Headers.Add("Mcp-Name", name);
            }
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
            if (Session is not null) request.Headers.Add("Mcp-Session-Id", Session);
            return await _http.SendAsync(request, Cancel);
        }

        public static List<JsonNode> Messages(string text) => text.StartsWith('{')
            ? [JsonNode.Parse(text)!]
            : [.. text.Split('\n').Where(l => l.StartsWith("data:", StringComparison.Ordinal) && l.Length > 6).Select(l => JsonNode.Parse(l[5..])!)];
    }

    private sealed class Listening(HttpResponseMessage response, Stream stream) : IAsyncDisposable
    {
        private readonly StreamReader _reader = new(stream);

        public async Task<JsonNode> NextAsync()
        {
            while (await _reader.ReadLineAsync(Cancel) is { } line)
            {
                if (line.StartsWith("data:", StringComparison.Ordinal) && line.Length > 6) return JsonNode.Parse(line[5..])!;
            }
            throw new InvalidOperationException("The stream ended.");
        }

        public ValueTask DisposeAsync()
        {
            _reader.Dispose();
            response.Dispose();
            return default;
        }
    }
}

public sealed class PinnedTestsOnSqlite(SqliteApp app) : PinnedTests<SqliteApp>(app);

public sealed class PinnedTestsOnPostgres(PostgresApp app) : PinnedTests<PostgresApp>(app);
