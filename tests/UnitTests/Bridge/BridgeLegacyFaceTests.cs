using System.Text;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>Legacy clients in front of a server that speaks the modern era alone.</summary>
public class BridgeLegacyFaceTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("per-session", "")]
    [InlineData("shared", "")]
    [InlineData("per-principal", "")]
    [InlineData("per-session", "--exit-on-initialize")]
    [InlineData("shared", "--exit-on-initialize")]
    public async Task ServerOfTheModernEra_IsFoundOutAndServed(string processes, string option)
    {
        await using var bed = await BridgeBed.StartModernAsync(new { processes }, option);
        if (processes == "shared") await bed.Until(async () => (string?)(await bed.StatusAsync())["state"] == "ready");
        using var response = await bed.PostAsync(null, """{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"old","version":"3"}}}""");
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!;
        Assert.Equal("""{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}},"serverInfo":{"name":"modern","version":"1"},"instructions":"be kind"}""", answer["result"]?.ToJsonString());
        Assert.Equal("i", (string?)answer["id"]);
        var session = response.Headers.GetValues("Mcp-Session-Id").Single();
        Assert.Contains("hello", await bed.CallAsync(session, "echo", new { text = "hello" }, id: "2.5"));
        var meta = await bed.CallAsync(session, "meta");
        Assert.Contains("""\"io.modelcontextprotocol/clientInfo\": {\"name\": \"old\", \"version\": \"3\"}""", meta);
        Assert.Contains("""\"io.modelcontextprotocol/clientCapabilities\": {\"roots\": {}}""", meta);
        using var ping = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":3,"method":"ping"}""");
        Assert.Equal("""{"jsonrpc":"2.0","id":3,"result":{}}""", await ping.Content.ReadAsStringAsync(Stop));
        using var list = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":4,"method":"tools/list"}""");
        Assert.Contains("\"region\"", await list.Content.ReadAsStringAsync(Stop));
        using var none = await bed.PostAsync(session, """{ "id":5 , "params":{}, "method":"no/such","jsonrpc":"2.0"}""");
        Assert.Contains("-32601", await none.Content.ReadAsStringAsync(Stop));
    }

    static async Task<(BridgeBed Bed, string Session)> StartAsync(string capabilities = """{"elicitation":{},"sampling":{},"roots":{}}""", string version = "2025-06-18")
    {
        var bed = await BridgeBed.StartModernAsync(new { era = "modern" });
        using var response = await bed.PostAsync(null, $$$"""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"{{{version}}}","capabilities":{{{capabilities}}} } }""");
        var session = response.Headers.GetValues("Mcp-Session-Id").Single();
        using var ready = await bed.PostAsync(session, """{"jsonrpc":"2.0","method":"notifications/initialized"}""");
        return (bed, session);
    }

    static async Task Respond(BridgeBed bed, string session, JsonNode request, string member)
    {
        using var response = await bed.PostAsync(session, $$"""{"jsonrpc":"2.0","id":{{request["id"]!.ToJsonString()}},{{member}}}""");
        Assert.Equal(202, (int)response.StatusCode);
    }

    [Fact]
    public async Task Inputs_OfAModernServer_BecomeRequestsToTheClient()
    {
        var (bed, session) = await StartAsync();
        await using var _ = bed;
        using var response = await bed.PostAsync(session, BridgeBed.Call("\"x\"", "twice"));
        using var events = await EventReader.OpenAsync(response);
        var first = JsonNode.Parse(await events.NextMessageAsync())!;
        var second = JsonNode.Parse(await events.NextMessageAsync())!;
        Assert.Equal(("sampling/createMessage", "roots/list"), ((string?)first["method"], (string?)second["method"]));
        Assert.Equal(5, (int)first["params"]!["maxTokens"]!);
        await Respond(bed, session, second, "\"result\":{\"roots\":[]}");
        await Respond(bed, session, first, "\"result\":{\"role\":\"assistant\"}");
        var third = JsonNode.Parse(await events.NextMessageAsync())!;
        Assert.Equal("more?", (string?)third["params"]!["message"]);
        await Respond(bed, session, third, "\"result\":{\"action\":\"accept\"}");
        var answer = JsonNode.Parse(await events.NextMessageAsync())!;
        Assert.Equal("x", (string?)answer["id"]);
        var told = JsonNode.Parse((string)answer["result"]!["content"]![0]!["text"]!)!;
        Assert.Equal("""two {"a": {"role": "assistant"}, "b": {"roots": []}}""", (string?)told[0]);
        Assert.Equal("""{"c":{"action":"accept"}}""", told[1]!.ToJsonString());
    }

    [Fact]
    public async Task Client_ThatRefusesAnInput_GetsAnAnswerAllTheSame()
    {
        var (bed, session) = await StartAsync();
        await using var _ = bed;
        using var response = await bed.PostAsync(session, BridgeBed.Call("1", "elicit"));
        using var events = await EventReader.OpenAsync(response);
        await Respond(bed, session, JsonNode.Parse(await events.NextMessageAsync())!, "\"error\":{\"code\":-1,\"message\":\"no\"}");
        Assert.Contains("cancel", await events.NextMessageAsync());
        using var other = await bed.PostAsync(session, BridgeBed.Call("2", "twice"));
        using var more = await EventReader.OpenAsync(other);
        await Respond(bed, session, JsonNode.Parse(await more.NextMessageAsync())!, "\"error\":{\"code\":-1,\"message\":\"not here\"}");
        await more.NextMessageAsync();
        Assert.Contains("not here", await more.NextMessageAsync());
    }

    [Fact]
    public async Task Progress_LogsAndCancellation_BelongToTheirCall()
    {
        var (bed, session) = await StartAsync();
        await using var _ = bed;
        using var response = await bed.PostAsync(session, BridgeBed.Call("1.5", "slow", new { steps = 2, seconds = 0.01 }, "\"t\""));
        using var events = await EventReader.OpenAsync(response);
        Assert.Contains("\"progressToken\":\"t\",\"progress\":1", await events.NextMessageAsync());
        Assert.Contains("\"progress\":2", await events.NextMessageAsync());
        Assert.Contains("\"id\":1.5", await events.NextMessageAsync());

        Assert.DoesNotContain("notifications/message", await bed.CallAsync(session, "log"));
        using var level = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}""");
        var logged = await bed.CallAsync(session, "log", new { text = "a line" });
        Assert.Contains("a line", logged);
        Assert.Contains("logged", logged);

        using var slow = await bed.PostAsync(session, BridgeBed.Call("\"c\"", "slow", new { steps = 100, seconds = 0.1 }, "1"));
        using var cancelled = await bed.PostAsync(session, """{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}""");
        await bed.Until(async () => (await File.ReadAllTextAsync(Directory.GetFiles(bed.LogFolder).Single(), Stop)).Contains("cancelled", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Changes_AndSubscriptions_ReachTheSession()
    {
        var (bed, session) = await StartAsync();
        await using var _ = bed;
        using var events = await bed.GetAsync(session);
        async Task Listening(int count) => await bed.Until(async () => JsonNode.Parse((string)(await ModernRequest.Tool("listening").ResultAsync(bed))["content"]![0]!["text"]!)!.AsArray().Count == count);
        await Listening(1);
        await bed.CallAsync(session, "change");
        Assert.Contains("tools/list_changed", await events.NextMessageAsync());
        using var subscribed = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://one"}}""");
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":{}}""", await subscribed.Content.ReadAsStringAsync(Stop));
        await Listening(1);
        await bed.CallAsync(session, "touch", new { uri = "test://one" });
        Assert.Contains("test://one", await events.NextMessageAsync());
        using var unsubscribed = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"test://one"}}""");
        await bed.CallAsync(session, "touch", new { uri = "test://one" });
        await bed.CallAsync(session, "change");
        Assert.Contains("tools/list_changed", await events.NextMessageAsync());

        Assert.Contains("code 4", await bed.CallAsync(session, "crash"));
        Assert.Contains("again", await bed.CallAsync(session, "echo", new { text = "again" }));
        await Listening(1);
        using var end = new HttpRequestMessage(HttpMethod.Delete, "/mcp") { Headers = { { "Mcp-Session-Id", session } } };
        await bed.Client.SendAsync(end, Stop);
        await Listening(0);
    }

    [Fact]
    public async Task SseClient_UsesAModernServer()
    {
        await using var bed = await BridgeBed.StartModernAsync();
        using var events = await bed.GetAsync("", path: "/sse");
        var path = "/" + await events.NextAsync();
        async Task Send(string json)
        {
            using var response = await bed.PostAsync(null, Encoding.UTF8.GetBytes(json), path: path);
            Assert.Equal(202, (int)response.StatusCode);
        }
        await Send("""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"elicitation":{}}}}""");
        Assert.Contains("\"protocolVersion\":\"2024-11-05\"", await events.NextAsync());
        await Send("""{"jsonrpc":"2.0","method":"notifications/initialized"}""");
        await Send(BridgeBed.Call("6", "elicit"));
        var request = JsonNode.Parse((await events.NextAsync())!)!;
        Assert.Equal("elicitation/create", (string?)request["method"]);
        await Send($$$"""{"jsonrpc":"2.0","id":{{{request["id"]}}},"result":{"action":"decline"}}""");
        Assert.Contains("decline", await events.NextAsync());
    }
}
