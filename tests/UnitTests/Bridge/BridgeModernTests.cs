using System.Net;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>Modern clients (2026-07-28) in front of a modern server.</summary>
public class BridgeModernTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bytes_OfAModernServer_Pass()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        foreach (var id in (string[])["0", "2.5", "1e3", "123456789012345678901234567890", "\"a\\\"b\\u00e9\"", "\"\""])
        {
            using var response = await (ModernRequest.Tool("echo", new { text = "hello" }) with { Id = id }).SendAsync(bed);
            var body = await response.Content.ReadAsStringAsync(Stop);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal("""{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","content":[{"type":"text","text":"hello"}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern","version":"1"}}}}""".Replace("ID", id, StringComparison.Ordinal), body);
            Assert.False(response.Headers.Contains("Mcp-Session-Id"));
        }
        var discover = await new ModernRequest("server/discover").ResultAsync(bed);
        Assert.Equal("be kind", (string?)discover["instructions"]);
        Assert.Equal("working", (string?)(await new ModernRequest("tasks/get", new { taskId = "7" }).ResultAsync(bed))["status"]);
        var meta = (string?)(await (ModernRequest.Tool("meta") with { LogLevel = "info" }).ResultAsync(bed))["content"]![0]!["text"];
        Assert.Contains("\"example.com/kept\": 1", meta);
        Assert.Contains("clientInfo", meta);
        var one = await ModernRequest.Tool("pid").ResultAsync(bed);
        var two = await (ModernRequest.Tool("pid") with { Principal = "other" }).ResultAsync(bed);
        Assert.Equal((string?)one["content"]![0]!["text"], (string?)two["content"]![0]!["text"]);
    }

    [Fact]
    public async Task Headers_ThatDifferFromTheBody_AreRefused()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        var echo = ModernRequest.Tool("echo");
        static Action<HttpRequestMessage> Set(string name, string? value) => request =>
        {
            request.Headers.Remove(name);
            if (value is not null) request.Headers.TryAddWithoutValidation(name, value);
        };

        Assert.Equal((400, -32020), await (echo with { Change = Set("MCP-Protocol-Version", null) }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("MCP-Protocol-Version", "2025-11-25") }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("Mcp-Method", null) }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("Mcp-Method", "tools/list") }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("Mcp-Name", null) }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("Mcp-Name", "ECHO") }).ErrorAsync(bed));
        Assert.Equal((400, -32020), await (echo with { Change = Set("Mcp-Name", "=?base64?!!?=") }).ErrorAsync(bed));
        Assert.Equal((200, 0), await (echo with { Change = Set("Mcp-Name", "=?base64?ZWNobw==?=") }).ErrorAsync(bed));
        Assert.Equal((400, -32602), await (echo with { ChangeBody = b => b["params"]!.AsObject().Remove("_meta") }).ErrorAsync(bed));
        Assert.Equal((400, -32602), await (echo with { ChangeBody = b => b["params"]!["_meta"]!.AsObject().Remove("io.modelcontextprotocol/clientCapabilities") }).ErrorAsync(bed));
        var (status, body) = await (echo with { Version = "1999-01-01" }).AskAsync(bed);
        Assert.Equal((400, -32022, "[\"2026-07-28\"]", "1999-01-01"), (status, (int)body["error"]!["code"]!, body["error"]!["data"]!["supported"]!.ToJsonString(), (string?)body["error"]!["data"]!["requested"]));
        Assert.Equal((404, -32601), await new ModernRequest("no/such").ErrorAsync(bed));
        Assert.Equal((404, -32601), await new ModernRequest("initialize").ErrorAsync(bed));
        Assert.Equal((400, -32021), await ModernRequest.Tool("elicit").ErrorAsync(bed));

        var region = ModernRequest.Tool("region", new { region = "é", deep = new { count = 42 } });
        Assert.Equal((400, -32020), await region.ErrorAsync(bed));
        Assert.Equal((400, -32020), await (region with { Change = r => { r.Headers.Add("Mcp-Param-Region", "=?base64?w6k=?="); r.Headers.Add("Mcp-Param-Count", "41"); } }).ErrorAsync(bed));
        Assert.Equal((200, 0), await (region with { Change = r => { r.Headers.Add("Mcp-Param-Region", "=?base64?w6k=?="); r.Headers.Add("Mcp-Param-Count", "42.0"); } }).ErrorAsync(bed));
        Assert.Equal((200, 0), await ModernRequest.Tool("region").ErrorAsync(bed));

        using var get = new HttpRequestMessage(HttpMethod.Get, "/mcp") { Headers = { { "MCP-Protocol-Version", "2026-07-28" } } };
        using var refused = await bed.Client.SendAsync(get, Stop);
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "POST"), (refused.StatusCode, refused.Content.Headers.Allow.Single()));
        using var notification = await bed.PostAsync(null, """{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}""");
        Assert.Equal(HttpStatusCode.Accepted, notification.StatusCode);
        using var batch = await bed.PostAsync(null, "[]", change: r => r.Headers.Add("MCP-Protocol-Version", "2026-07-28"));
        Assert.Equal(HttpStatusCode.BadRequest, batch.StatusCode);
    }

    [Fact]
    public async Task Stream_HasNoIdsAndBelongsToItsRequest()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        using var response = await (ModernRequest.Tool("slow", new { steps = 2, seconds = 0.01 }) with { Token = "\"t\"" }).SendAsync(bed);
        Assert.Equal("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        using var events = await EventReader.OpenAsync(response);
        Assert.Contains("\"progressToken\":\"t\",\"progress\":1", await events.NextAsync());
        Assert.Contains("\"progress\":2", await events.NextAsync());
        Assert.Contains("\"id\":1,", await events.NextAsync());
        Assert.Null(await events.NextAsync());
        Assert.Null(events.LastId);

        using var logged = await (ModernRequest.Tool("log") with { LogLevel = "info" }).SendAsync(bed);
        using var lines = await EventReader.OpenAsync(logged);
        Assert.Contains("notifications/message", await lines.NextAsync());
        Assert.Contains("logged", await lines.NextAsync());
        using var quiet = await ModernRequest.Tool("log").SendAsync(bed);
        Assert.Equal("application/json", quiet.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData(0.05, 100)]
    [InlineData(3, 1)]
    public async Task ClosedStream_CancelsTheRequest(double seconds, int steps)
    {
        await using var bed = await BridgeBed.StartModernAsync();
        await ModernRequest.Tool("echo").ResultAsync(bed);
        using (await (ModernRequest.Tool("slow", new { steps, seconds }) with { Token = "1" }).SendAsync(bed)) { }
        await bed.Until(async () => (await File.ReadAllTextAsync(Directory.GetFiles(bed.LogFolder).Single(), Stop)).Contains("cancelled", StringComparison.Ordinal));
        Assert.Equal(0, (int)(await bed.StatusAsync())["runningCalls"]!);
    }

    [Fact]
    public async Task Inputs_OfAModernServer_Pass()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        var request = ModernRequest.Tool("elicit") with { Capabilities = new { elicitation = new { } } };
        var asked = await request.ResultAsync(bed);
        Assert.Equal(("input_required", "state-who"), ((string?)asked["resultType"], (string?)asked["requestState"]));
        var answered = await request.Retry("state-who", new { who = new { action = "decline" } }).ResultAsync(bed);
        Assert.Contains("decline", answered.ToJsonString());
    }

    [Fact]
    public async Task Subscriptions_AreTaggedWithTheClientsId()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        using var first = await Listen(bed, "\"mine\"", new { toolsListChanged = true });
        using var second = await Listen(bed, "1.5", new { resourceSubscriptions = (string[])["test://one"] });
        Assert.Contains("\"io.modelcontextprotocol/subscriptionId\":\"mine\"", await first.NextAsync());
        Assert.Contains("\"io.modelcontextprotocol/subscriptionId\":1.5", await second.NextAsync());
        await ModernRequest.Tool("change").ResultAsync(bed);
        await ModernRequest.Tool("touch", new { uri = "test://one" }).ResultAsync(bed);
        Assert.Equal("""{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"mine"}}}""", await first.NextAsync());
        Assert.Contains("\"subscriptionId\":1.5},\"uri\":\"test://one\"".Replace("\"subs", "io.modelcontextprotocol/subs", StringComparison.Ordinal), await second.NextAsync());
        await ModernRequest.Tool("hang_up").ResultAsync(bed);
        Assert.Null(await first.NextAsync());
        Assert.Null(await second.NextAsync());

        using var third = await Listen(bed, "\"3\"", new { toolsListChanged = true });
        Assert.Contains("acknowledged", await third.NextAsync());
        await ModernRequest.Tool("farewell").ResultAsync(bed);
        Assert.Equal("""{"jsonrpc":"2.0","id":"3","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"3"}}}""", await third.NextAsync());
        Assert.Null(await third.NextAsync());

        using (var fourth = await Listen(bed, "4", new { toolsListChanged = true })) Assert.Contains("acknowledged", await fourth.NextAsync());
        await bed.Until(async () => (await ModernRequest.Tool("listening").ResultAsync(bed))["content"]![0]!["text"]!.ToString() == "[]");
    }

    internal static async Task<EventReader> Listen(BridgeBed bed, string id, object notifications)
        => await EventReader.OpenAsync(await (new ModernRequest("subscriptions/listen", new { notifications }) with { Id = id }).SendAsync(bed));

    [Fact]
    public async Task Crash_OfAModernServer_IsMendedByTheNextRequest()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        var (_, body) = await ModernRequest.Tool("crash").AskAsync(bed);
        Assert.Equal(-32010, (int)body["error"]!["code"]!);
        Assert.Contains("code 4", (string?)body["error"]!["message"]);
        Assert.Equal((200, 0), await ModernRequest.Tool("echo").ErrorAsync(bed));
        Assert.Equal(1, (int)(await bed.StatusAsync())["restarts"]!);
    }

    [Fact]
    public async Task ServerOfBothEras_ServesEachClientInItsOwn()
    {
        await using var bed = await BridgeBed.StartModernAsync(null, "--dual");
        Assert.Equal((200, 0), await new ModernRequest("server/discover").ErrorAsync(bed));
        var session = await bed.OpenAsync();
        Assert.Contains("legacy hello", await bed.CallAsync(session, "echo", new { text = "hello" }));
        Assert.Contains("hello", (await ModernRequest.Tool("echo", new { text = "hello" }).ResultAsync(bed))["content"]!.ToJsonString());
        Assert.Contains("legacy again", await bed.CallAsync(session, "echo", new { text = "again" }));
    }

    [Theory]
    [InlineData("per-session")]
    [InlineData("shared")]
    [InlineData("per-principal")]
    public async Task ManyCalls_AtOneTime_GetTheirOwnAnswers(string processes)
    {
        await using var bed = await BridgeBed.StartModernAsync(new { processes, era = "modern" });
        var calls = Enumerable.Range(0, 200).Select(i => ModernRequest.Tool("echo", new { text = $"text {i}." }).ResultAsync(bed)).ToArray();
        for (var i = 0; i < calls.Length; i++) Assert.Equal($"text {i}.", (string?)(await calls[i])["content"]![0]!["text"]);
        Assert.Equal("ready", (string?)(await bed.StatusAsync())["state"]);
    }
}
