using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Server;
using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

public abstract class TokenTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private TokenVerifier Verifier => app.Services.GetRequiredService<TokenVerifier>();

    [Fact]
    public async Task Create_ShowsTheValueOnce()
    {
        var made = await CreateAsync(new { name = "one", instances = "*" });

        var value = made.GetProperty("value").GetString()!;
        Assert.Matches("^mct_[A-Za-z0-9_-]{43}$", value);
        Assert.Equal("*", made.GetProperty("instances").GetString());
        var read = await app.Admin.GetStringAsync($"api/v1/tokens/{made.GetProperty("id").GetString()}", Cancel);
        Assert.DoesNotContain(value, read, StringComparison.Ordinal);
        Assert.DoesNotContain(value, await app.Admin.GetStringAsync("api/v1/tokens?limit=500", Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_KnowsNewChangedAndDeletedTokensAtOnce()
    {
        var mine = await InstanceAsync();
        var other = await InstanceAsync();
        var made = await CreateAsync(new { name = "bound", instances = new[] { mine.Slug } });
        var (id, value) = (made.GetProperty("id").GetString()!, made.GetProperty("value").GetString()!);

        Assert.Equal(mine.Id, made.GetProperty("instances")[0].GetString());
        Assert.Equal(new TokenVerdict(id, $"token:{id}", TokenRefusal.None), Verifier.Verify(value, mine.Id, null));
        Assert.Equal(TokenRefusal.Foreign, Verifier.Verify(value, other.Id, null).Refusal);
        Assert.Equal(TokenRefusal.Unknown, Verifier.Verify(value + "x", mine.Id, null).Refusal);
        Assert.Equal(TokenRefusal.Missing, Verifier.Verify("", mine.Id, null).Refusal);

        await PatchAsync(id, new { instances = new[] { other.Id } });
        Assert.Equal(TokenRefusal.Foreign, Verifier.Verify(value, mine.Id, null).Refusal);
        await PatchAsync(id, new { enabled = false, instances = "*" });
        Assert.Equal(TokenRefusal.Disabled, Verifier.Verify(value, mine.Id, null).Refusal);
        await PatchAsync(id, new { enabled = true });
        Assert.Equal(TokenRefusal.None, Verifier.Verify(value, mine.Id, null).Refusal);

        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"api/v1/tokens/{id}", Cancel)).StatusCode);
        Assert.Equal(TokenRefusal.Unknown, Verifier.Verify(value, mine.Id, null).Refusal);
        Assert.Equal(HttpStatusCode.NotFound, (await app.Admin.GetAsync($"api/v1/tokens/{id}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task Verify_AfterTheEnd_IsExpired()
    {
        var made = await CreateAsync(new { name = "short", instances = "*", expiresAt = app.Clock.GetUtcNow().AddMinutes(10) });
        var (id, value) = (made.GetProperty("id").GetString()!, made.GetProperty("value").GetString()!);
        Assert.Equal(TokenRefusal.None, Verifier.Verify(value, "i-any", null).Refusal);

        app.Clock.Advance(TimeSpan.FromMinutes(11));

        Assert.Equal(TokenRefusal.Expired, Verifier.Verify(value, "i-any", null).Refusal);
        var patched = await PatchAsync(id, new { expiresAt = (DateTimeOffset?)null });
        Assert.Equal(JsonValueKind.Null, patched.GetProperty("expiresAt").ValueKind);
        Assert.Equal(TokenRefusal.None, Verifier.Verify(value, "i-any", null).Refusal);
    }

    [Fact]
    public async Task Policy_IsStoredShownMergedAndVerified()
    {
        var made = await CreateAsync(new
        {
            name = "policy",
            instances = "*",
            tools = new[] { "echo", "get_*" },
            prompts = new { deny = new[] { "secret*" } },
            resources = new { allow = new[] { "file:///public/*" }, deny = new[] { "file:///public/x" } },
            addresses = new[] { " 10.1.2.3/8", "2001:db8::1", "::ffff:192.0.2.7", "10.0.0.0/8" },
            limits = new { requestsPerMinute = 60, sessions = 2 },
        });
        var (id, value) = (made.GetProperty("id").GetString()!, made.GetProperty("value").GetString()!);

        var read = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/tokens/{id}", Cancel);
        Assert.Equal("""{"allow":["echo","get_*"],"deny":[]}""", read.GetProperty("tools").GetRawText());
        Assert.Equal("""{"allow":null,"deny":["secret*"]}""", read.GetProperty("prompts").GetRawText());
        Assert.Equal("""["10.0.0.0/8","2001:db8::1","192.0.2.7"]""", read.GetProperty("addresses").GetRawText());
        Assert.Equal("""{"requestsPerMinute":60,"concurrentCalls":null,"sessions":2}""", read.GetProperty("limits").GetRawText());

        var verdict = Verifier.Verify(value, "i-any", IPAddress.Parse("::ffff:10.200.0.1"));
        Assert.True(verdict.Policy!.Tools!.Opens("get_x") && !verdict.Policy.Tools.Opens("add"));
        Assert.True(verdict.Policy.Prompts!.Opens("greet") && !verdict.Policy.Prompts.Opens("secret-1"));
        Assert.True(verdict.Policy.Resources!.Opens("file:///public/y") && !verdict.Policy.Resources.Opens("file:///public/x") && !verdict.Policy.Resources.Opens("file:///etc"));
        Assert.Equal(new TrafficLimits(60, null, 2), verdict.Policy.Limits);
        Assert.Equal(TokenRefusal.None, Verifier.Verify(value, "i-any", IPAddress.Parse("2001:db8::1")).Refusal);
        Assert.Equal(TokenRefusal.None, Verifier.Verify(value, "i-any", IPAddress.Parse("192.0.2.7")).Refusal);
        Assert.Equal(TokenRefusal.Address, Verifier.Verify(value, "i-any", IPAddress.Parse("2001:db8::2")).Refusal);
        Assert.Equal(TokenRefusal.Address, Verifier.Verify(value, "i-any", IPAddress.Parse("11.0.0.1")).Refusal);
        Assert.Equal(TokenRefusal.Address, Verifier.Verify(value, "i-any", null).Refusal);

        // Another token's change leaves the policy's object as it is; its own replaces it.
        await CreateAsync(new { name = "another", instances = "*" });
        Assert.Same(verdict.Policy, Verifier.Verify(value, "i-any", IPAddress.Parse("10.0.0.1")).Policy);
        var patched = await PatchAsync(id, new { tools = new { deny = new[] { "get_secret" } }, limits = new { sessions = (int?)null, concurrentCalls = 4 }, addresses = Array.Empty<string>() });
        Assert.Equal("""{"allow":["echo","get_*"],"deny":["get_secret"]}""", patched.GetProperty("tools").GetRawText());
        Assert.Equal("""{"requestsPerMinute":60,"concurrentCalls":4,"sessions":null}""", patched.GetProperty("limits").GetRawText());
        Assert.False(Verifier.Verify(value, "i-any", null).Policy!.Tools!.Opens("get_secret"));

        await PatchAsync(id, new { tools = (object?)null, prompts = (object?)null, resources = (object?)null, limits = (object?)null });
        Assert.Equal(new TokenVerdict(id, $"token:{id}", TokenRefusal.None), Verifier.Verify(value, "i-any", null));
    }

    [Fact]
    public async Task ChangeByAnotherProcess_ActsWithinSeconds()
    {
        var made = await CreateAsync(new { name = "elsewhere", instances = "*" });
        var (id, value) = (made.GetProperty("id").GetString()!, made.GetProperty("value").GetString()!);
        await using (var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel))
        {
            await TokenVerifier.MarkChangedAsync(db, Cancel);
            (await db.Tokens.SingleAsync(t => t.Id == id, Cancel)).Enabled = false;
            await db.SaveChangesAsync(Cancel);
        }

        await Eventually.HoldsAsync(() => Verifier.Verify(value, "i-any", null).Refusal == TokenRefusal.Disabled);
    }

    [Fact]
    public async Task Used_IsStoredInBatches()
    {
        var made = await CreateAsync(new { name = "used", instances = "*" });
        var id = made.GetProperty("id").GetString()!;
        Verifier.Used(id, "client 1.0", "192.0.2.1");
        Verifier.Used(id, null, "192.0.2.2");

        await Verifier.FlushUsesAsync(Cancel);

        var read = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/tokens/{id}", Cancel);
        Assert.Equal("client 1.0", read.GetProperty("lastUsedClient").GetString());
        Assert.Equal("192.0.2.2", read.GetProperty("lastUsedAddress").GetString());
        Assert.NotEqual(JsonValueKind.Null, read.GetProperty("lastUsedAt").ValueKind);
    }

    [Fact]
    public async Task List_SearchesSortsAndPages()
    {
        var instance = await InstanceAsync();
        var mark = Guid.NewGuid().ToString("N");
        foreach (var name in new[] { "b", "C", "a", "d_100%" }) await CreateAsync(new { name = $"{mark} {name}", instances = new[] { instance.Id } });

        var first = await ListAsync($"search={mark[..20].ToUpperInvariant()}&sort=name&limit=3");
        Assert.Equal(4, first.GetProperty("total").GetInt32());
        Assert.Equal(3, first.GetProperty("items").GetArrayLength());
        var second = await ListAsync($"search={mark}&sort=name&limit=3&cursor={first.GetProperty("next").GetString()}");
        Assert.Equal(1, second.GetProperty("items").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, second.GetProperty("next").ValueKind);
        Assert.Equal(1, (await ListAsync("search=d_100%25")).GetProperty("total").GetInt32());
        Assert.Equal(0, (await ListAsync("search=d1100%25")).GetProperty("total").GetInt32());
        Assert.True((await ListAsync($"instance={instance.Slug}")).GetProperty("total").GetInt32() >= 4);
        Assert.Equal(0, (await ListAsync($"instance=i-none&search={mark}")).GetProperty("total").GetInt32());
    }

    [Theory]
    [InlineData("""{"name":"x"}""", "instances")]
    [InlineData("""{"instances":"*"}""", "name")]
    [InlineData("""{"name":"","instances":"*"}""", "name")]
    [InlineData("""{"name":7,"instances":"*"}""", "name")]
    [InlineData("""{"name":null,"instances":"*"}""", "name")]
    [InlineData("""{"name":"x","instances":"all"}""", "instances")]
    [InlineData("""{"name":"x","instances":[1]}""", "instances")]
    [InlineData("""{"name":"x","instances":[null]}""", "instances")]
    [InlineData("""{"name":"x","instances":["i-unknown"]}""", "instances")]
    [InlineData("""{"name":"x","instances":"*","expiresAt":"tomorrow"}""", "expiresAt")]
    [InlineData("""{"name":"x","instances":"*","expiresAt":"2001-01-01T00:00:00Z"}""", "expiresAt")]
    [InlineData("""{"name":"x","instances":"*","enabled":"yes"}""", "enabled")]
    [InlineData("""{"name":"a\u0000b","instances":"*"}""", "name")]
    [InlineData("""{"name":"x","instances":"*","tools":"echo"}""", "tools")]
    [InlineData("""{"name":"x","instances":"*","tools":{"allowed":[]}}""", "tools")]
    [InlineData("""{"name":"x","instances":"*","tools":{"allow":[1]}}""", "tools")]
    [InlineData("""{"name":"x","instances":"*","prompts":{"deny":[""]}}""", "prompts.deny")]
    [InlineData("""{"name":"x","instances":"*","resources":{"allow":[" a"]}}""", "resources.allow")]
    [InlineData("""{"name":"x","instances":"*","addresses":["10.1"]}""", "addresses")]
    [InlineData("""{"name":"x","instances":"*","addresses":["010.0.0.1"]}""", "addresses")]
    [InlineData("""{"name":"x","instances":"*","addresses":["10.0.0.0/33"]}""", "addresses")]
    [InlineData("""{"name":"x","instances":"*","addresses":["fe80::1%eth0"]}""", "addresses")]
    [InlineData("""{"name":"x","instances":"*","addresses":["localhost"]}""", "addresses")]
    [InlineData("""{"name":"x","instances":"*","limits":{"requestsPerMinute":0}}""", "limits.requestsPerMinute")]
    [InlineData("""{"name":"x","instances":"*","limits":{"concurrentCalls":-1}}""", "limits.concurrentCalls")]
    [InlineData("""{"name":"x","instances":"*","limits":{"sessions":"many"}}""", "limits.sessions")]
    public async Task Create_OfNonsense_NamesTheField(string body, string field)
    {
        using var content = new StringContent(body, null, "application/json");
        var problem = await app.Admin.PostAsync(new Uri("api/v1/tokens", UriKind.Relative), content, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    private async Task<JsonElement> CreateAsync(object body)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/tokens", body, Cancel);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> PatchAsync(string id, object body)
    {
        var answer = await app.Operator.PatchAsJsonAsync($"api/v1/tokens/{id}", body, Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private Task<JsonElement> ListAsync(string query) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/tokens?{query}", Cancel);

    private async Task<(string Id, string Slug)> InstanceAsync()
    {
        var id = McpCan.Server.Hosting.Ids.New("i");
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        db.Instances.Add(new Instance { Id = id, Name = id, Slug = "slug-" + id, Mode = "direct", Source = new CommandSource("true") });
        await db.SaveChangesAsync(Cancel);
        return (id, "slug-" + id);
    }
}

public sealed class TokenTestsOnSqlite(SqliteApp app) : TokenTests<SqliteApp>(app);

public sealed class TokenTestsOnPostgres(PostgresApp app) : TokenTests<PostgresApp>(app);
