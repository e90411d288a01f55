using System.Net;
using System.Text;

namespace McpCan.UnitTests.Bridge;

/// <summary>The rules of the transport: statuses, headers, forms of ids and messages.</summary>
public class BridgeHttpTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_OfEveryForm_GetTheRightStatus()
    {
        await using var bed = await BridgeBed.StartAsync(new { maxMessageBytes = 100_000 });
        var session = await bed.OpenAsync();
        const string ping = """{"jsonrpc":"2.0","id":1,"method":"ping"}""";

        async Task Expect(HttpStatusCode status, string part, string? sessionId, byte[] body, Action<HttpRequestMessage>? change = null)
        {
            using var response = await bed.PostAsync(sessionId, body, change: change);
            var text = await response.Content.ReadAsStringAsync(Stop);
            Assert.Equal((status, text), (response.StatusCode, text));
            Assert.Contains(part, text, StringComparison.Ordinal);
        }
        byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

        await Expect(HttpStatusCode.OK, "result", session, Utf8(ping));
        await Expect(HttpStatusCode.OK, "result", session, [0xEF, 0xBB, 0xBF, .. Utf8(ping)]);
        await Expect(HttpStatusCode.OK, "result", session, Utf8("{\r\n \"jsonrpc\":\"2.0\",\n\"id\":1,\"method\":\"ping\"}\n"));
        await Expect(HttpStatusCode.OK, "result", session, Utf8(ping), r => { r.Headers.Accept.Clear(); r.Headers.Accept.ParseAdd("*/*"); });
        await Expect(HttpStatusCode.OK, "result", session, Utf8(ping), r => r.Headers.Add("MCP-Protocol-Version", "2025-03-26"));
        await Expect(HttpStatusCode.BadRequest, "-32022", session, Utf8(ping), r => r.Headers.Add("MCP-Protocol-Version", "1999-01-01"));
        await Expect(HttpStatusCode.BadRequest, "Mcp-Session-Id", null, Utf8(ping));
        await Expect(HttpStatusCode.NotFound, "-32001", "nosuch", Utf8(ping));
        await Expect(HttpStatusCode.BadRequest, "-32700", session, Utf8("{nonsense"));
        await Expect(HttpStatusCode.BadRequest, "-32700", session, []);
        await Expect(HttpStatusCode.BadRequest, "UTF-8", session, [.. Utf8("{\"id\":1,\"method\":\""), 0xFF, 0xC0, .. Utf8("\"}")]);
        await Expect(HttpStatusCode.BadRequest, "-32600", session, Utf8("""{"jsonrpc":"2.0","id":null,"method":"ping"}"""));
        await Expect(HttpStatusCode.BadRequest, "-32600", session, Utf8("""{"jsonrpc":"2.0","id":[1],"method":"ping"}"""));
        await Expect(HttpStatusCode.BadRequest, "-32600", session, Utf8("""{"jsonrpc":"2.0","id":1}"""));
        await Expect(HttpStatusCode.BadRequest, "batches", session, Utf8($"[{ping}]"));
        await Expect(HttpStatusCode.NotAcceptable, "Accept", session, Utf8(ping), r => { r.Headers.Accept.Clear(); r.Headers.Accept.ParseAdd("application/json"); });
        await Expect(HttpStatusCode.UnsupportedMediaType, "Content-Type", session, Utf8(ping), r => r.Content!.Headers.ContentType = new("text/plain"));
        await Expect(HttpStatusCode.RequestEntityTooLarge, "longer", session, new byte[100_001]);
        await Expect(HttpStatusCode.BadRequest, "-32602", null, Utf8("""{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"""));
        await Expect(HttpStatusCode.BadRequest, "clientCapabilities", null, Utf8("""{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"""));
        await Expect(HttpStatusCode.Accepted, "", session, Utf8("""{"jsonrpc":"2.0","method":"notifications/whatever"}"""));
        await Expect(HttpStatusCode.Accepted, "", session, Utf8("""{"jsonrpc":"2.0","id":99,"result":{}}"""));

        using var put = await bed.Client.PutAsync("/mcp", null, Stop);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, put.StatusCode);
        Assert.Contains("POST", put.Content.Headers.Allow);
        using var delete = new HttpRequestMessage(HttpMethod.Delete, "/mcp") { Headers = { { "Mcp-Session-Id", session } } };
        Assert.Equal(HttpStatusCode.NoContent, (await bed.Client.SendAsync(delete, Stop)).StatusCode);
        await Expect(HttpStatusCode.NotFound, "-32001", session, Utf8(ping));
    }

    [Fact]
    public async Task Ids_OfEveryForm_ComeBackAsSent()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        foreach (var id in (string[])["0", "2.5", "1e3", "-0.0", "123456789012345678901234567890", "\"a\\\"b\\u00e9\\/\"", "\"\"", "\"é\""])
        {
            var body = await bed.CallAsync(session, "echo", new { text = "hello" }, id);
            Assert.StartsWith($$"""{"jsonrpc":"2.0","id":{{id}},"result":""", body);
            using var response = await bed.PostAsync(session, BridgeBed.Call(id, "slow", new { steps = 2, seconds = 0.01 }, token: id));
            using var events = await EventReader.OpenAsync(response);
            Assert.Contains($"\"progressToken\":{id},\"progress\":1", await events.NextMessageAsync());
            Assert.Contains($"\"progressToken\":{id},\"progress\":2", await events.NextMessageAsync());
            Assert.Contains($"\"id\":{id},\"result\"", await events.NextMessageAsync());
            Assert.Null(await events.NextAsync());
        }
    }

    [Fact]
    public async Task Answers_OfEveryForm_PassUntouched()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        var deep = new string('[', 300) + new string(']', 300);
        foreach (var line in (string[])[
            """{"jsonrpc":"2.0","id":$ID,"result":{"n":[1.0,1e400,-0.0,123456789012345678901234567890],"s":"\ud800 \u0022 \/"}}""",
            """{"jsonrpc":"2.0","id":$ID,"result":""" + deep + "}",
            """{"jsonrpc":"2.0","id":$ID,"result":null}""",
            """{"result":{"z":1,"a":2},"extra":{"x":[ 1 ]},"jsonrpc":"2.0","id":$ID}""",
            """{"jsonrpc":"2.0","id":$ID,"error":{"code":"odd","more":true}}""",
            """{"id":$ID,"result":{}}"""])
        {
            Assert.Equal(line.Replace("$ID", "\"x\"", StringComparison.Ordinal), await bed.CallAsync(session, "raw", new { line }, "\"x\""));
        }
        Assert.Equal("""{"id":"x","result":7}""", await bed.CallAsync(session, "raw", new { line = """{"id":"$ID","result":7}""" }, "\"x\""));
        Assert.Equal("""{"id":"x","result":8}""", await bed.CallAsync(session, "raw", new { line = """[{"id":$ID,"result":8}]""" }, "\"x\""));
        Assert.Contains("-32700", await bed.CallAsync(session, "raw", new { line = """{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}""" }));
        Assert.Contains("noisy", await bed.CallAsync(session, "noise"));
    }

    [Fact]
    public async Task Messages_Of20Megabytes_PassBothWays()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        var text = new string('a', 20_000_000);
        var answer = await bed.CallAsync(session, "echo", new { text });
        Assert.True(answer.Length > text.Length && answer.Contains(text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Batch_In20250326_IsSplit()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync("2025-03-26");
        using var response = await bed.PostAsync(session, $$"""[{{BridgeBed.Call("1", "echo", new { text = "one" })}}, {"jsonrpc":"2.0","method":"notifications/x"},{{BridgeBed.Call("\"b\"", "echo", new { text = "two" })}}]""");
        var body = await response.Content.ReadAsStringAsync(Stop);
        Assert.Contains("\"id\":1,", body);
        Assert.Contains("\"id\":\"b\",", body);
        using var notification = await bed.PostAsync(session, """[{"jsonrpc":"2.0","method":"notifications/x"}]""");
        Assert.Equal(HttpStatusCode.Accepted, notification.StatusCode);
        using var empty = await bed.PostAsync(session, "[]");
        Assert.Equal(HttpStatusCode.BadRequest, empty.StatusCode);
    }

    [Fact]
    public async Task Sse_Session_CarriesEverythingOnItsStream()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0 });
        using (var events = await bed.GetAsync("", path: "/sse"))
        {
            var path = "/" + await events.NextAsync();
            Assert.StartsWith("/message?sessionId=", path);
            async Task Send(string json)
            {
                using var response = await bed.PostAsync(null, Encoding.UTF8.GetBytes(json), path: path);
                Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
            }
            await Send("""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{}}}""");
            Assert.Contains("\"protocolVersion\":\"2024-11-05\"", await events.NextAsync());
            await Send(BridgeBed.Call("5.5", "slow", new { steps = 1, seconds = 0 }, "\"p\""));
            Assert.Contains("\"progressToken\":\"p\"", await events.NextAsync());
            Assert.Contains("\"id\":5.5,", await events.NextAsync());
            await Send(BridgeBed.Call("6", "sample"));
            var request = System.Text.Json.Nodes.JsonNode.Parse((await events.NextAsync())!)!;
            Assert.Equal("sampling/createMessage", (string?)request["method"]);
            await Send($$$"""{"jsonrpc":"2.0","id":{{{request["id"]}}},"result":{"role":"assistant"}}""");
            Assert.Contains("assistant", await events.NextAsync());
        }
        await bed.UntilNoProcess();
        using var gone = await bed.PostAsync(null, "{}"u8.ToArray(), path: "/message?sessionId=nosuch");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }
}
