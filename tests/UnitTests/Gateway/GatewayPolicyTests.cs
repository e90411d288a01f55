using System.Net;
using System.Text;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Gateway.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewayPolicyTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string List = """{"jsonrpc":"2.0","id":3,"method":"tools/list"}""";
    private const string Tools = """{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"add"},{"name":"echo","inputSchema":{"x": 1e2}},{"name":"zip"}],"nextCursor":"c"}}""";
    private const string Open = """{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"echo","inputSchema":{"x": 1e2}}],"nextCursor":"c"}}""";
    private static readonly AccessPolicy OnlyEcho = new() { Tools = new(["echo"], []), Resources = new(["file:///public/*"], []) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task List_InJson_ShowsOnlyWhatIsOpen()
    {
        await using var bed = await BedAsync("application/json", Tools);
        using var response = await bed.SendAsync(bed.Post(Mcp, List));
        Assert.Equal(Open, await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(Open.Length, response.Content.Headers.ContentLength);
        bed.SetPolicy(null);
        using var all = await bed.SendAsync(bed.Post(Mcp, List));
        Assert.Equal(Tools, await all.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_InAnEventStream_ShowsOnlyWhatIsOpen(bool replay)
    {
        const string Before = "id: 1\ndata:\n\n: hello\n\n";
        const string Updated = """{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///etc"}}""";
        const string Progress = "data: {\"method\":\"notifications/progress\"}\n\n";
        await using var bed = await BedAsync("text/event-stream", $"{Before}id: 2\ndata: {Updated}\n\n{Progress}event: message\nid: 3\ndata: {Tools}\n\n{Progress}");
        using var response = await bed.SendAsync(replay ? bed.Get(Mcp) : bed.Post(Mcp, List));
        Assert.Equal($"{Before}{Progress}event: message\nid: 3\ndata: {Open}\n\n{Progress}", await response.Content.ReadAsStringAsync(Cancel));
    }

    [Fact]
    public async Task Stream_InSmallPieces_ArrivesEventByEvent()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        using var go = new SemaphoreSlim(0);
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            foreach (var piece in Encoding.UTF8.GetBytes($"data: {Tools}\r\n\r\n").Chunk(7))
            {
                await context.Response.Body.WriteAsync(piece);
                await context.Response.Body.FlushAsync();
            }
            await go.WaitAsync();
            await context.Response.WriteAsync("data: {}\n\n");
        };
        using var response = await bed.SendAsync(bed.Get(Mcp)); // the head comes before any event
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancel));
        Assert.Equal("data: " + Open, await reader.ReadLineAsync(Cancel));
        go.Release();
        Assert.Contains("data: {}", await reader.ReadToEndAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_OfAClosedTool_IsAnUnknownTool_AndNeverReachesTheServer()
    {
        await using var bed = await BedAsync("application/json", "{}");
        using var response = await bed.SendAsync(bed.Post(Mcp, """{"jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{"name":"\u0061dd","arguments":{}}}"""));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal("c-1", json.RootElement.GetProperty("id").GetString());
        Assert.Equal(-32602, json.RootElement.GetProperty("error").GetProperty("code").GetInt32());
        Assert.Equal("Unknown tool: add", json.RootElement.GetProperty("error").GetProperty("message").GetString());
        Assert.Empty(bed.SeenUpstream);
        var record = bed.NextRecord();
        Assert.Equal(("tools/call", "add", -32602, "The token's rules close 'add'."), (record.Method, record.Target, record.ErrorCode, record.Error));
    }

    [Fact]
    public async Task Call_OfAnOpenTool_ArrivesByteForByte()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        var seen = "";
        const string Answer = """{"jsonrpc":"2.0","id":1,"result":{"content":[],"tools":[{"name":"add"}]}}""";
        bed.Server = async context =>
        {
            seen = await new StreamReader(context.Request.Body).ReadToEndAsync();
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(Answer);
        };
        var call = $$"""{ "jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"echo","arguments":{"text":"{{new string('x', 3_000_000)}}"} } }""";
        foreach (var chunked in new[] { false, true })
        {
            var request = bed.Post(Mcp, call);
            if (chunked) request.Headers.TransferEncodingChunked = true;
            using var response = await bed.SendAsync(request);
            Assert.Equal(Answer, await response.Content.ReadAsStringAsync(Cancel)); // no list: untouched
            Assert.Equal(call, seen);
            Assert.Equal(call.Length, bed.NextRecord().RequestBytes);
        }
    }

    [Fact]
    public async Task Batch_WithOneClosedCall_IsRefusedWhole()
    {
        await using var bed = await BedAsync("application/json", "[]");
        using var response = await bed.SendAsync(bed.Post(Mcp, """[{"id":1,"method":"ping"},{"id":2,"method":"tools/call","params":{"name":"add"}},{"method":"notifications/initialized"}]"""));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal([(1, -32600), (2, -32602)], json.RootElement.EnumerateArray().Select(e => (e.GetProperty("id").GetInt32(), e.GetProperty("error").GetProperty("code").GetInt32())));
        Assert.Empty(bed.SeenUpstream);
    }

    [Fact]
    public async Task Batch_WithAList_IsFiltered()
    {
        await using var bed = await BedAsync("application/json", $"[{Tools},{{}}]");
        using var response = await bed.SendAsync(bed.Post(Mcp, $"[{List}]"));
        Assert.Equal($"[{Open},{{}}]", await response.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo","name":"add"}}""", null, 400, -32600)]
    [InlineData("""{"id":1,"method":"ping"} {"id":1}""", null, 400, -32700)]
    [InlineData("""not json""", null, 400, -32700)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo"}}""", "add", 400, -32020)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"add"}}""", "echo", 200, -32602)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo"}}""", "=?base64?ZWNobw==?=", 200, null)]
    public async Task Request_ThatTriesToSlipPast_IsRefused(string body, string? name, int status, int? code)
    {
        await using var bed = await BedAsync("application/json", "{}");
        var request = bed.Post(Mcp, body);
        if (name is not null) request.Headers.Add("Mcp-Name", name);
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(code is null, !bed.SeenUpstream.IsEmpty);
        Assert.Equal(code, bed.NextRecord().ErrorCode);
    }

    [Theory]
    [InlineData("text/plain; charset=utf-16", 415)]
    [InlineData("application/json; charset=\"UTF-8\"", 200)]
    public async Task Request_InAnotherAlphabet_IsRefused(string type, int status)
    {
        await using var bed = await BedAsync("application/json", "{}");
        var request = bed.Post(Mcp, List);
        request.Content!.Headers.Remove("Content-Type");
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Body_AboveTheLimit_Is413()
    {
        await using var bed = await BedAsync("application/json", "{}");
        bed.SetRoute("i-1", "alpha", route => route with { MaxRequestBytes = 1000 });
        var request = bed.Post(Mcp, """{"id":9,"method":"tools/call","params":{"name":"echo","x":" """ + new string('x', 2000) + "\"}}");
        request.Headers.TransferEncodingChunked = true;
        using var response = await bed.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("\"id\":9", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip", "\u001F\u008B")]
    [InlineData(null, """{"result":{"tools":[{"name":"add"}]},}""")]
    public async Task Answer_ThatCannotBeRead_IsNotPassedOn(string? encoding, string answer)
    {
        await using var bed = await BedAsync("application/json", answer, context => context.Response.Headers.ContentEncoding = encoding);
        using var response = await bed.SendAsync(bed.Post(Mcp, List));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Contains("\"id\":3", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_ThatBreaksOff_IsAnErrorAndNoPieceOfIt()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        bed.Server = async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(Tools[..40]);
            await context.Response.Body.FlushAsync();
            context.Abort();
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, List));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(3, json.RootElement.GetProperty("id").GetInt32());
    }

    [Fact]
    public async Task SseSession_GetsItsRefusalAndItsListOnTheStream()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        using var answers = new SemaphoreSlim(0);
        bed.Server = async context =>
        {
            if (context.Request.Path == "/message")
            {
                context.Response.StatusCode = 202;
                answers.Release();
                return;
            }
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("event: endpoint\ndata: message?sessionId=bridge-sse-1\n\n");
            await context.Response.Body.FlushAsync();
            await answers.WaitAsync();
            await context.Response.WriteAsync($"event: message\ndata: {Tools}\n\n");
        };
        using var stream = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse"));
        using var reader = new StreamReader(await stream.Content.ReadAsStreamAsync(Cancel));
        await reader.ReadLineAsync(Cancel);
        var address = (await reader.ReadLineAsync(Cancel))!["data: ".Length..];
        await reader.ReadLineAsync(Cancel);

        using var refused = await bed.SendAsync(bed.Post(address, """{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"add"}}"""));
        Assert.Equal(HttpStatusCode.Accepted, refused.StatusCode);
        Assert.Equal("event: message", await reader.ReadLineAsync(Cancel));
        Assert.Contains("\"id\":8,\"error\":{\"code\":-32602", await reader.ReadLineAsync(Cancel), StringComparison.Ordinal);
        await reader.ReadLineAsync(Cancel);

        using var listed = await bed.SendAsync(bed.Post(address, List));
        Assert.Equal($"event: message\ndata: {Open}\n\n", await reader.ReadToEndAsync(Cancel));
        Assert.Equal(-32602, bed.NextRecord().ErrorCode);
        bed.NextRecord();
        bed.NextRecord();
        await Until(() => bed.Services.GetRequiredService<PolicyGate>().Streams == 0);
    }

    [Fact]
    public async Task Stream_WhenItsRulesChange_FollowsThemOrEnds()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        using var go = new SemaphoreSlim(0);
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(": hello\n\n");
            await context.Response.Body.FlushAsync();
            await go.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync($"data: {Tools}\n\n");
        };
        using var filtered = await bed.SendAsync(bed.Get(Mcp));
        using var reader = new StreamReader(await filtered.Content.ReadAsStreamAsync(Cancel));
        await reader.ReadLineAsync(Cancel);
        bed.SetPolicy(OnlyEcho with { Tools = new(["add"], []) });
        bed.Services.GetRequiredService<OpenExchanges>().Check();
        go.Release();
        Assert.Contains("""[{"name":"add"}]""", await reader.ReadToEndAsync(Cancel), StringComparison.Ordinal);

        bed.SetPolicy(null);
        using var free = await bed.SendAsync(bed.Get(Mcp));
        bed.SetPolicy(OnlyEcho);
        Assert.Equal(": hello\n\n", await free.Content.ReadAsStringAsync(Cancel)); // ended in order: the client connects again
    }

    [Fact]
    public async Task Address_Outside_Is403_AndEndsStreams()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Addresses = [IPNetwork.Parse("127.0.0.0/8")] });
        using var stream = await bed.SendAsync(bed.Get(Mcp));
        Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
        bed.SetPolicy(new() { Addresses = [IPNetwork.Parse("192.0.2.0/24")] });
        Assert.Equal("", await stream.Content.ReadAsStringAsync(Cancel));
        Assert.Equal("The token is no longer open to the client's address.", bed.NextRecord().Error);

        using var response = await bed.SendAsync(bed.Post(Mcp, List));
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Empty(response.Headers.WwwAuthenticate);
        Assert.Contains("cannot be used from this network address", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        Assert.Equal("The token is not open to the client's address.", bed.NextRecord().Error);
    }

    internal static async Task Until(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!holds()) await Task.Delay(10, limit.Token);
    }

    private static async Task<GatewayBed> BedAsync(string type, string answer, Action<HttpContext>? more = null)
    {
        var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(OnlyEcho);
        bed.Server = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            context.Response.ContentType = type;
            more?.Invoke(context);
            var bytes = Encoding.UTF8.GetBytes(answer);
            context.Response.ContentLength = bytes.Length;
            await context.Response.Body.WriteAsync(bytes);
        };
        return bed;
    }
}
