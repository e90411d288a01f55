using System.Net;
using System.Net.Http.Json;
using McpCan.Server.Hosting;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Under a path, behind a proxy that is known.</summary>
public sealed class ReverseProxyTests(ReverseProxyTests.App app) : IClassFixture<ReverseProxyTests.App>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Redirects_KeepThePathBase()
    {
        Assert.Equal("/tools/mcpcan/setup", (await app.Nobody.GetAsync("tools/mcpcan/", Cancel)).Headers.Location?.ToString());
        Assert.Equal(HttpStatusCode.OK, (await app.Admin.GetAsync("tools/mcpcan/api/v1/me", Cancel)).StatusCode);
    }

    [Fact]
    public async Task ForwardedHostAndScheme_Count()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "tools/mcpcan/api/v1/setup") { Headers = { { "X-Forwarded-Host", "mcp.example.com" }, { "X-Forwarded-Proto", "https" }, { "X-Forwarded-For", "192.0.2.7" } } };
        Assert.Equal(HttpStatusCode.OK, (await app.Nobody.SendAsync(request, Cancel)).StatusCode);

        using var evil = new HttpRequestMessage(HttpMethod.Get, "tools/mcpcan/api/v1/setup") { Headers = { { "X-Forwarded-Host", "evil.example" } } };
        await app.Nobody.SendAsync(evil, Cancel).ProblemAsync(HttpStatusCode.Forbidden, "host-not-allowed");
    }

    [Fact]
    public async Task AllowedOrigin_MayCallTheApiWithAKeyOnly()
    {
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "tools/mcpcan/api/v1/me")
        {
            Headers = { { "Origin", "https://app.example.com" }, { "Access-Control-Request-Method", "GET" }, { "Access-Control-Request-Headers", "authorization" } },
        };
        var answer = await app.Nobody.SendAsync(preflight, Cancel);
        Assert.Equal("https://app.example.com", Assert.Single(answer.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Credentials"));

        using var foreign = new HttpRequestMessage(HttpMethod.Get, "tools/mcpcan/api/v1/me") { Headers = { { "Origin", "https://evil.example" } } };
        Assert.False((await app.Admin.SendAsync(foreign, Cancel)).Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task LoginAttempts_AreLimitedPerAddress()
    {
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 5; i++) answers.Add(await TryAsync("198.51.100.1"));

        Assert.Equal([HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.TooManyRequests, HttpStatusCode.TooManyRequests], answers);
        Assert.Equal(HttpStatusCode.Forbidden, await TryAsync("198.51.100.2"));
    }

    private async Task<HttpStatusCode> TryAsync(string address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "tools/mcpcan/api/v1/setup")
        {
            Headers = { { "X-Forwarded-For", address } },
            Content = JsonContent.Create(new { code = "wrong", userName = "x", password = TestApp.Password }),
        };
        var answer = await app.Nobody.SendAsync(request, Cancel);
        await answer.ProblemAsync(answer.StatusCode);
        return answer.StatusCode;
    }

    public sealed class App : SqliteApp
    {
        public App()
        {
            Settings[nameof(McpCanOptions.PathBase)] = "/tools/mcpcan";
            Settings[nameof(McpCanOptions.PublicUrl)] = "https://mcp.example.com/tools/mcpcan";
            Settings[nameof(McpCanOptions.KnownProxies)] = "127.0.0.1,::1";
            Settings[nameof(McpCanOptions.AllowedOrigins)] = "https://app.example.com";
            Settings[nameof(McpCanOptions.LoginsPerMinute)] = "3";
        }
    }
}
