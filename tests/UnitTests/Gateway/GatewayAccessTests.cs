using System.Net;
using System.Text.Json;
using McpCan.Gateway;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewayAccessTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string Ping = """{"jsonrpc":"2.0","id":"p-1","method":"ping"}""";

    [Fact]
    public async Task Token_WhateverIsWrong_GivesTheSameAnswer()
    {
        await using var bed = await GatewayBed.StartAsync();
        var bodies = new HashSet<string>();
        foreach (var (token, path) in new[]
        {
            ("mct_unknown", Mcp), ("mct_expired", Mcp), ("mct_disabled", Mcp), ("mct_foreign", Mcp),
            ("mct_unknown", "/mcp-gateway/no-such/mcp"), (GatewayBed.Good, "/mcp-gateway/no-such/mcp"),
        })
        {
            using var response = await bed.SendAsync(bed.Post(path, Ping, token));
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal("Bearer realm=\"mcpcan\", error=\"invalid_token\"", response.Headers.WwwAuthenticate.ToString());
            using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            Assert.Equal("p-1", json.RootElement.GetProperty("id").GetString());
            bodies.Add(json.RootElement.GetProperty("error").GetProperty("message").GetString()!);
        }
        Assert.Single(bodies);
        var reasons = Enumerable.Range(0, 6).Select(_ => bed.NextRecord()).ToList();
        Assert.Equal(5, reasons.Select(record => record.Error).Distinct().Count());
        Assert.All(reasons, record => Assert.Null(record.TokenId));
        Assert.Empty(bed.SeenUpstream);
        Assert.Empty(bed.Used);
    }

    [Fact]
    public async Task Token_Missing_ChallengesWithoutError()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Post(Mcp, Ping, token: null));
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer realm=\"mcpcan\"", response.Headers.WwwAuthenticate.ToString());
        Assert.Equal("No token was presented.", bed.NextRecord().Error);
    }

    [Fact]
    public async Task Token_NotRequired_LetsEveryoneIn()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { TokenRequired = false });
        using var response = await bed.SendAsync(bed.Post(Mcp, Ping, token: null));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        Assert.Equal("anonymous", seen.Headers["Mcpcan-Principal"]);
    }

    [Theory]
    [InlineData(false, HttpStatusCode.Unauthorized)]
    [InlineData(true, HttpStatusCode.OK)]
    public async Task QueryToken_IsTakenOnlyWhereAllowed(bool allowed, HttpStatusCode expected)
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { QueryTokenAllowed = allowed });
        using var response = await bed.SendAsync(bed.Post(Mcp + "?token=" + GatewayBed.Good, Ping, token: null));
        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task Credentials_InEveryForm_NeverReachTheServer()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { QueryTokenAllowed = true });
        var request = bed.Post(Mcp + "?token=secret-query&x=1", Ping);
        foreach (var (name, value) in new[]
        {
            ("X-API-Key", "secret-key"), ("Cookie", "a=secret-cookie"), ("Proxy-Authorization", "Basic secret-proxy"), ("Mcpcan-Principal", "secret-fake"),
            ("mcpcan-role", "secret-fake"), ("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Host", "secret.example"), ("Forwarded", "for=9.9.9.9"),
            ("X-Real-IP", "9.9.9.9"), ("Referer", "http://localhost/?token=secret-referer"), ("X-Anything", "secret-any"), ("TE", "trailers"),
            ("Connection", "X-Named"), ("X-Named", "secret-named"), ("Accept-Encoding", "gzip"), ("Origin", "http://localhost:6274"),
        })
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value), name);
        }
        request.Headers.Add("MCP-Protocol-Version", "2025-06-18");
        request.Headers.Add("Mcp-Param-Region", "eu");
        request.Headers.Add("Last-Event-ID", "7");
        using var response = await bed.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);

        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        Assert.DoesNotContain("secret", seen.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("mct_", seen.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("9.9.9.9", seen.ToString(), StringComparison.Ordinal);
        Assert.Equal("/mcp", seen.PathAndQuery);
        Assert.Equal("token:t-good", seen.Headers["Mcpcan-Principal"]);
        Assert.Equal("2025-06-18", seen.Headers["MCP-Protocol-Version"]);
        Assert.Equal("eu", seen.Headers["Mcp-Param-Region"]);
        Assert.Equal("7", seen.Headers["Last-Event-ID"]);
        Assert.DoesNotContain("Origin", seen.Headers.Keys);
        Assert.DoesNotContain("Accept-Encoding", seen.Headers.Keys);
    }

    [Fact]
    public async Task Response_CookiesAndPolicies_DoNotReachTheClient()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.Server = async context =>
        {
            context.Response.Headers.SetCookie = "identity=stolen";
            context.Response.Headers.AccessControlAllowOrigin = "*";
            context.Response.Headers["Clear-Site-Data"] = "*";
            context.Response.ContentType = "text/html";
            await context.Response.Body.WriteAsync("<script>1</script>"u8.ToArray());
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Ping));
        Assert.False(response.Headers.Contains("Set-Cookie"));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.False(response.Headers.Contains("Clear-Site-Data"));
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Contains("sandbox", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost", 200)]
    [InlineData("127.0.0.1:7300", 200)]
    [InlineData("[::1]:7300", 200)]
    [InlineData("mcp.example.com", 200)]
    [InlineData("a.wild.example", 200)]
    [InlineData("evil.example", 403)]
    [InlineData("localhost.evil.example", 403)]
    [InlineData("wild.example", 403)]
    [InlineData("10.1.2.3:7300", 200)]
    [InlineData("10.1.2.3.evil.example", 403)]
    public async Task Host_OnlyKnownNames(string host, int status)
    {
        await using var bed = await GatewayBed.StartAsync(options => (options.PublicUrl, options.AllowedHosts) = ("https://mcp.example.com/base", ["*.wild.example"]));
        var request = bed.Post(Mcp, Ping);
        request.Headers.Host = host;
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("https://app.example.com", 200)]
    [InlineData("https://mcp.example.com", 200)]
    [InlineData("http://localhost:6274", 200)]
    [InlineData("http://127.0.0.1:5173", 200)]
    [InlineData("https://evil.example", 403)]
    [InlineData("http://app.example.com", 403)]
    [InlineData("https://app.example.com.evil.example", 403)]
    [InlineData("http://localhost.evil.example", 403)]
    [InlineData("http://localhost@evil.example", 403)]
    [InlineData("null", 403)]
    [InlineData("file://localhost", 403)]
    public async Task Origin_OnlyAllowedOnes(string origin, int status)
    {
        await using var bed = await GatewayBed.StartAsync(options =>
            (options.PublicUrl, options.AllowedOrigins) = ("https://mcp.example.com/base", ["https://app.example.com/"]));
        var request = bed.Post(Mcp, Ping);
        request.Headers.TryAddWithoutValidation("Origin", origin);
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200, response.Headers.Contains("Access-Control-Allow-Origin"));
        if (status == 200) Assert.Contains("Mcp-Session-Id", response.Headers.GetValues("Access-Control-Expose-Headers").Single(), StringComparison.Ordinal);
        else Assert.Empty(bed.SeenUpstream);
    }

    [Fact]
    public async Task Preflight_OfAllowedOrigin_NeedsNoToken()
    {
        await using var bed = await GatewayBed.StartAsync();
        var request = new HttpRequestMessage(HttpMethod.Options, Mcp);
        request.Headers.Add("Origin", "http://localhost:6274");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "authorization,mcp-session-id");
        using var response = await bed.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        Assert.Equal("http://localhost:6274", response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("authorization,mcp-session-id", response.Headers.GetValues("Access-Control-Allow-Headers").Single());
        Assert.Empty(bed.Records);
    }

    [Theory]
    [InlineData("PUT", "mcp", "GET,POST,DELETE")]
    [InlineData("POST", "sse", "GET")]
    [InlineData("GET", "message", "POST")]
    public async Task Method_Others_Get405WithAllow(string method, string path, string allow)
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(new HttpRequestMessage(HttpMethod.Parse(method), "/mcp-gateway/alpha/" + path));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(allow, string.Join(',', response.Content.Headers.Allow));
    }

    [Fact]
    public async Task Token_Disabled_EndsTheOpenStreamWithinASecond()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Get(Mcp));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var reading = response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        bed.SetToken(GatewayBed.Good, TokenVerdict.Refused(TokenRefusal.Disabled));
        Assert.Equal("", await reading.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        var record = bed.NextRecord();
        Assert.Equal("The token is no longer valid.", record.Error);
        using var again = await bed.SendAsync(bed.Get(Mcp));
        Assert.Equal(HttpStatusCode.Unauthorized, again.StatusCode);
    }

    [Fact]
    public async Task Token_DisabledDuringACall_RefusesTheAnswer()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.Server = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        var sending = bed.SendAsync(bed.Post(Mcp, Ping));
        while (bed.SeenUpstream.IsEmpty) await Task.Delay(5, TestContext.Current.CancellationToken);
        bed.SetToken(GatewayBed.Good, TokenVerdict.Refused(TokenRefusal.Unknown));
        using var response = await sending.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task Instance_Removed_EndsItsStreams()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Get(Mcp));
        bed.Routes.Clear();
        Assert.Equal("", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
    }
}
