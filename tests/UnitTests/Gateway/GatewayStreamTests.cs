using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewayStreamTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string Call = """{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{}}}""";
    private static readonly int Twenty = 20 << 20;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Argument_Of20MB_ArrivesWhole(bool chunked)
    {
        await using var bed = await GatewayBed.StartAsync();
        var received = 0L;
        bed.Server = async context =>
        {
            var buffer = new byte[81920];
            for (int read; (read = await context.Request.Body.ReadAsync(buffer)) > 0;) received += read;
            await context.Response.WriteAsync("{}");
        };
        var body = $$"""{"params":{"arguments":{"text":"{{new string('x', Twenty)}}"},"name":"big"},"method":"tools/call","id":1,"jsonrpc":"2.0"}""";
        var request = bed.Post(Mcp, body);
        if (chunked) request.Headers.TransferEncodingChunked = true;
        using var response = await bed.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(body.Length, received);
        var record = bed.NextRecord();
        Assert.Equal(("tools/call", "big", body.Length), (record.Method, record.Target, (int)record.RequestBytes));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/event-stream")]
    public async Task Result_Of20MB_ArrivesWholeAtASlowReader(string type)
    {
        await using var bed = await GatewayBed.StartAsync();
        var text = new string('y', Twenty);
        var message = $$$"""{"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"text","text":"{{{text}}}"}],"isError":true}}""";
        var sent = type == "application/json" ? message : $"event: message\ndata: {message}\n\n";
        bed.Server = async context =>
        {
            context.Response.ContentType = type;
            await context.Response.WriteAsync(sent);
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        await using var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var (buffer, total) = (new byte[256 << 10], 0);
        for (int read; (read = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0;)
        {
            if ((total >> 21) != ((total + read) >> 21)) await Task.Delay(50, TestContext.Current.CancellationToken);
            total += read;
        }
        Assert.Equal(sent.Length, total);
        var record = bed.NextRecord();
        Assert.Equal((sent.Length, "The tool reported an error."), ((int)record.ResponseBytes, record.Error));
    }

    [Fact]
    public async Task Stream_Pieces_ArriveOneByOne()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var go = new SemaphoreSlim(0);
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            for (var n = 0; n < 3; n++)
            {
                await go.WaitAsync();
                await context.Response.WriteAsync($"data: {n}\n\n");
                await context.Response.Body.FlushAsync();
            }
        };
        using var response = await bed.SendAsync(bed.Get(Mcp)); // the headers come before any event
        Assert.Equal("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        for (var n = 0; n < 3; n++)
        {
            go.Release();
            Assert.Equal($"data: {n}", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
            Assert.Equal("", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        }
        Assert.Null(await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(3 * "data: 0\n\n".Length, bed.NextRecord().ResponseBytes);
    }

    [Theory]
    [InlineData(0, false, 200)]
    [InlineData(1, false, 413)]
    [InlineData(0, true, 200)]
    [InlineData(1, true, 413)]
    [InlineData(5_000_000, true, 413)]
    [InlineData(5_000_000, false, 413)]
    public async Task Body_AboveTheLimit_Is413AndNeverCut(int above, bool chunked, int status)
    {
        const int Limit = 100_000;
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { MaxRequestBytes = Limit });
        var whole = false;
        bed.Server = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            whole = true;
            await context.Response.WriteAsync("{}");
        };
        const string Start = """{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"t","x":""";
        var request = bed.Post(Mcp, Start + '"' + new string('z', Limit + above - Start.Length - 4) + "\"}}");
        Assert.Equal(Limit + above, request.Content!.Headers.ContentLength);
        if (chunked) request.Headers.TransferEncodingChunked = true;
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200, whole);
        if (status == 200) return;
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Contains("100000 bytes", json.RootElement.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        if (chunked) Assert.Equal(77, json.RootElement.GetProperty("id").GetInt32());
        Assert.Equal(413, bed.NextRecord().Status);
    }

    [Fact]
    public async Task Server_Missing_Is503WithReason()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = null, UnavailableReason = "it is starting." });
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("Server alpha is not available: it is starting.", json.RootElement.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal(5, json.RootElement.GetProperty("id").GetInt32());
    }

    [Theory]
    [InlineData("unix:/nowhere/bridge.sock")]
    [InlineData("http://127.0.0.1:1")]
    public async Task Server_Unreachable_Is502WithoutItsAddress(string address)
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = new(address, 1) });
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var record = bed.NextRecord();
        Assert.Contains(record.TraceId!, text, StringComparison.Ordinal);
        Assert.DoesNotContain("nowhere", text + record.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", text + record.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_BreaksBeforeItsAnswer_Is502WithTheId()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.Server = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            context.Abort();
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(5, json.RootElement.GetProperty("id").GetInt32());
    }

    [Fact]
    public async Task Server_BreaksInsideAJsonAnswer_DoesNotLookWhole()
    {
        await using var bed = await GatewayBed.StartAsync();
        var begun = new TaskCompletionSource();
        bed.Server = async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"jsonrpc":"2.0",""");
            await context.Response.Body.FlushAsync();
            await begun.Task;
            context.Abort();
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        begun.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("The server went away in the middle of its answer.", bed.NextRecord().Error);
    }

    [Fact]
    public async Task Server_BreaksBetweenEvents_AnswersTheCallWithAnError()
    {
        await using var bed = await GatewayBed.StartAsync();
        var begun = new TaskCompletionSource();
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("""data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}""" + "\n\n");
            await context.Response.Body.FlushAsync();
            await begun.Task;
            context.Abort();
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        begun.SetResult();
        var events = (await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, events.Length);
        using var json = JsonDocument.Parse(events[1].Split("data: ")[1]);
        Assert.Equal((5, -32010), (json.RootElement.GetProperty("id").GetInt32(), json.RootElement.GetProperty("error").GetProperty("code").GetInt32()));
        Assert.Equal(-32010, bed.NextRecord().ErrorCode);
    }

    [Theory]
    [InlineData("data: {\"jsonrpc\"")] // a torn event must not be completed
    [InlineData("id: 1\ndata: \n\n")] // the client can fetch the answer later: the server still listens
    public async Task Server_BreaksInsideAnEventOrResumable_BreaksOff(string sent)
    {
        await using var bed = await GatewayBed.StartAsync();
        var begun = new TaskCompletionSource();
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(sent);
            await context.Response.Body.FlushAsync();
            await begun.Task;
            context.Abort();
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        await using var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        await stream.ReadExactlyAsync(new byte[sent.Length], TestContext.Current.CancellationToken);
        begun.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => stream.ReadExactlyAsync(new byte[1], TestContext.Current.CancellationToken).AsTask());
    }

    [Fact]
    public async Task Server_RefusesOurCredentials_Is502()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.Server = context =>
        {
            (context.Response.StatusCode, context.Response.Headers.WWWAuthenticate) = (401, "Bearer realm=\"inner\"");
            return Task.CompletedTask;
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Empty(response.Headers.WwwAuthenticate);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_Leaves_TheServerHears(bool stream)
    {
        await using var bed = await GatewayBed.StartAsync();
        var left = new TaskCompletionSource();
        bed.Server = async context =>
        {
            if (stream)
            {
                context.Response.ContentType = "text/event-stream";
                await context.Response.Body.FlushAsync();
            }
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            left.SetResult();
        };
        using var leaving = new CancellationTokenSource();
        var sending = bed.Client.SendAsync(stream ? bed.Get(Mcp) : bed.Post(Mcp, Call), HttpCompletionOption.ResponseHeadersRead, leaving.Token);
        if (stream) (await sending).Dispose();
        while (bed.SeenUpstream.IsEmpty) await Task.Delay(5, TestContext.Current.CancellationToken);
        await leaving.CancelAsync();
        await left.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal(stream ? 200 : 499, bed.NextRecord().Status);
    }

    [Fact]
    public async Task Client_BreaksOffItsBody_TheServerGetsNoWholeMessage()
    {
        await using var bed = await GatewayBed.StartAsync();
        var outcome = new TaskCompletionSource<bool>();
        bed.Server = async context =>
        {
            try
            {
                await context.Request.Body.CopyToAsync(Stream.Null);
                outcome.SetResult(true);
            }
            catch (Exception e) when (e is IOException or BadHttpRequestException or OperationCanceledException)
            {
                outcome.SetResult(false);
            }
        };
        using (var socket = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(IPAddress.Loopback, bed.Address.Port, TestContext.Current.CancellationToken);
            await socket.SendAsync(Encoding.ASCII.GetBytes(
                $"POST {Mcp} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {GatewayBed.Good}\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n" + new string('{', 10000)), TestContext.Current.CancellationToken);
            while (bed.SeenUpstream.IsEmpty) await Task.Delay(5, TestContext.Current.CancellationToken);
        }
        Assert.False(await outcome.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        bed.NextRecord();
    }

    [Theory]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":""")]
    [InlineData("not json at all")]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("}}}}]]]]")]
    [InlineData("\"\\ud800\"")]
    public async Task Body_ThatIsNoMessage_IsForwardedAsItIs(string body)
    {
        await using var bed = await GatewayBed.StartAsync();
        await AssertForwarded(bed, Encoding.UTF8.GetBytes(body));
    }

    [Fact]
    public async Task Body_OfInvalidUtf8OrGreatDepth_IsForwardedAndRecorded()
    {
        await using var bed = await GatewayBed.StartAsync();
        var record = await AssertForwarded(bed, [.. """{"method":"tools/call","params":{"name":"a"""u8, 0xFF, 0xC0, .. "b\"}}"u8]);
        Assert.Equal("tools/call", record.Method);
        Assert.StartsWith("a", record.Target, StringComparison.Ordinal);

        var deep = new string('[', 200_000);
        record = await AssertForwarded(bed, Encoding.UTF8.GetBytes($$$"""{"params":{"x":{{{deep}}}{{{new string(']', 200_000)}}},"name":"n"},"method":"deep"}"""));
        Assert.Equal(("deep", "n"), (record.Method, record.Target));
    }

    private static async Task<McpCan.Gateway.AccessRecord> AssertForwarded(GatewayBed bed, byte[] body)
    {
        var received = new TaskCompletionSource<byte[]>();
        bed.Server = async context =>
        {
            using var bytes = new MemoryStream();
            await context.Request.Body.CopyToAsync(bytes);
            received.SetResult(bytes.ToArray());
            context.Response.StatusCode = 400;
            await context.Response.WriteAsJsonAsync(new { jsonrpc = "2.0", id = (int?)null, error = new { code = -32700, message = "no" } });
        };
        var request = bed.Post(Mcp, "");
        request.Content = new ByteArrayContent(body);
        using var response = await bed.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(body, await received.Task);
        var record = bed.NextRecord();
        Assert.Equal((400, -32700, (long)body.Length), (record.Status, record.ErrorCode, record.RequestBytes));
        return record;
    }

    [Fact]
    public async Task Program_Stops_StreamsEndAtOnce()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Get(Mcp));
        var reading = response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await bed.StopGatewayAsync().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal("", await reading);
    }
}
