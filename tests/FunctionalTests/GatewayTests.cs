using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>The gateway inside the server: closed to everybody without a token of its own, whatever they are elsewhere.</summary>
public abstract class GatewayTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static readonly object Initialize = new
    {
        jsonrpc = "2.0",
        id = 1,
        method = "initialize",
        @params = new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "test", version = "1" } },
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_WithoutAToken_AreRefused()
    {
        var id = await StoppedInstanceAsync();
        var browser = await app.SignedInAsync("admin");
        foreach (var client in new[] { app.Nobody, app.Admin, browser, app.NewClient("mct_wrong") })
        {
            var answer = await PostAsync(client, id);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.NotEmpty(answer.Headers.WwwAuthenticate);
            Assert.False(answer.Headers.Contains("Set-Cookie"));
        }
    }

    [Fact]
    public async Task Calls_WithAToken_ReachTheInstance()
    {
        var id = await StoppedInstanceAsync();
        var token = await (await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { id } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);

        var answer = await PostAsync(app.NewClient(token.GetProperty("value").GetString()), id);

        // It does not run: the answer says so, and is not a refusal.
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("2.0", (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("jsonrpc").GetString());
        Assert.Empty(app.Log.Errors);
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient client, string instance)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"mcp-gateway/{instance}/mcp") { Content = JsonContent.Create(Initialize) };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        return client.SendAsync(request, Cancel);
    }

    private async Task<string> StoppedInstanceAsync()
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = $"gateway {Guid.NewGuid():N}"[..20], mode = "managed", source = new { type = "command", command = "true" }, start = false }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }
}

public sealed class GatewayTestsOnSqlite(SqliteApp app) : GatewayTests<SqliteApp>(app);

public sealed class GatewayTestsOnPostgres(PostgresApp app) : GatewayTests<PostgresApp>(app);
