using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Templates, and the library that comes along.</summary>
public abstract class TemplateTests(TestApp app)
{
    private const string Base = "api/v1/templates";
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("en", "Calculator (Node.js)", "Filesystem")]
    [InlineData("zh-CN", "计算器（Node.js）", "文件系统")]
    public async Task Library_IsThere_InTheLanguageOfTheRequest(string language, string calculator, string filesystem)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Base + "?builtIn=true&limit=100");
        request.Headers.Add("Accept-Language", language);
        var names = (await (await app.Viewer.SendAsync(request, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("items").EnumerateArray().Select(t => t.GetProperty("name").GetString()).ToList();

        Assert.Contains(calculator, names);
        Assert.Contains(filesystem, names);
        Assert.True(names.Count >= 19, $"{names.Count}");
    }

    [Theory]
    [InlineData("case-calculator-node")]
    [InlineData("case-calculator-python")]
    public async Task Calculator_IsDeployedFromTheLibrary_WithoutANetwork_AndItsPackageIsMadeOnce(string id)
    {
        var first = await UseAsync(id, new { name = "First" });
        var second = await UseAsync(id, new { name = "Second", start = false });

        Assert.Equal(first.GetProperty("source").GetRawText(), second.GetProperty("source").GetRawText());
        Assert.Equal("42", await CallAsync(await RunningAsync(first), "calculate", new { expression = "6 * 7" }));
        await DeleteAsync(first);
        await DeleteAsync(second);
    }

    [Fact]
    public async Task Template_MakesInstances_WithTheValuesInTheirPlaces_AndSecretsNeverShown()
    {
        var template = await CreateAsync(new
        {
            name = "Shelf",
            description = new Dictionary<string, string> { ["en"] = "Keeps things.", ["zh-CN"] = "保存东西。" },
            category = "things",
            parameters = new object[]
            {
                new { key = "key", type = "secret", required = true },
                new { key = "level", type = "choice", options = new[] { "low", "high" }, @default = "low" },
                new { key = "pids", type = "number", minimum = 16, maximum = 256, @default = 64 },
                new { key = "folders", multiple = true },
                new { key = "note" },
            },
            instance = new
            {
                source = new { type = "command", command = "python3", args = new[] { "--level={{level}}", "--note={{note}}", "{{folders}}" } },
                env = new Dictionary<string, object> { ["KEY"] = new { secret = "Bearer {{key}}" }, ["NOTE"] = "{{note}}", ["LEVEL"] = "{{level}}" },
                limits = new { pids = "{{pids}}" },
            },
        });
        var id = template.GetProperty("id").GetString()!;

        var made = await UseAsync(id, new { name = "Made", start = false, values = new { key = "open-sesame", pids = 32, folders = "/a\n/b {{key}}" } });

        Assert.Equal(["--level=low", "/a", "/b {{key}}"], made.GetProperty("source").GetProperty("args").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal("""{"KEY":{"secret":true},"LEVEL":"low"}""", made.GetProperty("env").GetRawText());
        Assert.Equal(32, made.GetProperty("limits").GetProperty("pids").GetInt32());
        Assert.DoesNotContain("open-sesame", made.GetRawText(), StringComparison.Ordinal);
        foreach (var (values, field) in new (object, string)[]
        {
            (new { }, "values.key"), (new { key = "k", level = "middle" }, "values.level"), (new { key = "k", pids = 1 }, "values.pids"), (new { key = "k", pids = "many" }, "values.pids"),
            (new { key = "k", other = "x" }, "values.other"), (new { key = "k", note = "two\nlines" }, "values.note"), (new { key = new { } }, "values.key"),
        })
        {
            var problem = await app.Operator.PostAsJsonAsync($"{Base}/{id}/instances", new { values }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
            Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
        }
        await DeleteAsync(made);
        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode);
        await app.Operator.GetAsync($"{Base}/{id}", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Instance_BecomesATemplate_WhoseSecretsAreAskedFor_AndWhichMakesTheSameAgain()
    {
        var command = await InstanceAsync(new { name = "Original", start = false, processes = "shared", limits = new { pids = 77 }, source = new { type = "command", command = "true", args = new[] { "-x" } }, env = new Dictionary<string, object> { ["PLAIN"] = "p", ["API_KEY"] = new { secret = "hidden" } } });
        var remote = await InstanceAsync(new { name = "Remote", mode = "proxy", start = false, remote = new { url = "http://127.0.0.1:9/mcp?team=blue&key=hidden", headers = new Dictionary<string, object> { ["Authorization"] = new { secret = "Bearer hidden" }, ["X-Team"] = "blue" } } });

        var definition = await (await app.Operator.GetAsync($"api/v1/instances/{Id(command)}/template", Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var ofRemote = await app.Operator.GetStringAsync($"api/v1/instances/{Id(remote)}/template", Cancel);
        Assert.Equal("""{"mode":"managed","source":{"type":"command","command":"true","args":["-x"]},"env":{"API_KEY":{"secret":"{{API_KEY}}"},"PLAIN":"p"},"processes":"shared","limits":{"pids":77}}""", definition.GetProperty("instance").GetRawText());
        Assert.DoesNotContain("hidden", definition.GetRawText() + ofRemote, StringComparison.Ordinal);
        Assert.Contains("?team={{team}}&key={{key}}", ofRemote.Replace("\\u0026", "&", StringComparison.Ordinal), StringComparison.Ordinal);

        foreach (var (source, text, values) in new (JsonElement, string, object)[] { (command, definition.GetRawText(), new Dictionary<string, string> { ["API_KEY"] = "again" }), (remote, ofRemote, new Dictionary<string, string> { ["team"] = "blue", ["key"] = "a b&c", ["header-Authorization"] = "Bearer again" }) })
        {
            var stored = await CreateAsync(JsonNode.Parse(text)!);
            var made = await UseAsync(stored.GetProperty("id").GetString()!, new { name = "Copy", start = false, values });
            foreach (var part in new[] { "mode", "source", "env", "processes", "limits", "remote" })
                Assert.Equal(source.GetProperty(part).GetRawText(), made.GetProperty(part).GetRawText());
            await DeleteAsync(source);
            await DeleteAsync(made);
        }
    }

    [Fact]
    public async Task Template_IsExported_AndImportedAgain_InAllItsLanguages()
    {
        var exported = await app.Viewer.GetStringAsync($"{Base}/case-filesystem/export", Cancel);

        var copy = await CreateAsync(JsonNode.Parse(exported)!);

        Assert.False(copy.GetProperty("builtIn").GetBoolean());
        Assert.Equal(exported, await app.Viewer.GetStringAsync($"{Base}/{copy.GetProperty("id").GetString()}/export", Cancel));
        Assert.Contains("文件系统", exported, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Template_IsSeenByItsRoles_ItsMaker_AndAdministratorsOnly()
    {
        var mine = await CreateAsync(new { name = "Mine", instance = new { source = new { type = "command", command = "true" } } }, roles: []);
        var path = $"{Base}/{mine.GetProperty("id").GetString()}";

        await app.Viewer.GetAsync(path, Cancel).ProblemAsync(HttpStatusCode.NotFound);
        Assert.DoesNotContain("\"Mine\"", await app.Viewer.GetStringAsync(Base, Cancel), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await app.Operator.GetAsync(path, Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await app.Admin.GetAsync(path, Cancel)).StatusCode);
        var shared = await app.Operator.PutAsJsonAsync(path, new { definition = new { name = "Ours", instance = new { source = new { type = "command", command = "true" } } }, roles = new[] { "viewer" } }, Cancel);
        Assert.True(shared.IsSuccessStatusCode, await shared.Content.ReadAsStringAsync(Cancel));
        Assert.Equal("Ours", (await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel)).GetProperty("name").GetString());
        await app.Viewer.DeleteAsync(path, Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        await app.Viewer.PostAsJsonAsync($"{path}/instances", new { }, Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        using var stale = new HttpRequestMessage(HttpMethod.Put, path) { Content = JsonContent.Create(new { definition = new { name = "Stale", instance = new { } } }), Headers = { { "If-Match", "\"1\"" } } };
        await app.Operator.SendAsync(stale, Cancel).ProblemAsync(HttpStatusCode.PreconditionFailed);
        await app.Operator.DeleteAsync($"{Base}/case-everything", Cancel).ProblemAsync(HttpStatusCode.Conflict, "built-in");
    }

    [Theory]
    [InlineData("""{ "name": "x", "instance": { "env": { "K": "{{nobody}}" } } }""", "instance.env.K")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "s", "type": "secret" }], "instance": { "source": { "type": "command", "command": "c", "args": ["{{s}}"] } } }""", "instance.source.args[0]")]
    [InlineData("""{ "name": "x", "instance": { "env": { "K": { "secret": "in the clear" } } } }""", "instance.env.K")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "s", "type": "secret", "default": "d" }], "instance": { "env": { "K": { "secret": "{{s}}" } } } }""", "parameters[0].default")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "1st" }], "instance": { } }""", "parameters[0].key")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a" }], "instance": { } }""", "parameters[0].key")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a" }, { "key": "a" }], "instance": { "env": { "K": "{{a}}" } } }""", "parameters[1].key")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a", "type": "moon" }], "instance": { "env": { "K": "{{a}}" } } }""", "parameters[0].type")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a", "type": "choice" }], "instance": { "env": { "K": "{{a}}" } } }""", "parameters[0].options")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a", "pattern": "(" }], "instance": { "env": { "K": "{{a}}" } } }""", "parameters[0].pattern")]
    [InlineData("""{ "name": "x", "parameters": [{ "key": "a", "type": "number", "default": "b" }], "instance": { "env": { "K": "{{a}}" } } }""", "parameters[0].default")]
    [InlineData("""{ "name": "", "instance": { } }""", "name")]
    [InlineData("""{ "name": "x", "instance": { "slug": "s" } }""", "instance.slug")]
    [InlineData("""{ "name": "x", "instance": { "limits": { "pids": "many" } } }""", "instance")]
    [InlineData("""{ "name": "x", "homepage": "javascript:alert(1)", "instance": { } }""", "homepage")]
    [InlineData("""{ "name": "x", "instance": { "source": { "type": "package", "example": "calculator-node" } } }""", "definition.instance.source.example")]
    public async Task Definition_IsChecked(string definition, string field)
    {
        var problem = await app.Operator.PostAsJsonAsync(Base, new { definition = JsonNode.Parse(definition) }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    private async Task<JsonElement> CreateAsync(object definition, string[]? roles = null)
    {
        var answer = await app.Operator.PostAsJsonAsync(Base, new { definition, roles }, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> UseAsync(string template, object use) => await MadeAsync($"{Base}/{template}/instances", use);

    private Task<JsonElement> InstanceAsync(object input) => MadeAsync("api/v1/instances", input);

    private async Task<JsonElement> MadeAsync(string path, object body)
    {
        var answer = await app.Operator.PostAsJsonAsync(path, body, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel) + string.Join("\n", app.Log.Errors));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<string> RunningAsync(JsonElement instance)
    {
        JsonElement now = default;
        await Eventually.HoldsAsync(async () => (now = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{Id(instance)}", Cancel)).GetProperty("status").GetProperty("state").GetString() is "Running" or "Failed");
        Assert.True(now.GetProperty("status").GetProperty("state").GetString() == "Running", now.GetProperty("status").GetRawText());
        return Id(instance);
    }

    private async Task<string?> CallAsync(string id, string tool, object arguments)
    {
        var answer = await (await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/{tool}/call", new { arguments }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return answer.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();
    }

    private Task DeleteAsync(JsonElement instance) => app.Operator.DeleteAsync($"api/v1/instances/{Id(instance)}", Cancel);

    private static string Id(JsonElement instance) => instance.GetProperty("id").GetString()!;
}

/// <summary>On SQLite.</summary>
public sealed class TemplateTestsOnSqlite(SqliteApp app) : TemplateTests(app), IClassFixture<SqliteApp>;

/// <summary>On PostgreSQL.</summary>
public sealed class TemplateTestsOnPostgres(PostgresApp app) : TemplateTests(app), IClassFixture<PostgresApp>;
