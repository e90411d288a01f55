using System.Text;
using McpCan.Gateway;
using McpCan.UnitTests.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.UnitTests.Gateway;

/// <summary>Proxy mode: every client before every remote server.</summary>
public sealed class RemoteTests
{
    const string Initialize = """{"jsonrpc":"2.0","id":"i-1","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"tester","version":"1"}}}""";
    const string Call = """{"jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{"name":"echo","arguments":{"n":1.50}}}""";
    const string ModernCall = """{"jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{"name":"echo","arguments":{"n":1.50},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}""";

    private static RequestDelegate ServerOf(string kind) => kind switch { "legacy" => RemoteServers.Legacy, "modern" => RemoteServers.Modern, _ => RemoteServers.Sse() };

    private static async Task<GatewayBed> StartAsync(RequestDelegate server, Func<GatewayRemote, GatewayRemote>? change = null, string[]? egress = null)
    {
        var bed = await GatewayBed.StartAsync(options => options.EgressAllow = egress ?? ["loopback"]);
        bed.Server = server;
        var remote = new GatewayRemote { Url = new Uri(bed.HttpAddress + "/hidden/mcp?key=in-url"), Headers = [new("X-Upstream", "secret-of-ours")], Generation = 1 };
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = null, Remote = change?.Invoke(remote) ?? remote });
        return bed;
    }

    [Theory]
    [InlineData("legacy")]
    [InlineData("modern")]
    [InlineData("sse")]
    public async Task LegacyClient_AnyServer_IsServed(string kind)
    {
        await using var bed = await StartAsync(ServerOf(kind));
        using var hello = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        Assert.Contains("\"i-1\"", await hello.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var session = hello.Headers.GetValues("Mcp-Session-Id").Single();
        Assert.DoesNotContain("up-1", session);
        using var ready = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", """{"jsonrpc":"2.0","method":"notifications/initialized"}""", session: session));
        Assert.Equal(202, (int)ready.StatusCode);
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Call, session: session));
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("\"c-1\"", text);
        Assert.Contains("{\"n\":1.50}", text);
        using var foreign = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Call, GatewayBed.Other, session));
        Assert.Equal(404, (int)foreign.StatusCode);
        using var ended = await bed.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/mcp-gateway/alpha/mcp") { Headers = { { "Authorization", "Bearer " + GatewayBed.Good }, { "Mcp-Session-Id", session } } });
        Assert.True(ended.IsSuccessStatusCode);
        Assert.All(bed.SeenUpstream, seen =>
        {
            Assert.Equal("secret-of-ours", seen.Headers["X-Upstream"]);
            Assert.DoesNotContain("mct_good", seen.ToString());
            Assert.DoesNotContain("Mcpcan-", seen.ToString());
        });
        for (var record = bed.NextRecord(); record.Method != "tools/call"; record = bed.NextRecord()) Assert.Null(record.Error);
    }

    [Theory]
    [InlineData("legacy")]
    [InlineData("modern")]
    [InlineData("sse")]
    public async Task ModernClient_AnyServer_IsServed(string kind)
    {
        await using var bed = await StartAsync(ServerOf(kind));
        var request = bed.Post("/mcp-gateway/alpha/mcp", ModernCall);
        request.Headers.Add("MCP-Protocol-Version", "2026-07-28");
        request.Headers.Add("Mcp-Method", "tools/call");
        request.Headers.Add("Mcp-Name", "echo");
        using var answer = await bed.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.IsSuccessStatusCode, text);
        Assert.Contains("\"c-1\"", text);
        Assert.Contains("{\"n\":1.50}", text);
        Assert.Contains("complete", text);
    }

    [Theory]
    [InlineData("legacy")]
    [InlineData("modern")]
    [InlineData("sse")]
    public async Task SseClient_AnyServer_IsServed(string kind)
    {
        await using var bed = await StartAsync(ServerOf(kind));
        using var stream = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse"));
        using var reader = new StreamReader(await stream.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        var address = await DataAsync(reader);
        Assert.StartsWith("/mcp-gateway/alpha/message?sessionId=", address);
        Assert.DoesNotContain("hidden", address);
        foreach (var (message, id) in new[] { (Initialize, "i-1"), (Call, "c-1") })
        {
            using var accepted = await bed.SendAsync(bed.Post(address, message));
            Assert.Equal(202, (int)accepted.StatusCode);
            Assert.Contains($"\"{id}\"", await DataAsync(reader));
        }
    }

    private static async Task<string> DataAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal)) return line[6..];
        }
        throw new InvalidOperationException("The stream ended.");
    }

    [Theory]
    [InlineData("legacy", RemoteTransport.StreamableHttp, "old")]
    [InlineData("modern", RemoteTransport.StreamableHttp, "new")]
    [InlineData("sse", RemoteTransport.Sse, "sse")]
    public async Task Inspector_AnyServer_SaysWhatItIs(string kind, RemoteTransport transport, string name)
    {
        await using var bed = await StartAsync(ServerOf(kind));
        var report = await bed.Services.GetRequiredService<RemoteInspector>().DetectAsync(bed.Routes["i-1"].Remote!, TestContext.Current.CancellationToken);
        Assert.Null(report.Error);
        Assert.Equal((transport, name, kind != "modern", kind == "modern"), (report.Transport, report.ServerName, report.Legacy, report.Modern));
        Assert.Equal("Says it again", report.Tools.Single().Description);
    }

    [Theory]
    [InlineData(401, true)]
    [InlineData(403, true)]
    [InlineData(500, false)]
    [InlineData(302, false)]
    public async Task Inspector_ServerThatRefuses_SaysSo(int status, bool authorization)
    {
        await using var bed = await StartAsync(context => context.JsonAsync("{}", status));
        var report = await bed.Services.GetRequiredService<RemoteInspector>().DetectAsync(bed.Routes["i-1"].Remote!, TestContext.Current.CancellationToken);
        Assert.Equal(authorization, report.RequiresAuthorization);
        Assert.Contains(status.ToString(System.Globalization.CultureInfo.InvariantCulture), report.Error);
        Assert.DoesNotContain("127.0.0.1", report.Error);
    }

    [Fact]
    public async Task Server_AtAnAddressThatIsNotAllowed_RefusedWithTheSetting()
    {
        await using var bed = await StartAsync(RemoteServers.Legacy, egress: []);
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(502, (int)answer.StatusCode);
        Assert.Contains("MCPCAN_EGRESS_ALLOW", text);
        Assert.Contains("i-1", text);
        Assert.Empty(bed.SeenUpstream);
    }

    [Fact]
    public async Task Server_ThatIsDown_SaidWithoutItsAddress()
    {
        await using var bed = await StartAsync(RemoteServers.Legacy, remote => remote with { Url = new Uri("http://127.0.0.1:1/hidden?key=in-url") });
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(502, (int)answer.StatusCode);
        Assert.Contains("refused the connection", text);
        Assert.Contains("trace", text);
        foreach (var secret in (string[])["127.0.0.1", "hidden", "in-url", "secret-of-ours"]) Assert.DoesNotContain(secret, text);
    }

    /// <summary>What a server answers to a tools/call, and what the client may see of it.</summary>
    public static TheoryData<string, int, string> Lies => new()
    {
        { "redirect", 502, "redirect" },
        { "html", 502, "no MCP message" },
        { "status", 502, "HTTP status 500" },
        { "teapot", 418, "HTTP status 418" },
        { "unauthorized", 502, "credentials" },
        { "gzip", 502, "compressed" },
        { "session", 502, "session id" },
        { "headers", 502, "headers are too long" },
        { "hang", 504, "did not answer within" },
        { "silent", 200, "" },
        { "reset", 502, "went away" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task Server_ThatLies_HurtsNobody(string lie, int status, string text)
    {
        await using var bed = await StartAsync(context => LieAsync(context, lie), remote => remote with
        {
            RequestTimeout = TimeSpan.FromSeconds(lie == "hang" ? 1 : 20),
            StreamIdleTimeout = TimeSpan.FromSeconds(lie == "silent" ? 1 : 20),
        });
        using var hello = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        var session = hello.Headers.GetValues("Mcp-Session-Id").Single();
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Call, session: session));
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.All((string[])["Location", "Set-Cookie", "Via", "Alt-Svc", "WWW-Authenticate", "X-Secret"], name => Assert.False(answer.Headers.Contains(name), name));
        if (status == 200)
        {
            var body = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Contains("sent nothing", body); // an error event in the place of the answer
            return;
        }
        var error = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains(text, error);
        Assert.Contains("\"c-1\"", error);
        Assert.DoesNotContain("10.0.0.7", error);
    }

    private static async Task LieAsync(HttpContext context, string lie)
    {
        context.Request.EnableBuffering();
        var body = context.Request.Method == "POST" ? await context.BodyAsync() : "";
        context.Request.Body.Position = 0;
        if (!body.Contains("tools/call"))
        {
            await RemoteServers.Legacy(context);
            return;
        }
        var headers = context.Response.Headers;
        (headers.Location, headers.SetCookie, headers.Via, headers.WWWAuthenticate, headers["X-Secret"]) = ("http://127.0.0.1:1/", "a=b", "10.0.0.7", "Bearer resource_metadata=\"http://10.0.0.7\"", "10.0.0.7");
        switch (lie)
        {
            case "redirect": context.Response.StatusCode = 307; break;
            case "html":
                context.Response.ContentType = "text/html";
                await context.Response.WriteAsync("<h1>10.0.0.7</h1>");
                break;
            case "status": await context.JsonAsync("""{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"10.0.0.7"}}""", 500); break;
            case "teapot": await context.JsonAsync("""{"jsonrpc":"2.0","id":"other","error":{"code":1,"message":"10.0.0.7"}}""", 418); break;
            case "unauthorized": context.Response.StatusCode = 401; break;
            case "gzip":
                headers.ContentEncoding = "gzip";
                await context.JsonAsync("x");
                break;
            case "session":
                headers["Mcp-Session-Id"] = "a b";
                await context.JsonAsync(FakeServer.Result(body));
                break;
            case "headers":
                headers["X-Long"] = new string('x', 200_000);
                await context.JsonAsync(FakeServer.Result(body));
                break;
            case "hang": await context.ForeverAsync(); break;
            case "silent":
                await context.EventsAsync(": wait\n\n");
                await context.ForeverAsync();
                break;
            default: context.Abort(); break;
        }
    }

    [Fact]
    public async Task Error_OfTheProtocolForThisRequest_Passes()
    {
        await using var bed = await StartAsync(async context =>
        {
            context.Request.EnableBuffering();
            var body = context.Request.Method == "POST" ? await context.BodyAsync() : "";
            context.Request.Body.Position = 0;
            if (body.Contains("tools/call")) await context.JsonAsync($$$"""{"jsonrpc":"2.0","id":{{{FakeServer.IdOf(body)}}},"error":{"code":-32602,"message":"own words"}}""", 400);
            else await RemoteServers.Legacy(context);
        });
        using var hello = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Call, session: hello.Headers.GetValues("Mcp-Session-Id").Single()));
        Assert.Equal(400, (int)answer.StatusCode);
        Assert.Contains("own words", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Session_AfterAChangeOfTheSettings_IsGone()
    {
        await using var bed = await StartAsync(RemoteServers.Legacy);
        using var hello = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = null, Remote = new GatewayRemote { Url = new Uri(bed.HttpAddress + "/mcp"), Generation = 2 } });
        using var answer = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Call, session: hello.Headers.GetValues("Mcp-Session-Id").Single()));
        Assert.Equal(404, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Verdict_Kept_ServerIsAskedOnce()
    {
        await using var bed = await StartAsync(RemoteServers.Legacy);
        for (var i = 0; i < 3; i++)
        {
            using var hello = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/mcp", Initialize));
            Assert.True(hello.IsSuccessStatusCode);
        }
        Assert.Equal(1, bed.SeenUpstream.Count(seen => seen.Headers.ContainsKey("Mcp-Method")));
        Assert.All(bed.SeenUpstream, seen => Assert.Equal("/hidden/mcp?key=in-url", seen.PathAndQuery));
    }
}
