using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>From a fresh installation to the first administrator. One test, since it happens once.</summary>
public abstract class SetupTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SetUp_FromFreshToLastAdministrator()
    {
        // Fresh: everything leads to set-up, and only the code of this start works.
        Assert.True(await NeededAsync());
        Assert.Equal("/setup", (await app.Nobody.GetAsync("", Cancel)).Headers.Location?.ToString());
        var earlier = app.SetupCode;
        await app.RestartAsync();
        Assert.NotEqual("", app.SetupCode);
        Assert.NotEqual(earlier, app.SetupCode);
        await SetUpAsync(earlier, TestApp.Password).ProblemAsync(HttpStatusCode.Forbidden, "wrong-setup-code");
        await SetUpAsync("", TestApp.Password).ProblemAsync(HttpStatusCode.Forbidden, "wrong-setup-code");

        // A password that is too short does not use the code up; the form leads back with the field's name.
        await SetUpAsync(app.SetupCode, "short").ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        var form = await TestApp.PostFormAsync(app.NewClient(), "auth/setup", ("code", app.SetupCode), ("userName", "first"), ("password", "short"));
        Assert.Equal("/setup?error=password", form.Headers.Location?.ToString());
        Assert.True(await NeededAsync());

        // Two at the same time make one administrator.
        var code = app.SetupCode.ToLowerInvariant();
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => SetUpAsync(code, TestApp.Password, $"first{n}")));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        var admin = await answers.Single(a => a.StatusCode == HttpStatusCode.Created).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal(Roles.Admin, admin.GetProperty("role").GetString());

        // Done: the code is worth nothing, the banner says nothing of it, sign-in works.
        Assert.False(await NeededAsync());
        await SetUpAsync(code, TestApp.Password).ProblemAsync(HttpStatusCode.Conflict, "already-set-up");
        await app.RestartAsync();
        Assert.Equal("", app.SetupCode);
        Assert.Equal("/login", (await app.Nobody.GetAsync("", Cancel)).Headers.Location?.ToString());
        var name = admin.GetProperty("userName").GetString()!;
        var login = await TestApp.PostFormAsync(app.NewClient(), "auth/login", ("userName", name), ("password", TestApp.Password));
        Assert.Equal("/", login.Headers.Location?.ToString());

        // The last administrator cannot be lost.
        await app.Admin.DeleteAsync($"api/v1/users/{name}", Cancel).ProblemAsync(HttpStatusCode.Conflict, "last-admin");
        await app.Admin.PatchAsJsonAsync($"api/v1/users/{name}", new { role = "viewer" }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "last-admin");
        await app.Admin.PatchAsJsonAsync($"api/v1/users/{name}", new { disabled = true }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "last-admin");
        Assert.Empty(app.Log.Errors);
    }

    private async Task<bool> NeededAsync() => (await app.Nobody.GetFromJsonAsync<JsonElement>("api/v1/setup", Cancel)).GetProperty("needed").GetBoolean();

    private Task<HttpResponseMessage> SetUpAsync(string code, string password, string userName = "first") =>
        app.Nobody.PostAsJsonAsync("api/v1/setup", new { code, userName, password }, Cancel);
}

public sealed class SetupTestsOnSqlite(SqliteApp app) : SetupTests<SqliteApp>(app);

public sealed class SetupTestsOnPostgres(PostgresApp app) : SetupTests<PostgresApp>(app);
