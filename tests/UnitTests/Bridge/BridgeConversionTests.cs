using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>Modern clients (2026-07-28) in front of a legacy server.</summary>
public class BridgeConversionTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;
    static readonly object Everything = new { sampling = new { }, elicitation = new { }, roots = new { } };

    static string? Text(JsonNode result) => (string?)result["content"]![0]!["text"];

    [Theory]
    [InlineData("per-session")]
    [InlineData("shared")]
    [InlineData("per-principal")]
    public async Task Results_OfALegacyServer_AreOfTheModernEra(string processes)
    {
        await using var bed = await BridgeBed.StartAsync(new { processes });
        var discover = await new ModernRequest("server/discover").ResultAsync(bed);
        Assert.Equal("""["2026-07-28"]""", discover["supportedVersions"]!.ToJsonString());
        Assert.Equal("echo", (string?)discover["_meta"]!["io.modelcontextprotocol/serverInfo"]!["name"]);
        Assert.Equal("""{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}""", discover["capabilities"]!.ToJsonString());

        var (status, answer) = await (ModernRequest.Tool("echo", new { text = "hello" }) with { Id = "\"x\"" }).AskAsync(bed);
        Assert.Equal("""{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo","version":"1"}},"content":[{"type":"text","text":"hello"}]}}""", answer.ToJsonString());
        Assert.Equal(200, status);
        var list = await new ModernRequest("tools/list").ResultAsync(bed);
        Assert.Equal((0, "private", "complete"), ((int)list["ttlMs"]!, (string?)list["cacheScope"], (string?)list["resultType"]));
        Assert.Equal((404, -32601), await new ModernRequest("ping").ErrorAsync(bed));
        Assert.Equal((404, -32601), await new ModernRequest("prompts/list").ErrorAsync(bed));
        Assert.Equal((404, -32601), await new ModernRequest("tasks/list").ErrorAsync(bed));
        Assert.Equal((400, -32022), await (new ModernRequest("tools/list") with { Version = "2025-11-25" }).ErrorAsync(bed));
        Assert.Equal((400, -32021), await ModernRequest.Tool("sample").ErrorAsync(bed));

        using var response = await (ModernRequest.Tool("slow", new { steps = 2, seconds = 0.01 }) with { Token = "\"t\"" }).SendAsync(bed);
        using var events = await EventReader.OpenAsync(response);
        Assert.Contains("\"progressToken\":\"t\",\"progress\":1", await events.NextAsync());
        Assert.Contains("\"progress\":2", await events.NextAsync());
        Assert.Contains("done", await events.NextAsync());
    }

    [Fact]
    public async Task OddResults_AreAddedToWithCare()
    {
        await using var bed = await BridgeBed.StartAsync();
        async Task<string> Raw(string line)
        {
            using var response = await ModernRequest.Tool("raw", new { line }).SendAsync(bed);
            return await response.Content.ReadAsStringAsync(Stop);
        }
        const string info = "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"echo\",\"version\":\"1\"}";
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","_meta":{INFO}}}""".Replace("INFO", info, StringComparison.Ordinal), await Raw("""{"jsonrpc":"2.0","id":$ID,"result":{}}"""));
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","a":1, "_meta" : {INFO,"b":2.50}}}""".Replace("INFO", info, StringComparison.Ordinal), await Raw("""{"jsonrpc":"2.0","id":$ID,"result":{"a":1, "_meta" : {"b":2.50}}}"""));
        Assert.Equal("""{"result":{"_meta":{INFO},"resultType":"odd"},"jsonrpc":"2.0","id":1}""".Replace("INFO", info, StringComparison.Ordinal), await Raw("""{"result":{"resultType":"odd"},"jsonrpc":"2.0","id":$ID}"""));
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":null}""", await Raw("""{"jsonrpc":"2.0","id":$ID,"result":null}"""));
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"gone"}}""", await Raw("""{"jsonrpc":"2.0","id":$ID,"error":{"code":-32002,"message":"gone"}}"""));
    }

    [Fact]
    public async Task Inputs_OfALegacyServer_AreAskedAndGivenBack()
    {
        await using var bed = await BridgeBed.StartAsync();
        var request = ModernRequest.Tool("elicit") with { Capabilities = Everything, Principal = "ann" };
        var asked = await request.ResultAsync(bed);
        Assert.Equal("input_required", (string?)asked["resultType"]);
        var (key, input) = asked["inputRequests"]!.AsObject().Single();
        Assert.Equal(("elicitation/create", "who?"), ((string?)input!["method"], (string?)input["params"]!["message"]));
        var state = (string)asked["requestState"]!;

        var answers = new Dictionary<string, object> { [key] = new { action = "accept", content = new { name = "Ann" } }, ["unknown"] = 5 };
        Assert.Equal((200, -32602), await (request.Retry(state, answers) with { Principal = "bob" }).ErrorAsync(bed));
        Assert.Equal((200, -32602), await (ModernRequest.Tool("sample") with { Capabilities = Everything, Principal = "ann" }).Retry(state, answers).ErrorAsync(bed));
        Assert.Equal((200, -32602), await request.Retry(state + "x", answers).ErrorAsync(bed));
        var again = await request.Retry(state, new { }).ResultAsync(bed);
        Assert.Equal("input_required", (string?)again["resultType"]);
        var result = await request.Retry((string)again["requestState"]!, answers).ResultAsync(bed);
        Assert.Equal("complete", (string?)result["resultType"]);
        Assert.Equal("""{"action": "accept", "content": {"name": "Ann"}}""", Text(result));
        Assert.Equal((200, -32602), await request.Retry((string)again["requestState"]!, answers).ErrorAsync(bed));
    }

    [Fact]
    public async Task LeasedServers_AreUsedAgainByTheSameClient()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0 });
        var request = ModernRequest.Tool("environment") with { Capabilities = Everything, Principal = "ann" };
        static int Pid(JsonNode result) => (int)JsonNode.Parse(Text(result)!)!["pid"]!;
        var first = Pid(await request.ResultAsync(bed));
        Assert.Equal(first, Pid(await request.ResultAsync(bed)));
        Assert.NotEqual(first, Pid(await (request with { Principal = "bob" }).ResultAsync(bed)));
        Assert.NotEqual(first, Pid(await (request with { Capabilities = new { roots = new { } } }).ResultAsync(bed)));
    }

    [Fact]
    public async Task LogLines_GoToTheCallThatAskedForThem()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" });
        using var response = await (ModernRequest.Tool("log", new { text = "a line" }) with { LogLevel = "debug" }).SendAsync(bed);
        using var events = await EventReader.OpenAsync(response);
        Assert.Contains("a line", await events.NextAsync());
        Assert.Contains("logged", await events.NextAsync());
        using var quiet = await (ModernRequest.Tool("log") with { Capabilities = Everything }).SendAsync(bed);
        Assert.Equal("application/json", quiet.Content.Headers.ContentType?.MediaType);
        Assert.Equal((200, -32602), await (ModernRequest.Tool("log") with { LogLevel = "loud" }).ErrorAsync(bed));
    }

    [Fact]
    public async Task ClosedStream_EndsTheLeasedServer()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0 });
        await new ModernRequest("server/discover").ResultAsync(bed);
        var before = bed.Processes().Length;
        using (await (ModernRequest.Tool("slow", new { steps = 100, seconds = 0.05 }) with { Token = "1", Capabilities = Everything }).SendAsync(bed))
            Assert.Equal(before + 1, bed.Processes().Length);
        await bed.Until(() => Task.FromResult(bed.Processes().Length == before));
    }

    [Fact]
    public async Task Subscriptions_AtALegacyServer_CarryWhatWasAskedFor()
    {
        await using var bed = await BridgeBed.StartAsync();
        using var first = await BridgeModernTests.Listen(bed, "\"mine\"", new { toolsListChanged = true, promptsListChanged = true });
        using var second = await BridgeModernTests.Listen(bed, "7", new { resourceSubscriptions = (string[])["test://one"] });
        Assert.Equal("""{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"mine"},"notifications":{"toolsListChanged":true}}}""", await first.NextAsync());
        Assert.Equal("""{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"resourceSubscriptions":["test://one"]}}}""", await second.NextAsync());
        await ModernRequest.Tool("touch").ResultAsync(bed);
        await ModernRequest.Tool("change").ResultAsync(bed);
        Assert.Equal("""{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"uri":"test://one"}}""", await second.NextAsync());
        Assert.Equal("""{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"mine"}}}""", await first.NextAsync());
        second.Dispose();
        await bed.Until(async () => Text(await ModernRequest.Tool("touch").ResultAsync(bed)) == "[]");
    }

    [Fact]
    public async Task SilentServer_IsTakenForALegacyOne()
    {
        await using var bed = await BridgeBed.StartAsync(new { probeSeconds = 0.3, startSeconds = 1 }, "--silent");
        var (_, body) = await new ModernRequest("server/discover").AskAsync(bed);
        Assert.Contains("did not answer initialize", (string?)body["error"]!["message"]);
    }

    [Fact]
    public async Task Probe_ThatCrashes_IsNotCountedAsAFailure()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" }, "--exit-on-discover");
        Assert.Equal("hello", Text(await ModernRequest.Tool("echo", new { text = "hello" }).ResultAsync(bed)));
        var status = await bed.StatusAsync();
        Assert.Equal(("ready", 0), ((string?)status["state"], (int)status["restarts"]!));
    }

    [Fact]
    public async Task ParkedCall_WhoseClientDoesNotComeBack_EndsWithItsServer()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0, parkSeconds = 0.4 });
        var request = ModernRequest.Tool("elicit") with { Capabilities = Everything };
        var asked = await request.ResultAsync(bed);
        Assert.Equal(2, bed.Processes().Length);
        await bed.Until(() => Task.FromResult(bed.Processes().Length == 1));
        Assert.Equal((200, -32602), await request.Retry((string)asked["requestState"]!, new { }).ErrorAsync(bed));
    }

    [Fact]
    public async Task RequiredAddress_BecomesAnInput()
    {
        await using var bed = await BridgeBed.StartAsync();
        const string error = """{"jsonrpc":"2.0","id":$ID,"error":{"code":-32042,"message":"visit","data":{"elicitations":[{"mode":"url","elicitationId":"7","url":"https://example.com","message":"please"}]}}}""";
        var request = ModernRequest.Tool("raw", new { line = error }) with { Capabilities = new { elicitation = new { url = new { } } } };
        var asked = await request.ResultAsync(bed);
        var (key, input) = asked["inputRequests"]!.AsObject().Single();
        Assert.Equal(("elicitation/create", "https://example.com"), ((string?)input!["method"], (string?)input["params"]!["url"]));
        var again = await request.Retry((string)asked["requestState"]!, new Dictionary<string, object> { [key] = new { action = "accept" } }).ResultAsync(bed);
        Assert.Equal("input_required", (string?)again["resultType"]); // the request was sent again, and the server says the same
        Assert.Equal((200, -32603), await (request with { Capabilities = new { elicitation = new { } } }).ErrorAsync(bed));
    }

    [Fact]
    public async Task StoppingBridge_EndsSubscriptionsInGoodOrder()
    {
        await using var bed = await BridgeBed.StartAsync();
        using var listen = await BridgeModernTests.Listen(bed, "\"l\"", new { toolsListChanged = true });
        Assert.Contains("acknowledged", await listen.NextAsync());
        using var stopped = await bed.Client.PostAsync("/-/stop", null, Stop);
        Assert.Equal("""{"jsonrpc":"2.0","id":"l","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}""", await listen.NextAsync());
        Assert.Null(await listen.NextAsync());
        await bed.Process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(20), Stop);
    }

    [Fact]
    public async Task ManyCalls_WithAndWithoutLease_GetTheirOwnAnswers()
    {
        await using var bed = await BridgeBed.StartAsync(new { maxLeases = 3 });
        var calls = Enumerable.Range(0, 60).Select(i => (ModernRequest.Tool("echo", new { text = $"text {i}." }) with { Capabilities = i % 2 == 0 ? new { } : Everything, Principal = $"p{i % 3}" }).ResultAsync(bed)).ToArray();
        for (var i = 0; i < calls.Length; i++) Assert.Equal($"text {i}.", Text(await calls[i]));
        Assert.True(bed.Processes().Length <= 3 + 3 + 1 + 3);
    }
}
