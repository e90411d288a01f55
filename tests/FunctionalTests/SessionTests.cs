using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Sign-in with the cookie: forms, lock-out, cross-site requests, ended sessions.</summary>
public abstract class SessionTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Login_WithTheRightPassword_SetsAGuardedCookieAndLeadsBack()
    {
        var name = await UserAsync(Roles.Operator);
        var browser = app.NewClient();

        var answer = await TestApp.PostFormAsync(browser, "auth/login", ("userName", name), ("password", TestApp.Password), ("returnUrl", "/instances?search=a"));

        Assert.Equal("/instances?search=a", answer.Headers.Location?.ToString());
        var cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie"), c => c.StartsWith("mcpcan.session=", StringComparison.Ordinal));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
        var me = await browser.GetFromJsonAsync<JsonElement>("api/v1/me", Cancel);
        Assert.Equal(("user", name, Roles.Operator), (me.GetProperty("type").GetString(), me.GetProperty("name").GetString(), me.GetProperty("role").GetString()));
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("https://evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("\\\\evil.example")]
    [InlineData("javascript:alert(1)")]
    public async Task Login_NeverLeadsElsewhere(string returnUrl)
    {
        var name = await UserAsync(Roles.Viewer);
        var answer = await TestApp.PostFormAsync(app.NewClient(), "auth/login", ("userName", name), ("password", TestApp.Password), ("returnUrl", returnUrl));

        Assert.Equal("/", answer.Headers.Location?.ToString());
    }

    [Fact]
    public async Task Login_WrongUnknownLockedAndDisabled_AnswerTheSame()
    {
        var (wrong, locked, disabled) = (await UserAsync(Roles.Viewer), await UserAsync(Roles.Viewer), await UserAsync(Roles.Viewer));
        for (var i = 0; i < 5; i++) await FailAsync(locked, "not the password");
        (await app.Admin.PatchAsJsonAsync($"api/v1/users/{disabled}", new { disabled = true }, Cancel)).EnsureSuccessStatusCode();

        await FailAsync(wrong, "not the password");
        await FailAsync("nobody-of-this-name", TestApp.Password);
        await FailAsync(locked, TestApp.Password);
        await FailAsync(disabled, TestApp.Password);
        await FailAsync("", "");
        Assert.True((await app.Admin.GetFromJsonAsync<JsonElement>($"api/v1/users/{locked}", Cancel)).GetProperty("lockedOut").GetBoolean());
    }

    [Fact]
    public async Task Forms_WithoutAntiforgeryField_DoNothing()
    {
        var name = await UserAsync(Roles.Viewer);
        var browser = app.NewClient();
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("userName", name), KeyValuePair.Create("password", TestApp.Password)]);

        var answer = await browser.PostAsync(new Uri("auth/login", UriKind.Relative), form, Cancel);

        Assert.Equal("/login?error=stale", answer.Headers.Location?.ToString());
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("api/v1/me", Cancel)).StatusCode);
    }

    [Fact]
    public async Task Logout_EndsTheSession()
    {
        var browser = await app.SignedInAsync(Roles.Viewer);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("api/v1/me", Cancel)).StatusCode);

        var answer = await TestApp.PostFormAsync(browser, "auth/logout");

        Assert.Equal("/login", answer.Headers.Location?.ToString());
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("api/v1/me", Cancel)).StatusCode);
    }

    [Fact]
    public async Task Pages_WithoutSession_LeadToLogin()
    {
        var answer = await app.Nobody.GetAsync("instances/i-1?tab=logs", Cancel);

        Assert.Equal("/login?returnUrl=%2Finstances%2Fi-1%3Ftab%3Dlogs", await WithAUser(answer));
        await app.Nobody.GetAsync("api/v1/instances", Cancel).ProblemAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Theory]
    [InlineData("""{"disabled":true}""")]
    [InlineData("""{"role":"operator"}""")]
    [InlineData("""{"password":"another long password"}""")]
    public async Task ChangeOfAccount_EndsItsSessionsAtOnce(string patch)
    {
        var name = Guid.NewGuid().ToString("N");
        var browser = await app.SignedInAsync(Roles.Viewer, name);
        using var body = new StringContent(patch, null, "application/json");

        (await app.Admin.PatchAsync(new Uri($"api/v1/users/{name}", UriKind.Relative), body, Cancel)).EnsureSuccessStatusCode();

        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("api/v1/me", Cancel)).StatusCode);
    }

    [Theory]
    [InlineData(null, null, null, HttpStatusCode.Forbidden)]
    [InlineData("1", null, null, HttpStatusCode.Created)]
    [InlineData("1", "self", "same-origin", HttpStatusCode.Created)]
    [InlineData("1", "https://evil.example", null, HttpStatusCode.Forbidden)]
    [InlineData("1", "null", null, HttpStatusCode.Forbidden)]
    [InlineData("1", null, "cross-site", HttpStatusCode.Forbidden)]
    [InlineData("1", null, "same-site", HttpStatusCode.Forbidden)]
    public async Task WritesWithTheCookie_NeedHeaderAndOrigin(string? header, string? origin, string? site, HttpStatusCode expected)
    {
        var browser = await app.SignedInAsync(Roles.Operator);
        browser.DefaultRequestHeaders.Remove("X-MCPCAN-CSRF");
        using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/tokens") { Content = JsonContent.Create(new { name = "t", instances = "*" }) };
        if (header is not null) request.Headers.Add("X-MCPCAN-CSRF", header);
        if (origin is not null) request.Headers.Add("Origin", origin == "self" ? app.Url : origin);
        if (site is not null) request.Headers.Add("Sec-Fetch-Site", site);

        Assert.Equal(expected, (await browser.SendAsync(request, Cancel)).StatusCode);
    }

    [Fact]
    public async Task OwnPassword_CanBeChangedWithTheOldOne()
    {
        var name = Guid.NewGuid().ToString("N");
        var browser = await app.SignedInAsync(Roles.Viewer, name);

        await browser.PostAsJsonAsync("api/v1/me/password", new { current = "wrong", next = "another long password" }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "wrong-password");
        await browser.PostAsJsonAsync("api/v1/me/password", new { current = TestApp.Password, next = "short" }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        Assert.Equal(HttpStatusCode.NoContent, (await browser.PostAsJsonAsync("api/v1/me/password", new { current = TestApp.Password, next = "another long password" }, Cancel)).StatusCode);

        await FailAsync(name, TestApp.Password);
    }

    private async Task<string> WithAUser(HttpResponseMessage answer)
    {
        if (answer.Headers.Location?.ToString() != "/setup") return answer.Headers.Location!.ToString();
        await UserAsync(Roles.Viewer);
        return (await app.Nobody.GetAsync(answer.RequestMessage!.RequestUri, Cancel)).Headers.Location!.ToString();
    }

    private async Task FailAsync(string name, string password)
    {
        var answer = await TestApp.PostFormAsync(app.NewClient(), "auth/login", ("userName", name), ("password", password));
        Assert.Equal("/login?error=failed", answer.Headers.Location?.ToString());
    }

    private async Task<string> UserAsync(string role)
    {
        var userName = Guid.NewGuid().ToString("N");
        (await app.Admin.PostAsJsonAsync("api/v1/users", new { userName, password = TestApp.Password, role }, Cancel)).EnsureSuccessStatusCode();
        return userName;
    }
}

public sealed class SessionTestsOnSqlite(SqliteApp app) : SessionTests<SqliteApp>(app);

public sealed class SessionTestsOnPostgres(PostgresApp app) : SessionTests<PostgresApp>(app);
