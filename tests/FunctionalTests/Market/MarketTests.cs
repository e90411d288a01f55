using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace McpCan.FunctionalTests;

/// <summary>Libraries of servers that others keep, read from a server that speaks their interfaces.</summary>
public abstract class MarketTests(TestApp app)
{
    private const string Base = "api/v1/market/sources";
    private static readonly byte[] Bundle = Archives.Zip(
        ("manifest.json", """{"manifest_version":"0.2","name":"tiny","version":"1.0.0","server":{"type":"python","entry_point":"server.py","mcp_config":{"command":"python3","args":["${__dirname}/server.py"]}}}"""),
        ("server.py", TinyServers.Echo));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Registry_IsReadPageAfterPage_AndItsEntriesBecomeServers()
    {
        await using var library = await Library.StartAsync();
        var bundle = $"{library.Url}/tiny.mcpb";
        library.Pages =
        [
            [
                Server("io.github.ann/weather", new { title = "Weather", description = "Forecasts.", version = "1.2.0", repository = new { url = "https://github.example/ann/weather", source = "github" },
                    packages = new object[] { new { registryType = "npm", identifier = "@ann/weather", version = "1.2.0", transport = new { type = "stdio" },
                        packageArguments = new object[] { new { type = "positional", valueHint = "city", isRequired = true, isRepeated = true }, new { type = "named", name = "--units", choices = new[] { "metric", "imperial" }, @default = "metric" }, new { type = "named", name = "--mode", value = "fast" } },
                        environmentVariables = new object[] { new { name = "KEY", description = "The key.", isRequired = true, isSecret = true }, new { name = "LEVEL", @default = "info" } } } } }),
                Server("io.github.ann/snake", new { description = "Python.", version = "2.0", packages = new[] { new { registryType = "pypi", identifier = "snake-mcp", version = "2.0", runtimeHint = "uvx" } } }),
                Server("io.github.ann/gone", new { description = "Withdrawn." }, status: "deleted"),
                Server("io.github.ann/old", new { description = "Old version." }, isLatest: false),
            ],
            [
                Server("com.example/remote", new { description = "Remote.", version = "1", remotes = new object[] { new { type = "streamable-http", url = "https://{tenant}.example.com/mcp", variables = new { tenant = new { isRequired = true } }, headers = new[] { new { name = "Authorization", value = "Bearer {token}", isSecret = true, isRequired = true } } } } }),
                Server("com.example/image", new { description = "Image.", version = "3", packages = new object[] { new { registryType = "oci", identifier = "ghcr.io/example/image:3", transport = new { type = "streamable-http", url = "http://localhost:8931/serve/mcp" } }, new { registryType = "oci", identifier = "example/mounts", version = "1", runtimeArguments = new[] { new { type = "named", name = "--mount", value = "x" } } } } }),
                Server("com.example/net", new { description = "NuGet.", version = "4", packages = new[] { new { registryType = "nuget", identifier = "Net.Server", version = "4.0.0", packageArguments = new[] { new { type = "positional", value = "start" } } } } }),
                Server("com.example/bundle", new { description = "Bundle.", version = "5", packages = new[] { new { registryType = "mcpb", identifier = bundle, version = "5", fileSha256 = Convert.ToHexStringLower(SHA256.HashData(Bundle)) } } }),
                Server("com.example/forged", new { description = "Bundle.", version = "5", packages = new[] { new { registryType = "mcpb", identifier = bundle, version = "5", fileSha256 = new string('0', 64) } } }),
            ],
        ];
        library.Busy = 1; // the first answer is 429
        var source = await AddAsync(new { name = Mark(), kind = "registry", url = library.Url, token = "read-me" });
        Assert.Equal(7, source.GetProperty("count").GetInt32());
        Assert.DoesNotContain("read-me", source.GetRawText(), StringComparison.Ordinal);
        Assert.True(source.GetProperty("hasToken").GetBoolean());
        Assert.Equal(library.Url, source.GetProperty("url").GetString());
        Assert.Equal("Bearer read-me", library.Authorization);

        var id = source.GetProperty("id").GetString()!;
        var found = (await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}/entries?search=FORECAST", Cancel)).GetProperty("items");
        Assert.Equal("io.github.ann", Assert.Single(found.EnumerateArray()).GetProperty("publisher").GetString());

        var weather = await DeployAsync(id, "io.github.ann/weather", 0, new { city = "Bern\nBasel", KEY = "sesame" });
        Assert.Equal(["-y", "@ann/weather@1.2.0", "Bern", "Basel", "--units=metric", "--mode", "fast"], Args(weather));
        Assert.Equal("""{"KEY":{"secret":true},"LEVEL":"info"}""", weather.GetProperty("env").GetRawText());
        Assert.Equal(["snake-mcp@2.0"], Args(await DeployAsync(id, "io.github.ann/snake", 0, new { })));
        Assert.Equal(["Net.Server@4.0.0", "--yes", "--", "start"], Args(await DeployAsync(id, "com.example/net", 0, new { })));
        var remote = await DeployAsync(id, "com.example/remote", 0, new { tenant = "blue", token = "sesame" });
        Assert.Equal(("https://blue.example.com/mcp", "streamable-http"), (remote.GetProperty("remote").GetProperty("url").GetString(), remote.GetProperty("remote").GetProperty("transport").GetString()));
        Assert.DoesNotContain("sesame", remote.GetRawText(), StringComparison.Ordinal);
        var image = (await ItemAsync(id, "com.example/image")).GetProperty("forms");
        Assert.Equal("""{"source":{"type":"image","image":"ghcr.io/example/image:3","http":{"port":8931,"path":"/serve/mcp","transport":"streamable-http"}}}""", image[0].GetProperty("definition").GetProperty("instance").GetRawText());
        Assert.Contains("options of its own", image[1].GetProperty("whyNot").GetString(), StringComparison.Ordinal);
        await PostAsync(id, "com.example/image", 1, new { }).ProblemAsync(HttpStatusCode.Conflict, "not-deployable");
        await PostAsync(id, "io.github.ann/weather", 0, new { }).ProblemAsync(HttpStatusCode.BadRequest);

        var bundled = await DeployAsync(id, "com.example/bundle", 0, new { }, start: true);
        await Eventually.HoldsAsync(async () => (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{bundled.GetProperty("id").GetString()}", Cancel)).GetProperty("status").GetProperty("state").GetString() == "Running");
        await app.Operator.DeleteAsync($"api/v1/instances/{bundled.GetProperty("id").GetString()}", Cancel);
        await PostAsync(id, "com.example/forged", 0, new { }).ProblemAsync(HttpStatusCode.Conflict, "checksum");
    }

    [Fact]
    public async Task Source_ThatFails_KeepsItsLastCopy_AndSaysWhy()
    {
        await using var library = await Library.StartAsync();
        library.Pages = [[Server("a/one", new { description = "One." })]];
        var source = await AddAsync(new { name = Mark(), kind = "registry", url = library.Url });
        var path = $"{Base}/{source.GetProperty("id").GetString()}";

        foreach (var (status, body, word) in new[] { (500, "{}", "500"), (200, "<html>", "no JSON"), (200, """{"other":1}""", "no list"), (401, "{}", "token"), (302, "http://169.254.169.254/", "cannot be reached") })
        {
            (library.Status, library.Body) = (status, body);
            await app.Operator.PostAsync($"{path}/refresh", null, Cancel);
            JsonElement now = default;
            await Eventually.HoldsAsync(async () => (now = await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel)).GetProperty("problem").GetString()?.Contains(word, StringComparison.Ordinal) == true);
            Assert.Equal(1, now.GetProperty("count").GetInt32());
        }
        Assert.Equal(1, (await app.Viewer.GetFromJsonAsync<JsonElement>($"{path}/entries", Cancel)).GetProperty("total").GetInt32());
        (library.Status, library.Body) = (0, null);
        await app.Operator.PostAsync($"{path}/refresh", null, Cancel);
        await Eventually.HoldsAsync(async () => (await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel)).GetProperty("problem").ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public async Task Source_ThatIsChangedWhileItIsRead_IsReadAtItsNewAddress_AndTheTokenStaysBehind()
    {
        await using var old = await Library.StartAsync();
        await using var library = await Library.StartAsync();
        old.Pages = [[Server("a/old", new { })]];
        old.Held = new TaskCompletionSource();
        library.Pages = [[Server("a/one", new { }), Server("a/two", new { })]];
        var name = Mark();
        var made = await (await app.Admin.PostAsJsonAsync(Base, new { name, kind = "registry", url = old.Url, token = "for-the-old-one" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var path = $"{Base}/{made.GetProperty("id").GetString()}";
        await Eventually.HoldsAsync(() => old.Authorization is not null);

        Assert.True((await app.Admin.PutAsJsonAsync(path, new { name, kind = "registry", url = library.Url }, Cancel)).IsSuccessStatusCode);
        old.Held.SetResult();

        await Eventually.HoldsAsync(async () => (await app.Viewer.GetFromJsonAsync<JsonElement>(path, Cancel)).GetProperty("count").GetInt32() == 2);
        Assert.Null(library.Authorization);
        await app.Admin.DeleteAsync(path, Cancel);
    }

    [Fact]
    public async Task HostileEntries_AreKeptAsText_OrLeftOut()
    {
        await using var library = await Library.StartAsync();
        library.Pages =
        [
            [
                Server("a/script", new { title = "<script>alert(1)</script>\u0007", description = "[x](javascript:alert(1))", repository = new { url = "javascript:alert(1)" }, websiteUrl = "file:///etc/passwd" }),
                Server("a/odd", new { description = 7, packages = "none", remotes = new object[] { 1, new { type = "streamable-http", url = "gopher://x" }, new { type = "websocket", url = "wss://x" } } }),
                Server("a/inject", new { packages = new object[] { new { registryType = "npm", identifier = "x", environmentVariables = new[] { new { name = "A", value = "{{other}} {b}" } } }, new { registryType = "moon", identifier = "x" } } }),
                new JsonObject { ["server"] = new JsonObject { ["description"] = "no name" } },
                JsonValue.Create("text")!,
            ],
        ];
        var source = await AddAsync(new { name = Mark(), kind = "registry", url = library.Url });
        var id = source.GetProperty("id").GetString()!;

        Assert.Equal(3, source.GetProperty("count").GetInt32());
        var script = await ItemAsync(id, "a/script");
        Assert.Equal("<script>alert(1)</script>", script.GetProperty("title").GetString());
        Assert.Equal((JsonValueKind.Null, JsonValueKind.Null), (script.GetProperty("repository").ValueKind, script.GetProperty("homepage").ValueKind));
        foreach (var form in (await ItemAsync(id, "a/odd")).GetProperty("forms").EnumerateArray().Skip(1)) Assert.NotEqual("", form.GetProperty("whyNot").GetString());
        Assert.NotNull((await ItemAsync(id, "a/inject")).GetProperty("forms")[1].GetProperty("whyNot").GetString());
    }

    [Fact]
    public async Task Catalogue_AndModelScope_AreRead()
    {
        await using var library = await Library.StartAsync();
        library.Body = """{ "templates": { "ours": { "name": { "en": "Ours", "zh-CN": "我们的" }, "category": "team", "instance": { "source": { "type": "command", "command": "true" } } }, "broken": { "name": 7 }, "refused": { "name": "x", "instance": { "env": { "K": { "secret": "in the clear" } } } } } }""";
        var catalogue = await AddAsync(new { name = Mark(), kind = "catalogue", url = $"{library.Url}/catalogue.json?key=quiet" });
        Assert.DoesNotContain("quiet", await app.Viewer.GetStringAsync(Base, Cancel), StringComparison.Ordinal);
        Assert.Contains("quiet", await app.Admin.GetStringAsync(Base, Cancel), StringComparison.Ordinal);
        var id = catalogue.GetProperty("id").GetString()!;
        Assert.Equal("true", (await DeployAsync(id, "ours", 0, new { })).GetProperty("source").GetProperty("command").GetString());
        foreach (var name in new[] { "broken", "refused" }) Assert.NotNull((await ItemAsync(id, name)).GetProperty("forms")[0].GetProperty("whyNot").GetString());

        library.Body = null;
        library.ModelScope = [.. Enumerable.Range(0, 130).Select(n => (object)new { id = $"@ann/s{n}", name = $"S{n}", chinese_name = $"服务 {n}", description = "d", categories = new[] { "maps" }, operational_urls = n == 129 ? new[] { new { url = "https://mcp.example.net/abc/sse" } } : null })];
        var scope = await AddAsync(new { name = Mark(), kind = "modelscope", url = library.Url });
        Assert.Equal(130, scope.GetProperty("count").GetInt32());
        var last = await ItemAsync(scope.GetProperty("id").GetString()!, "@ann/s129");
        Assert.Equal(("服务 129", "ann", "sse"), (last.GetProperty("title").GetString(), last.GetProperty("publisher").GetString(), last.GetProperty("forms")[0].GetProperty("definition").GetProperty("instance").GetProperty("remote").GetProperty("transport").GetString()));
    }

    [Fact]
    public async Task ThisInstallation_IsARegistryItself_ForWhoHasAKey()
    {
        var (open, closed) = (Mark(), Mark());
        foreach (var (name, tokenRequired) in new[] { (open, false), (closed, true) })
            Assert.True((await app.Operator.PostAsJsonAsync("api/v1/instances", new { name, start = false, source = new { type = "command", command = "true" }, access = new { tokenRequired } }, Cancel)).IsSuccessStatusCode);
        await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = $"{open}-file", mode = "direct", remote = new { url = "https://x.example/mcp" } }, Cancel);
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.Nobody.GetAsync("v0.1/servers", Cancel)).StatusCode);

        var key = (await (await app.Admin.PostAsJsonAsync("api/v1/api-keys", new { name = open, role = "viewer" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("value").GetString();
        var source = await AddAsync(new { name = Mark(), kind = "registry", url = app.Url, token = key });
        var id = source.GetProperty("id").GetString()!;

        var form = (await ItemAsync(id, $"local.mcpcan/{closed}")).GetProperty("forms")[0].GetProperty("definition");
        Assert.Equal($"{app.Url}/mcp-gateway/{closed}/mcp", form.GetProperty("instance").GetProperty("remote").GetProperty("url").GetString());
        Assert.Equal("secret", form.GetProperty("parameters")[0].GetProperty("type").GetString());
        Assert.Equal(0, (await ItemAsync(id, $"local.mcpcan/{open}")).GetProperty("forms")[0].GetProperty("definition").GetProperty("parameters").GetArrayLength());
        await app.Viewer.GetAsync($"{Base}/{id}/entry?name=local.mcpcan/{open}-file", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        var one = await app.Viewer.GetFromJsonAsync<JsonElement>($"v0.1/servers/local.mcpcan%2F{open}/versions/latest", Cancel);
        Assert.Equal(open, one.GetProperty("server").GetProperty("title").GetString());
        await app.Viewer.GetAsync("v0.1/servers/local.mcpcan%2Fnobody/versions/latest", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task OnlyWhatIsOffered_IsSeen_AndOnlyAdministratorsDecide()
    {
        await using var library = await Library.StartAsync();
        library.Pages = [[Server("com.good/a", new { }), Server("com.good/b", new { }), Server("com.bad/c", new { remotes = new[] { new { type = "sse", url = "https://bad.example/sse" } } })]];
        var name = Mark();
        var source = await AddAsync(new { name, kind = "registry", url = library.Url, offered = new[] { "com.good/*" } });
        var id = source.GetProperty("id").GetString()!;

        var first = await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}/entries?sort=-name&limit=1", Cancel);
        Assert.Equal((2, "com.good/b"), (first.GetProperty("total").GetInt32(), Assert.Single(first.GetProperty("items").EnumerateArray()).GetProperty("name").GetString()));
        var second = await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}/entries?sort=-name&limit=1&cursor={first.GetProperty("next").GetString()}", Cancel);
        Assert.Equal(("com.good/a", JsonValueKind.Null), (second.GetProperty("items")[0].GetProperty("name").GetString(), second.GetProperty("next").ValueKind));
        await app.Admin.GetAsync($"{Base}/{id}/entry?name=com.bad/c", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        await PostAsync(id, "com.bad/c", 0, new { }).ProblemAsync(HttpStatusCode.NotFound);
        await app.Operator.PostAsJsonAsync(Base, new { name = "x", kind = "registry", url = library.Url }, Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        foreach (var (bad, field) in new (object, string)[] { (new { name, kind = "registry", url = library.Url }, "name"), (new { name = "x", kind = "moon", url = library.Url }, "kind"), (new { name = "x", kind = "registry", url = "file:///etc" }, "url"), (new { name = "x", kind = "registry", url = library.Url, refreshHours = -1 }, "refreshHours") })
            Assert.True((await app.Admin.PostAsJsonAsync(Base, bad, Cancel).ProblemAsync(HttpStatusCode.BadRequest)).GetProperty("errors").TryGetProperty(field, out _));
        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode);
        await app.Viewer.GetAsync($"{Base}/{id}/entries", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    private static JsonNode Server(string name, object rest, string status = "active", bool isLatest = true)
    {
        var server = JsonSerializer.SerializeToNode(rest)!.AsObject();
        server["name"] = name;
        return new JsonObject { ["server"] = server, ["_meta"] = new JsonObject { ["io.modelcontextprotocol.registry/official"] = new JsonObject { ["status"] = status, ["isLatest"] = isLatest, ["updatedAt"] = "2026-01-02T03:04:05Z" } } };
    }

    private async Task<JsonElement> AddAsync(object settings)
    {
        var answer = await app.Admin.PostAsJsonAsync(Base, settings, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel));
        var id = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString();
        JsonElement now = default;
        await Eventually.HoldsAsync(async () => (now = await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}", Cancel)).GetProperty("triedAt").ValueKind != JsonValueKind.Null);
        Assert.True(now.GetProperty("problem").ValueKind == JsonValueKind.Null, now.GetRawText());
        return now;
    }

    private Task<JsonElement> ItemAsync(string source, string name) => app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{source}/entry?name={Uri.EscapeDataString(name)}", Cancel);

    private Task<HttpResponseMessage> PostAsync(string source, string name, int form, object values, bool start = false) =>
        app.Operator.PostAsJsonAsync($"{Base}/{source}/instances", new { name, form, use = new { name = Mark(), values, start } }, Cancel);

    private async Task<JsonElement> DeployAsync(string source, string name, int form, object values, bool start = false)
    {
        var answer = await PostAsync(source, name, form, JsonSerializer.SerializeToNode(values)!, start);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel) + string.Join("\n", app.Log.Errors));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private static IEnumerable<string?> Args(JsonElement instance) => instance.GetProperty("source").GetProperty("args").EnumerateArray().Select(a => a.GetString());

    private static string Mark() => $"m{Guid.NewGuid():N}"[..16];

    /// <summary>Speaks as libraries do.</summary>
    private sealed class Library : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private Library(WebApplication app) => _app = app;

        public string Url => _app.Urls.First();
        public JsonNode[][] Pages { get; set; } = [];
        public object[] ModelScope { get; set; } = [];
        public int Busy { get; set; }
        public int Status { get; set; }
        public string? Body { get; set; }
        public string? Authorization { get; private set; }
        /// <summary>What answers wait for.</summary>
        public TaskCompletionSource? Held { get; set; }

        public static async Task<Library> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration["urls"] = "http://127.0.0.1:0";
            builder.Logging.ClearProviders();
            var app = builder.Build();
            var library = new Library(app);
            app.Run(library.AnswerAsync);
            await app.StartAsync(Cancel);
            return library;
        }

        public async ValueTask DisposeAsync() => await _app.DisposeAsync();

        private async Task AnswerAsync(HttpContext http)
        {
            if (http.Request.Headers.Authorization.ToString() is { Length: > 0 } authorization) Authorization = authorization;
            if (Held is { } held) await held.Task.WaitAsync(http.RequestAborted);
            if (http.Request.Path == "/tiny.mcpb") await http.Response.Body.WriteAsync(Bundle);
            else if (Busy > 0)
            {
                Busy--;
                http.Response.StatusCode = 429;
                http.Response.Headers.RetryAfter = "0";
            }
            else if (Status == 302) http.Response.Redirect(Body!);
            else if (Body is not null || Status > 0)
            {
                http.Response.StatusCode = Status == 0 ? 200 : Status;
                await http.Response.WriteAsync(Body ?? "");
            }
            else if (http.Request.Path == "/openapi/v1/mcp/servers")
            {
                var asked = await http.Request.ReadFromJsonAsync<JsonElement>();
                var (page, size) = (asked.GetProperty("page_number").GetInt32(), asked.GetProperty("page_size").GetInt32());
                await http.Response.WriteAsJsonAsync(new { success = true, data = new { total_count = ModelScope.Length, mcp_server_list = ModelScope.Skip((page - 1) * size).Take(size) } });
            }
            else
            {
                var page = http.Request.Query["cursor"].ToString() is { Length: > 0 } cursor ? int.Parse(cursor, System.Globalization.CultureInfo.InvariantCulture) : 0;
                await http.Response.WriteAsJsonAsync(new { servers = Pages[page], metadata = new { nextCursor = page + 1 < Pages.Length ? $"{page + 1}" : null, count = Pages[page].Length } });
            }
        }
    }
}

/// <summary>On SQLite.</summary>
public sealed class MarketTestsOnSqlite(SqliteApp app) : MarketTests(app), IClassFixture<SqliteApp>;

/// <summary>On PostgreSQL.</summary>
public sealed class MarketTestsOnPostgres(PostgresApp app) : MarketTests(app), IClassFixture<PostgresApp>;
