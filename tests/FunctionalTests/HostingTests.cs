using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>What holds for every request.</summary>
public abstract class HostingTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Health_NeedsNobody()
    {
        Assert.Equal(HttpStatusCode.OK, (await app.Nobody.GetAsync("healthz", Cancel)).StatusCode);
        Assert.Equal("ok", (await app.Nobody.GetFromJsonAsync<JsonElement>("readyz", Cancel)).GetProperty("checks").GetProperty("database").GetString());
    }

    [Fact]
    public async Task SettingsOfTheCommandLine_HaveASchemaForEverybody() =>
        Assert.Equal("mcpcan.json", (await app.Nobody.GetFromJsonAsync<JsonElement>("schemas/mcpcan.json", Cancel)).GetProperty("title").GetString());

    [Fact]
    public async Task Metrics_AreForSignedInOnly()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.Nobody.GetAsync("metrics", Cancel)).StatusCode);
        Assert.Contains("http_server_request_duration", await app.Viewer.GetStringAsync("metrics", Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("127.0.0.1:9", true)]
    [InlineData("[::1]:80", true)]
    [InlineData("192.168.7.7", true)]
    [InlineData("evil.example", false)]
    [InlineData("localhost.evil.example", false)]
    [InlineData("127.0.0.1.evil.example", false)]
    public async Task HostNames_ThatAreNotOurs_AreRefused(string host, bool ours)
    {
        foreach (var path in new[] { "api/v1/me", "healthz", "", "mcp-gateway/x/mcp" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Host = host } };
            var answer = await app.Admin.SendAsync(request, Cancel);
            if (ours) Assert.NotEqual("host-not-allowed", answer.StatusCode == HttpStatusCode.Forbidden ? await CodeAsync(answer) : "");
            else await answer.ProblemAsync(HttpStatusCode.Forbidden, "host-not-allowed");
        }
    }

    [Theory]
    [InlineData("healthz")]
    [InlineData("api/v1/me")]
    [InlineData("reference/")]
    [InlineData("no/such/page")]
    public async Task Answers_CarryTheSecurityHeaders(string path)
    {
        var headers = (await app.Admin.GetAsync(path, Cancel)).Headers;

        Assert.Contains("frame-ancestors 'none'", Assert.Single(headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(headers.GetValues("X-Content-Type-Options")));
        Assert.False(headers.Contains("Server"));
    }

    [Fact]
    public async Task UnknownAddresses_AreProblems()
    {
        await app.Admin.GetAsync("api/v1/nothing", Cancel).ProblemAsync(HttpStatusCode.NotFound, "not-found");
        await app.Admin.PutAsJsonAsync("api/v1/me", new { }, Cancel).ProblemAsync(HttpStatusCode.MethodNotAllowed, "method-not-allowed");
        await app.Nobody.GetAsync("api/v1/nothing", Cancel).ProblemAsync(HttpStatusCode.Unauthorized, "unauthenticated");
        using var text = new StringContent("name=x", null, "text/plain");
        await app.Admin.PostAsync(new Uri("api/v1/tokens", UriKind.Relative), text, Cancel).ProblemAsync(HttpStatusCode.UnsupportedMediaType, "unsupported-media-type");
    }

    [Theory]
    [InlineData("limit=0", "bad-limit")]
    [InlineData("limit=501", "bad-limit")]
    [InlineData("limit=many", "invalid")]
    [InlineData("cursor=%F0%9F%98%80", "bad-cursor")]
    [InlineData("cursor=LTE", "bad-cursor")]
    [InlineData("sort=hash", "bad-sort")]
    [InlineData("search=%00", "bad-address")]
    [InlineData("search=%FF%FE", "bad-address")]
    public async Task ListQueries_OfNonsense_AreRefused(string query, string code)
    {
        foreach (var list in new[] { "tokens", "users", "api-keys" })
            await app.Admin.GetAsync($"api/v1/{list}?{query}", Cancel).ProblemAsync(HttpStatusCode.BadRequest, code);
    }

    [Fact]
    public async Task Searches_WithAnyText_Work()
    {
        foreach (var text in new[] { "%", "_", "\\", "'; drop table \"Tokens\"; --", "名前", "😀", new string('x', 3000) })
            Assert.Equal(HttpStatusCode.OK, (await app.Admin.GetAsync($"api/v1/tokens?search={Uri.EscapeDataString(text)}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task LogsOfAllThis_HoldNoCredential()
    {
        var token = await (await app.Admin.PostAsJsonAsync("api/v1/tokens", new { name = "redaction", instances = "*" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var value = token.GetProperty("value").GetString()!;
        var key = await (await app.Admin.PostAsJsonAsync("api/v1/api-keys", new { name = "redaction", role = Roles.Viewer }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var client = app.NewClient(key.GetProperty("value").GetString());
        await client.GetAsync("api/v1/me", Cancel);
        await client.PostAsJsonAsync("api/v1/tokens", new { name = value }, Cancel);
        await app.NewClient(value).GetAsync("mcp-gateway/none/mcp", Cancel);
        await app.NewClient(value).GetAsync("api/v1/me", Cancel);
        await app.SignedInAsync(Roles.Viewer);
        await TestApp.PostFormAsync(app.NewClient(), "auth/login", ("userName", "somebody"), ("password", "a-secret-password"));

        Assert.NotEmpty(app.Log.Lines);
        foreach (var secret in new[] { value, value[4..], key.GetProperty("value").GetString()!, TestApp.Password, "a-secret-password", app.SetupCode })
            Assert.DoesNotContain(app.Log.Lines, line => secret.Length > 0 && line.Contains(secret, StringComparison.Ordinal));
    }

    private static async Task<string?> CodeAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        return text.Contains("host-not-allowed", StringComparison.Ordinal) ? "host-not-allowed" : "other";
    }
}

public sealed class HostingTestsOnSqlite(SqliteApp app) : HostingTests<SqliteApp>(app);

public sealed class HostingTestsOnPostgres(PostgresApp app) : HostingTests<PostgresApp>(app);
