using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Users and API keys.</summary>
public abstract class AccountTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ApiKey_WorksUntilDisabledExpiredOrDeleted()
    {
        var made = await MakeKeyAsync(new { name = "ci", role = "viewer", expiresAt = app.Clock.GetUtcNow().AddDays(1) });
        var (id, value) = (made.GetProperty("id").GetString(), made.GetProperty("value").GetString()!);
        Assert.Matches("^mck_[A-Za-z0-9_-]{43}$", value);
        var client = app.NewClient(value);

        Assert.Equal("key:ci", (await client.GetFromJsonAsync<JsonElement>("api/v1/me", Cancel)).GetProperty("name").GetString());
        Assert.DoesNotContain(value, await app.Admin.GetStringAsync("api/v1/api-keys", Cancel), StringComparison.Ordinal);

        await PatchAsync($"api/v1/api-keys/{id}", new { enabled = false });
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("api/v1/me", Cancel)).StatusCode);
        await PatchAsync($"api/v1/api-keys/{id}", new { enabled = true });
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("api/v1/me", Cancel)).StatusCode);

        app.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("api/v1/me", Cancel)).StatusCode);
        await PatchAsync($"api/v1/api-keys/{id}", new { expiresAt = (string?)null });
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("api/v1/me", Cancel)).StatusCode);

        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"api/v1/api-keys/{id}", Cancel)).StatusCode);
        await client.GetAsync("api/v1/me", Cancel).ProblemAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Theory]
    [InlineData("Bearer mck_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("Bearer mct_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("Bearer ")]
    [InlineData("Basic YWRtaW46YWRtaW4xMjM=")]
    public async Task WrongCredentials_AreRefusedAlike(string header)
    {
        var client = app.NewClient();
        Assert.True(client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header));

        await client.GetAsync("api/v1/tokens", Cancel).ProblemAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Fact]
    public async Task WrongApiKey_IsNotSavedByAGoodCookie()
    {
        var browser = await app.SignedInAsync(Roles.Admin);
        browser.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", "Bearer mck_wrong");

        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("api/v1/me", Cancel)).StatusCode);
    }

    [Theory]
    [InlineData("""{"name":"x","role":"root"}""", "role")]
    [InlineData("""{"name":"x"}""", "role")]
    [InlineData("""{"name":" x","role":"viewer"}""", "name")]
    [InlineData("""{"name":"x","role":"viewer","expiresAt":"1999-01-01T00:00:00Z"}""", "expiresAt")]
    public async Task ApiKey_OfNonsense_NamesTheField(string body, string field)
    {
        using var content = new StringContent(body, null, "application/json");
        var problem = await app.Admin.PostAsync(new Uri("api/v1/api-keys", UriKind.Relative), content, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    [Theory]
    [InlineData("a b", "a long enough password", "viewer", "userName")]
    [InlineData("", "a long enough password", "viewer", "userName")]
    [InlineData("short", "short", "viewer", "password")]
    [InlineData("same", "aaaaaaaaaaaaaaa", "viewer", "password")]
    [InlineData("role", "a long enough password", "boss", "role")]
    public async Task User_OfNonsense_NamesTheField(string userName, string password, string role, string field)
    {
        var problem = await app.Admin.PostAsJsonAsync("api/v1/users", new { userName, password, role }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    [Fact]
    public async Task UserName_IsTakenInAnyCase()
    {
        await MakeUserAsync("Taken", Roles.Viewer);

        await app.Admin.PostAsJsonAsync("api/v1/users", new { userName = "tAKEN", password = TestApp.Password, role = "viewer" }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "user-name-taken");
    }

    [Fact]
    public async Task Users_AreListedWithoutSecrets()
    {
        await MakeUserAsync("listed", Roles.Viewer);

        var text = await app.Admin.GetStringAsync("api/v1/users?search=LISTED", Cancel);

        Assert.Equal(1, JsonSerializer.Deserialize<JsonElement>(text).GetProperty("total").GetInt32());
        Assert.DoesNotContain("hash", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("stamp", text, StringComparison.OrdinalIgnoreCase);
    }

    private async Task<JsonElement> MakeKeyAsync(object body)
    {
        var answer = await app.Admin.PostAsJsonAsync("api/v1/api-keys", body, Cancel);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task MakeUserAsync(string userName, string role) =>
        Assert.Equal(HttpStatusCode.Created, (await app.Admin.PostAsJsonAsync("api/v1/users", new { userName, password = TestApp.Password, role }, Cancel)).StatusCode);

    private async Task PatchAsync(string path, object body) => Assert.Equal(HttpStatusCode.OK, (await app.Admin.PatchAsJsonAsync(path, body, Cancel)).StatusCode);
}

public sealed class AccountTestsOnSqlite(SqliteApp app) : AccountTests<SqliteApp>(app);

public sealed class AccountTestsOnPostgres(PostgresApp app) : AccountTests<PostgresApp>(app);
