using McpCan.Protocol.Links;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Protocol;

public sealed class StreamableHttpLinkTests
{
    const string Initialize = """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}""";
    const string Initialized = """{"jsonrpc":"2.0","method":"notifications/initialized"}""";
    const string Call = """{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":0}}}""";

    [Fact]
    public async Task Session_IdAndVersion_KeptAndEndedByDelete()
    {
        var deleted = new TaskCompletionSource();
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            if (context.Request.Method == "DELETE") deleted.TrySetResult();
            if (context.Request.Method == "GET")
            {
                await context.EventsAsync("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n");
                await context.ForeverAsync();
                return;
            }
            var body = await context.BodyAsync();
            if (FakeServer.IdOf(body).Length == 0) context.Response.StatusCode = 202;
            else
            {
                if (body.Contains("initialize")) context.Response.Headers["Mcp-Session-Id"] = "abc";
                await context.JsonAsync(FakeServer.Result(body, """{"protocolVersion":"2025-06-18","authorized":"@"}""".Replace("@", context.Request.Headers.Authorization)));
            }
        });
        var link = bed.Streamable();
        Assert.Contains("Bearer up", await LinkBed.AskAsync(link, Initialize));
        await LinkBed.SayAsync(link, Initialized);
        Assert.Contains("list_changed", bed.Next().Message);
        await LinkBed.AskAsync(link, Call);
        link.Stop();
        await deleted.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Equal("POST /mcp session= version= last=", bed.Seen.First());
        Assert.All(bed.Seen.Skip(1), seen => Assert.Contains("session=abc version=2025-06-18", seen));
    }

    [Fact]
    public async Task Stream_MessagesOfTheCall_AreRelatedToIt()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            var body = await context.BodyAsync();
            await context.EventsAsync("data: {\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"sampling/createMessage\"}\r\n\r\n");
            await context.EventsAsync($"data: {FakeServer.Result(body)}\r\n\r\n");
        });
        var link = bed.Streamable();
        Assert.Contains("result", await LinkBed.AskAsync(link, Call));
        Assert.NotNull(bed.Next().Related);
    }

    [Fact]
    public async Task Stream_BrokenAfterAnId_ResumedByGet()
    {
        var question = "";
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            if (context.Request.Method == "POST")
            {
                question = await context.BodyAsync();
                await context.EventsAsync("id: p.1\nretry: 50\ndata: \n\n"); // and ends
            }
            else if (context.Request.Headers["Last-Event-ID"] == "p.1") await context.EventsAsync($"id: p.2\ndata: {FakeServer.Result(question)}\n\n");
        });
        Assert.Contains("result", await LinkBed.AskAsync(bed.Streamable(), Call));
        Assert.Equal(2, bed.Seen.Count);
    }

    [Fact]
    public async Task Stream_BrokenWithoutIds_CallIsLost()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            await context.EventsAsync("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n");
            context.Abort();
        });
        var failure = await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(bed.Streamable(), Call));
        Assert.Contains("went away", failure.Message);
    }

    [Fact]
    public async Task Session_GoneAtServer_EndsTheLink()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            var body = await context.BodyAsync();
            context.Response.Headers["Mcp-Session-Id"] = "abc";
            if (body.Contains("initialize")) await context.JsonAsync(FakeServer.Result(body));
            else context.Response.StatusCode = 404;
        });
        var link = bed.Streamable();
        await LinkBed.AskAsync(link, Initialize);
        await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(link, Call));
        Assert.Contains("initialize again", await bed.Ended.Task);
    }

    [Fact]
    public async Task GetStream_Broken_OpenedAgainWithLastEventId()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            if (context.Request.Method == "GET")
            {
                await context.EventsAsync($"id: g.1\nretry: 50\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x{context.Request.Headers["Last-Event-ID"]}\"}}\n\n");
                if (context.Request.Headers["Last-Event-ID"].Count > 0) await context.ForeverAsync();
                return;
            }
            var body = await context.BodyAsync();
            if (FakeServer.IdOf(body).Length == 0) context.Response.StatusCode = 202;
            else await context.JsonAsync(FakeServer.Result(body));
        });
        var link = bed.Streamable();
        await LinkBed.AskAsync(link, Initialize);
        await LinkBed.SayAsync(link, Initialized);
        Assert.Contains("notifications/x\"", bed.Next().Message);
        Assert.Contains("notifications/xg.1", bed.Next().Message);
        link.Stop();
    }

    [Theory]
    [InlineData("""{"jsonrpc":"2.0","id":99,"result":{}}""", "does not fit")]
    [InlineData("""{"jsonrpc":"2.0","id":""", "does not fit")]
    [InlineData("<html>10.0.0.7</html>", "does not fit")]
    public async Task Answer_ThatIsNone_CallIsLost(string answer, string reason)
    {
        await using var bed = await LinkBed.StartAsync(context => context.JsonAsync(answer));
        Assert.Contains(reason, (await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(bed.Streamable(), Call))).Message);
    }

    [Theory]
    [InlineData(302, "redirect")]
    [InlineData(401, "credentials")]
    [InlineData(503, "HTTP status 503")]
    public async Task Answer_HttpError_NamedWithoutTheServersWords(int status, string reason)
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            context.Response.Headers.Location = "http://127.0.0.1:1/";
            await context.JsonAsync("""{"secret":"10.0.0.7"}""", status);
        });
        var failure = await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(bed.Streamable(), Call));
        Assert.Contains(reason, failure.Message);
        Assert.DoesNotContain("127.0.0.1", failure.Message);
        Assert.DoesNotContain("10.0.0.7", failure.Message);
    }

    [Fact]
    public async Task Answer_ErrorOfTheProtocolWithStatus_IsTheAnswer()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
            await context.JsonAsync($$$"""{"jsonrpc":"2.0","id":{{{FakeServer.IdOf(await context.BodyAsync())}}},"error":{"code":-32601,"message":"no"}}""", 404));
        Assert.Contains("-32601", await LinkBed.AskAsync(bed.Streamable(modern: true), Call));
    }

    [Fact]
    public async Task Answer_TwoAndForeignIds_FirstOwnCounts()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            var body = await context.BodyAsync();
            await context.EventsAsync($"data: {{\"jsonrpc\":\"2.0\",\"id\":12345,\"result\":{{\"n\":0}}}}\n\ndata: noise\n\ndata: {FakeServer.Result(body, "{\"n\":1}")}\n\ndata: {FakeServer.Result(body, "{\"n\":2}")}\n\n");
        });
        Assert.Contains("\"n\":1", await LinkBed.AskAsync(bed.Streamable(), Call));
    }

    [Fact]
    public async Task Server_SilentForTooLong_CallIsLost()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            if ((await context.BodyAsync()).Contains("echo")) await context.EventsAsync(": here\n\n");
            await context.ForeverAsync();
        });
        var link = bed.Streamable(change: remote => remote with { RequestTimeout = TimeSpan.FromSeconds(0.3), StreamIdleTimeout = TimeSpan.FromSeconds(0.3) });
        Assert.Contains("sent nothing", (await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(link, Call))).Message);
        Assert.Contains("did not answer within", (await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(link, Initialize))).Message);
    }

    [Fact]
    public async Task Server_NotThere_NamedAsRefused()
    {
        await using var bed = await LinkBed.StartAsync(context => Task.CompletedTask);
        var link = bed.Streamable(change: remote => remote with { Url = new Uri("http://127.0.0.1:1/mcp") });
        Assert.Equal("the server refused the connection", (await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(link, Call))).Message);
    }

    [Fact]
    public async Task Session_OddCharacters_Refused()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            context.Response.Headers["Mcp-Session-Id"] = "a b";
            await context.JsonAsync(FakeServer.Result(await context.BodyAsync()));
        });
        Assert.Contains("session id", (await Assert.ThrowsAsync<ServerUnavailableException>(() => LinkBed.AskAsync(bed.Streamable(), Initialize))).Message);
    }

    [Fact]
    public async Task Modern_Forgotten_ClosesTheRequest()
    {
        var closed = new TaskCompletionSource();
        var came = new TaskCompletionSource<string>();
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            came.TrySetResult($"{context.Request.Headers["Mcp-Method"]} {context.Request.Headers["Mcp-Name"]} {context.Request.Headers["MCP-Protocol-Version"]}");
            await context.ForeverAsync();
            closed.TrySetResult();
        });
        var link = bed.Streamable(modern: true);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var call = """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"grüße","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"""u8.ToArray();
        var asked = AwaitedCall.AskAsync(link, call, cancel.Token);
        Assert.Equal("tools/call =?base64?Z3LDvMOfZQ==?= 2026-07-28", await came.Task);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }
}
