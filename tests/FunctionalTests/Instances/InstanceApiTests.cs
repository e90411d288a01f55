using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>What the API says about instances; none of them is started.</summary>
public abstract class InstanceApiTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static readonly object Source = new { type = "command", command = "no-such-program", args = new[] { "a b", "$(id)" } };

    [Fact]
    public async Task Create_GivesAddressesStateAndTag()
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Größe & Ünit", source = Source, start = false }, Cancel);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal("\"1\"", answer.Headers.ETag?.ToString());
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal($"/api/v1/instances/{made.GetProperty("id").GetString()}", answer.Headers.Location?.ToString());
        Assert.Equal("gro-e-unit", made.GetProperty("slug").GetString());
        Assert.Equal($"{app.Url}/mcp-gateway/{made.GetProperty("slug").GetString()}/mcp", made.GetProperty("address").GetProperty("streamableHttp").GetString());
        Assert.Equal($"{app.Url}/mcp-gateway/{made.GetProperty("slug").GetString()}/sse", made.GetProperty("address").GetProperty("sse").GetString());
        Assert.Equal("Stopped", made.GetProperty("status").GetProperty("state").GetString());
        Assert.Equal("command", made.GetProperty("source").GetProperty("type").GetString());
        Assert.Equal("$(id)", made.GetProperty("source").GetProperty("args")[1].GetString());
        var events = await GetAsync($"instances/{made.GetProperty("id").GetString()}/events");
        Assert.Equal("created", events.GetProperty("items")[0].GetProperty("kind").GetString());
        Assert.Equal("key:test operator", events.GetProperty("items")[0].GetProperty("actor").GetString());
    }

    [Fact]
    public async Task Create_OfTheSameName_GetsAnotherSlug()
    {
        var mark = Mark();
        var first = await CreateAsync(new { name = mark, source = Source, start = false });
        var second = await CreateAsync(new { name = mark, source = Source, start = false });

        Assert.Equal(mark, Slug(first));
        Assert.Equal($"{mark}-2", Slug(second));
        var problem = await app.Admin.PostAsJsonAsync("api/v1/instances", new { name = "x", slug = mark, source = Source }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.True(problem.GetProperty("errors").TryGetProperty("slug", out _));
    }

    [Fact]
    public async Task Create_OfNonsense_NamesAllFieldsAtOnce()
    {
        var problem = await app.Admin.PostAsJsonAsync("api/v1/instances", new
        {
            name = " ",
            slug = "Not A Slug",
            processes = "many",
            environment = "moon",
            source = new { type = "command", command = "", args = new[] { "bell\u0007" }, workingDirectory = "../up" },
            env = new Dictionary<string, string> { ["1BAD"] = "x", ["SP ACE"] = "y" },
            limits = new { memoryBytes = 5, cpus = -1.0, startSeconds = 0 },
        }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");

        var fields = problem.GetProperty("errors").EnumerateObject().Select(e => e.Name).Order(StringComparer.Ordinal);
        Assert.Equal(["env.1BAD", "env.SP ACE", "environment", "limits.cpus", "limits.memoryBytes", "limits.startSeconds", "name", "processes", "slug", "source.args", "source.command", "source.workingDirectory"], fields);
    }

    [Theory]
    [InlineData("""{}""", "name")]
    [InlineData("""{"name":"x"}""", "source")]
    [InlineData("""{"name":"x","source":{}}""", "source.type")]
    [InlineData("""{"name":"x","source":{"command":"npx","type":"command","args":[null]}}""", "source.args")]
    [InlineData("""{"name":"x","source":{"type":"image","image":"a"}}""", "environment")]
    [InlineData("""{"name":"x","source":{"type":"package","packageId":"p-none"}}""", "source.packageId")]
    [InlineData("""{"name":"x","source":{"type":"command","command":"a"},"env":{"A":{"secret":true}}}""", "env.A")]
    [InlineData("""{"name":"x","source":{"type":"command","command":"a"},"env":{"A":{"secret":7}}}""", "env.A")]
    [InlineData("""{"name":"x","source":{"type":"command","command":"a"},"env":[]}""", "env")]
    [InlineData("""{"name":"x","source":{"type":"command","command":"a"},"limits":{"pids":"many"}}""", "limits.pids")]
    public async Task Create_OfNonsense_NamesTheField(string body, string field)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");

        var problem = await app.Admin.PostAsync(new Uri("api/v1/instances", UriKind.Relative), content, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    [Fact]
    public async Task Create_WithTheSameKey_MakesOne()
    {
        var name = Mark();
        var first = await PostAsync(new { name, source = Source, start = false }, "key-" + name);
        var again = await PostAsync(new { name, source = Source, start = false }, "key-" + name);

        Assert.Equal(Id(await first.Content.ReadFromJsonAsync<JsonElement>(Cancel)), Id(await again.Content.ReadFromJsonAsync<JsonElement>(Cancel)));
        await (await PostAsync(new { name = name + "2", source = Source, start = false }, "key-" + name)).ProblemAsync(HttpStatusCode.UnprocessableEntity, "idempotency-key-reused");
        Assert.Equal(1, (await GetAsync($"instances?search={name}")).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Secrets_AreNeverShown_AndStayWhenSentBackMasked()
    {
        var made = await CreateAsync(new { name = Mark(), source = Source, start = false, env = new Dictionary<string, object> { ["PLAIN"] = "p", ["HIDDEN"] = new { secret = "very-secret-value" } } });
        Assert.Equal("""{"HIDDEN":{"secret":true},"PLAIN":"p"}""", made.GetProperty("env").GetRawText());

        var patched = await PatchAsync(Id(made), new { env = new Dictionary<string, object?> { ["PLAIN"] = null, ["HIDDEN"] = new { secret = true }, ["NEW"] = "n" } });

        Assert.Equal("""{"HIDDEN":{"secret":true},"NEW":"n"}""", patched.GetProperty("env").GetRawText());
        Assert.DoesNotContain("very-secret-value", await app.Admin.GetStringAsync("api/v1/instances?limit=500", Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patch_ChangesOnlyWhatItNames_AndKeepsTheAddress()
    {
        var made = await CreateAsync(new { name = Mark(), source = Source, start = false, limits = new { pids = 64, cpus = 0.5 } });

        var patched = await PatchAsync(Id(made), new { name = "Another name", limits = new { pids = 128 }, source = new { args = new[] { "only" } } });

        Assert.Equal("Another name", patched.GetProperty("name").GetString());
        Assert.Equal(Slug(made), Slug(patched));
        Assert.Equal(128, patched.GetProperty("limits").GetProperty("pids").GetInt32());
        Assert.Equal(0.5, patched.GetProperty("limits").GetProperty("cpus").GetDouble());
        Assert.Equal("no-such-program", patched.GetProperty("source").GetProperty("command").GetString());
        Assert.Equal("only", patched.GetProperty("source").GetProperty("args")[0].GetString());
        Assert.Equal(2, patched.GetProperty("revision").GetInt32());
    }

    [Fact]
    public async Task Patch_OfAnOldRevision_IsRefused()
    {
        var made = await CreateAsync(new { name = Mark(), source = Source, start = false });
        Assert.Equal(HttpStatusCode.OK, (await PatchIfAsync(Id(made), "\"1\"")).StatusCode);

        await (await PatchIfAsync(Id(made), "\"1\"")).ProblemAsync(HttpStatusCode.PreconditionFailed, "changed-meanwhile");
        Assert.Equal(HttpStatusCode.OK, (await PatchIfAsync(Id(made), "W/\"2\"")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await PatchIfAsync(Id(made), "*")).StatusCode);
    }

    [Fact]
    public async Task List_SearchesFiltersSortsAndPages()
    {
        var mark = Mark();
        foreach (var name in new[] { "b", "A", "c" }) await CreateAsync(new { name = $"{mark} {name}", source = Source, start = false });

        var first = await GetAsync($"instances?search={mark.ToUpperInvariant()}&sort=name&limit=2&status=stopped,failed&mode=managed&environment=local");
        Assert.Equal(["A", "b"], first.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("name").GetString()![(mark.Length + 1)..]));
        var second = await GetAsync($"instances?search={mark}&sort=name&limit=2&cursor={first.GetProperty("next").GetString()}");
        Assert.Equal(1, second.GetProperty("items").GetArrayLength());
        Assert.Equal(0, (await GetAsync($"instances?search={mark}&status=Running")).GetProperty("total").GetInt32());
        await app.Viewer.GetAsync("api/v1/instances?status=great", Cancel).ProblemAsync(HttpStatusCode.BadRequest, "bad-status");
        await app.Viewer.GetAsync("api/v1/instances?sort=colour", Cancel).ProblemAsync(HttpStatusCode.BadRequest, "bad-sort");
    }

    [Fact]
    public async Task Delete_LeavesNothing()
    {
        var made = await CreateAsync(new { name = Mark(), source = Source, start = false });

        Assert.Equal(HttpStatusCode.Accepted, (await app.Operator.DeleteAsync($"api/v1/instances/{Slug(made)}", Cancel)).StatusCode);

        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{Id(made)}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        await app.Admin.GetAsync($"api/v1/instances/{Id(made)}/events", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        await app.Admin.GetAsync($"api/v1/instances/{Id(made)}/logs?follow=true", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task ClientConfig_IsForThisAddress()
    {
        var made = await CreateAsync(new { name = Mark(), source = Source, start = false });

        var config = await GetAsync($"instances/{Id(made)}/client-config?client=cursor");

        var entry = JsonSerializer.Deserialize<JsonElement>(config.GetProperty("text").GetString()!).GetProperty("mcpServers").GetProperty(Slug(made));
        Assert.Equal(made.GetProperty("address").GetProperty("streamableHttp").GetString(), entry.GetProperty("url").GetString());
        await app.Viewer.GetAsync($"api/v1/instances/{Id(made)}/client-config?client=abacus", Cancel).ProblemAsync(HttpStatusCode.BadRequest, "unknown-client");
    }

    [Fact]
    public async Task Import_CreatesWhatItUnderstands()
    {
        var mark = Mark();
        var body = $$"""
            { // pasted
              "mcpServers": {
                "{{mark}}-one": { "command": "no-such-program", "args": ["x"], "env": { "API_KEY": "abc", "MODE": "fast", }, "disabled": true },
                "{{mark}}-bad": { "command": "no-such-program", "env": { "not a name": "x" }, "disabled": true },
                "{{mark}}-remote": { "url": "https://example.com/mcp?Authorization=abc", "disabled": true },
              }
            }
            """;

        var seen = await ImportAsync(body, "");
        Assert.All(seen, s => Assert.Equal(JsonValueKind.Null, s.GetProperty("created").ValueKind));
        var made = await ImportAsync(body, "?apply=true");

        Assert.Equal("""{"API_KEY":{"secret":true},"MODE":"fast"}""", made[0].GetProperty("created").GetProperty("env").GetRawText());
        Assert.Equal("Stopped", made[0].GetProperty("created").GetProperty("status").GetProperty("state").GetString());
        Assert.Contains("env.not a name", made[1].GetProperty("problem").GetString(), StringComparison.Ordinal);
        Assert.Equal("proxy", made[2].GetProperty("created").GetProperty("mode").GetString());
        Assert.Equal("https://example.com/mcp?Authorization=***", made[2].GetProperty("created").GetProperty("remote").GetProperty("url").GetString());
        Assert.DoesNotContain("abc", string.Concat(made), StringComparison.Ordinal);
        Assert.Equal(2, (await GetAsync($"instances?search={mark}")).GetProperty("total").GetInt32());
        var direct = await ImportAsync(body, "?mode=direct");
        Assert.Equal("direct", direct[2].GetProperty("instance").GetProperty("mode").GetString());
    }

    private async Task<List<JsonElement>> ImportAsync(string body, string query)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        var answer = await app.Operator.PostAsync(new Uri($"api/v1/instances/import{query}", UriKind.Relative), content, Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return [.. (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("servers").EnumerateArray()];
    }

    private async Task<HttpResponseMessage> PostAsync(object body, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/instances") { Content = JsonContent.Create(body) };
        request.Headers.Add("Idempotency-Key", key);
        return await app.Operator.SendAsync(request, Cancel);
    }

    private async Task<HttpResponseMessage> PatchIfAsync(string id, string match)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"api/v1/instances/{id}") { Content = JsonContent.Create(new { name = Mark() }) };
        request.Headers.IfMatch.Add(match == "*" ? EntityTagHeaderValue.Any : EntityTagHeaderValue.Parse(match));
        return await app.Operator.SendAsync(request, Cancel);
    }

    private async Task<JsonElement> CreateAsync(object body)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", body, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> PatchAsync(string id, object body)
    {
        var answer = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", body, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private Task<JsonElement> GetAsync(string path) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/{path}", Cancel);

    private static string Id(JsonElement instance) => instance.GetProperty("id").GetString()!;

    private static string Slug(JsonElement instance) => instance.GetProperty("slug").GetString()!;

    private static string Mark() => $"m{Guid.NewGuid():N}"[..20];
}

public sealed class InstanceApiTestsOnSqlite(SqliteApp app) : InstanceApiTests<SqliteApp>(app);

public sealed class InstanceApiTestsOnPostgres(PostgresApp app) : InstanceApiTests<PostgresApp>(app);
