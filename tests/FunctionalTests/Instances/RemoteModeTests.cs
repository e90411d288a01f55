using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Server;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Instances that do not run here: proxied servers, servers on file, and the change between the modes.</summary>
public abstract class RemoteModeTests<TApp>(TApp app) : IClassFixture<TApp>, IAsyncLifetime where TApp : TestApp
{
    private const string Header = "value-of-the-header", InQuery = "value-in-the-query";
    private FakeRemote _remote = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _remote = await FakeRemote.StartAsync();

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return _remote.DisposeAsync();
    }

    [Fact]
    public async Task Proxy_IsProbed_WithItsSecrets_AndShowsNoneOfThem()
    {
        _remote.Demands = ("X-Api-Key", Header);
        var made = await CreateAsync(new
        {
            name = Mark(),
            mode = "proxy",
            remote = new { url = $"{_remote.Url}?key={InQuery}&v=1", headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = Header }, ["X-Plain"] = "plain" } },
        });

        Assert.Equal("Starting", State(made));
        var running = await BecomesAsync(Id(made), "Running");

        Assert.Equal(2, running.GetProperty("toolCount").GetInt32());
        Assert.Equal("fake-remote 2.1", running.GetProperty("serverInfo").GetString());
        Assert.Contains($"key={InQuery}", _remote.Query, StringComparison.Ordinal);
        Assert.Equal("plain", _remote.Headers["X-Plain"]);
        var remote = running.GetProperty("remote");
        Assert.Equal($"{_remote.Url}?key=***&v=***", remote.GetProperty("url").GetString());
        Assert.Equal("auto", remote.GetProperty("transport").GetString());
        Assert.Equal("""{"X-Api-Key":{"secret":true},"X-Plain":"plain"}""", remote.GetProperty("headers").GetRawText());
        Assert.Equal("""{"requestSeconds":60,"streamIdleSeconds":300}""", remote.GetProperty("timeouts").GetRawText());
        var all = await app.Admin.GetStringAsync("api/v1/instances?limit=500", Cancel) + await app.Admin.GetStringAsync($"api/v1/instances/{Id(made)}/events", Cancel);
        Assert.DoesNotContain(Header, all, StringComparison.Ordinal);
        Assert.DoesNotContain(InQuery, all, StringComparison.Ordinal);
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        var stored = JsonSerializer.Serialize(await db.Instances.AsNoTracking().SingleAsync(i => i.Id == Id(made), Cancel));
        Assert.DoesNotContain(Header, stored, StringComparison.Ordinal);
        Assert.DoesNotContain(InQuery, stored, StringComparison.Ordinal);
        Assert.DoesNotContain(app.Log.Lines, l => l.Contains(Header, StringComparison.Ordinal) || l.Contains(InQuery, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Proxy_IsCalledThroughTheGateway_WithItsOwnCredentialsOnly()
    {
        _remote.Demands = ("Authorization", Header);
        var made = await CreateAsync(new { name = Mark(), mode = "proxy", remote = new { url = $"{_remote.Url}?key={InQuery}", headers = new { Authorization = new { secret = Header } } } });
        var token = await TokenAsync(made);

        using var hello = await CallAsync(made, token);
        var text = await hello.Content.ReadAsStringAsync(Cancel);
        Assert.True(hello.IsSuccessStatusCode, text);
        Assert.Contains("fake-remote", text, StringComparison.Ordinal);
        var session = hello.Headers.GetValues("Mcp-Session-Id").Single();
        Assert.NotEqual("fake-session", session);
        using var called = await CallAsync(made, token, session, """{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"greet"}}""");
        Assert.Contains("called greet", await called.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        Assert.Equal(Header, _remote.Headers.Authorization);
        Assert.Equal("fake-session", _remote.Headers["Mcp-Session-Id"]);
        Assert.DoesNotContain(new Uri(_remote.Url).Port.ToString(System.Globalization.CultureInfo.InvariantCulture), hello.Headers.ToString() + hello.Content.Headers + text, StringComparison.Ordinal);

        // A session of the settings before is unknown to those of now.
        await PatchAsync(Id(made), new { remote = new { headers = new { X = "1" } } });
        Assert.Equal(HttpStatusCode.NotFound, (await CallAsync(made, token, session, """{"jsonrpc":"2.0","id":3,"method":"tools/list"}""")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(made, token)).StatusCode);
        _remote.Up = false;
        using var down = await CallAsync(made, token);
        Assert.False(down.IsSuccessStatusCode);
        Assert.DoesNotContain("127.0.0.1", await down.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Proxy_Patched_KeepsWhatIsLeftOut_AndMasked()
    {
        var made = await CreateAsync(new
        {
            name = Mark(),
            mode = "proxy",
            start = false,
            remote = new { url = $"{_remote.Url}?key={InQuery}", transport = "streamable-http", headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = Header }, ["X-Old"] = "o" }, timeouts = new { requestSeconds = 5 } },
        });
        Assert.Equal("Stopped", State(made));
        var id = Id(made);

        await PatchAsync(id, new { remote = new { url = $"{_remote.Url}?v=2&key=***", headers = new Dictionary<string, object?> { ["x-api-key"] = new { secret = true }, ["X-Old"] = null, ["X-New"] = "n" }, timeouts = new { streamIdleSeconds = 30 } } });
        var patched = await PatchAsync(id, new { remote = new { url = $"{_remote.Url}?v=***&key=***" } });

        Assert.Equal($"{_remote.Url}?v=***&key=***", patched.GetProperty("remote").GetProperty("url").GetString());
        Assert.Equal("""{"x-api-key":{"secret":true},"X-New":"n"}""", patched.GetProperty("remote").GetProperty("headers").GetRawText());
        Assert.Equal("""{"requestSeconds":5,"streamIdleSeconds":30}""", patched.GetProperty("remote").GetProperty("timeouts").GetRawText());
        Assert.Equal("streamable-http", patched.GetProperty("remote").GetProperty("transport").GetString());
        await PostAsync($"instances/{id}/start");
        await BecomesAsync(id, "Running");
        Assert.Equal($"?v=2&key={InQuery}", _remote.Query);
        Assert.Equal(Header, _remote.Headers["X-Api-Key"]);
    }

    [Fact]
    public async Task Proxy_Route_RisesWithEachChange_AndIsClosedWhenSwitchedOff()
    {
        var made = await CreateAsync(new { name = Mark(), mode = "proxy", remote = new { url = _remote.Url } });
        var id = Id(made);
        var first = Route(id).Remote!;
        Assert.Equal(_remote.Url, first.Url.ToString());
        Assert.Null(Route(id).Upstream);

        await PatchAsync(id, new { name = "Another" });
        Assert.Equal(first.Generation, Route(id).Remote!.Generation);
        await PatchAsync(id, new { remote = new { headers = new { A = "b" } } });
        Assert.True(Route(id).Remote!.Generation > first.Generation);
        Assert.Equal("b", Route(id).Remote!.Headers.Single().Value);

        await PostAsync($"instances/{id}/stop");
        await BecomesAsync(id, "Stopped");
        Assert.Null(Route(id).Remote);
        using var answer = await CallAsync(made);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("switched off", await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        Assert.Equal("switched-off", (await PostAsync($"instances/{id}/probe")).GetProperty("finding").GetString());

        await PostAsync($"instances/{id}/start");
        await BecomesAsync(id, "Running");
        Assert.NotNull(Route(id).Remote);
        Assert.True((await PostAsync($"instances/{id}/probe")).GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task Proxy_OfAServerThatDoesNotAnswer_FailsWithAReason_AndRecovers()
    {
        _remote.Up = false;
        var made = await CreateAsync(new { name = Mark(), mode = "proxy", remote = new { url = _remote.Url } });

        var failed = await BecomesAsync(Id(made), "Failed");

        Assert.False(string.IsNullOrEmpty(failed.GetProperty("status").GetProperty("reason").GetString()));
        Assert.NotNull(Route(Id(made)).Remote); // traffic is not cut off by a probe
        Assert.False((await PostAsync($"instances/{Id(made)}/probe")).GetProperty("ok").GetBoolean());
        _remote.Up = true;
        Assert.True((await PostAsync($"instances/{Id(made)}/probe")).GetProperty("ok").GetBoolean());
        await BecomesAsync(Id(made), "Running");
    }

    [Fact]
    public async Task Direct_IsOnFileOnly()
    {
        var made = await CreateAsync(new { name = Mark(), mode = "direct", remote = new { url = _remote.Url, transport = "sse" } });
        Assert.Equal("Registered", State(made));

        foreach (var action in new[] { "start", "stop", "restart", "probe" }) await PostAsync($"instances/{Id(made)}/{action}", HttpStatusCode.Conflict, "direct-mode");
        using var answer = await CallAsync(made);

        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        var error = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("error");
        Assert.Contains("on file only", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, (await CallAsync(made, "wrong")).StatusCode);
        Assert.Equal(0, _remote.Requests);
        Assert.Equal(1, (await GetAsync($"instances?mode=direct&status=registered&search={made.GetProperty("name").GetString()}")).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Direct_MayBeACommand_AndRunsOnceItIsManaged()
    {
        var made = await CreateAsync(new { name = Mark(), mode = "direct", source = Tiny, env = new { MODE = "x" } });
        Assert.Equal("Registered", State(made));

        await PatchAsync(Id(made), new { mode = "managed" });

        await BecomesAsync(Id(made), "Running");
        await DeleteAsync(Id(made));
    }

    [Fact]
    public async Task ModeSwitch_KeepsAddressTokensAndEvents_AndStopsTheWorkload()
    {
        var made = await CreateAsync(new { name = Mark(), source = Tiny });
        var id = Id(made);
        await BecomesAsync(id, "Running");
        var token = await TokenAsync(made);
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(made, token)).StatusCode);

        await RefusedAsync(id, new { mode = "proxy" }, HttpStatusCode.UnprocessableEntity, "remote");
        var proxy = await PatchAsync(id, new { mode = "proxy", remote = new { url = _remote.Url } });

        Assert.Equal(made.GetProperty("address").GetRawText(), proxy.GetProperty("address").GetRawText());
        Assert.Equal("command", proxy.GetProperty("source").GetProperty("type").GetString());
        var seen = await BecomesAsync(id, "Running");
        Assert.Equal("fake-remote 2.1", seen.GetProperty("serverInfo").GetString());
        Assert.DoesNotContain(Processes(), p => p.Contains(id, StringComparison.Ordinal));
        Assert.Contains("fake-remote", await (await CallAsync(made, token)).Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        await app.Viewer.GetAsync($"api/v1/instances/{id}/usage", Cancel).ProblemAsync(HttpStatusCode.Conflict, "runs-elsewhere");

        await PatchAsync(id, new { mode = "direct" });
        Assert.Equal(HttpStatusCode.Conflict, (await CallAsync(made, token)).StatusCode);

        await PatchAsync(id, new { mode = "managed" });
        var back = await BecomesAsync(id, "Running");
        Assert.Equal("tiny 1.2", back.GetProperty("serverInfo").GetString());
        Assert.Equal(_remote.Url, back.GetProperty("remote").GetProperty("url").GetString());
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(made, token)).StatusCode);
        var events = (await GetAsync($"instances/{id}/events")).GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(["direct → managed", "proxy → direct", "managed → proxy"], events.Where(e => e.GetProperty("kind").GetString() == "mode-changed").Select(e => e.GetProperty("detail").GetString()));
        Assert.Contains(events, e => e.GetProperty("kind").GetString() == "created");
        await DeleteAsync(id);
    }

    [Fact]
    public async Task ModeSwitch_WithoutWhatItNeeds_IsRefused()
    {
        var proxy = Id(await CreateAsync(new { name = Mark(), mode = "proxy", start = false, remote = new { url = _remote.Url } }));

        await RefusedAsync(proxy, new { mode = "managed" }, HttpStatusCode.UnprocessableEntity, "source");
        await RefusedAsync(proxy, new { remote = (object?)null }, HttpStatusCode.BadRequest, "remote");
        await RefusedAsync(proxy, new { mode = "magic" }, HttpStatusCode.BadRequest, "mode");
        Assert.Equal("Stopped", State(await PatchAsync(proxy, new { mode = "managed", source = Tiny })));
        Assert.Equal(JsonValueKind.Null, (await PatchAsync(proxy, new { remote = (object?)null })).GetProperty("remote").ValueKind);
        await RefusedAsync(proxy, new { mode = "proxy" }, HttpStatusCode.UnprocessableEntity, "remote");
    }

    [Fact]
    public async Task Create_OfNonsense_NamesAllFieldsAtOnce()
    {
        var problem = await app.Admin.PostAsJsonAsync("api/v1/instances", new
        {
            name = "x",
            mode = "proxy",
            remote = new
            {
                url = "ftp://example.com",
                transport = "carrier-pigeon",
                headers = new Dictionary<string, object> { ["Host"] = "a", ["Mcp-Session-Id"] = "b", ["Bad Name"] = "c", ["X-Split"] = "a\r\nX-Evil: 1", ["X-Uni"] = "ä", ["X-Kept"] = new { secret = true }, ["x-good"] = "fine" },
                timeouts = new { requestSeconds = 0, streamIdleSeconds = 1 },
                tls = new { trustedCertificates = "no pem", clientCertificate = "none", clientKey = new { secret = "none" } },
            },
        }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");

        var fields = problem.GetProperty("errors").EnumerateObject().Select(e => e.Name).Order(StringComparer.Ordinal);
        Assert.Equal([
            "remote.headers.Bad Name", "remote.headers.Host", "remote.headers.Mcp-Session-Id", "remote.headers.X-Kept", "remote.headers.X-Split", "remote.headers.X-Uni",
            "remote.timeouts.requestSeconds", "remote.timeouts.streamIdleSeconds", "remote.tls.clientCertificate", "remote.tls.trustedCertificates", "remote.transport", "remote.url",
        ], fields);
    }

    [Theory]
    [InlineData("""{"name":"x","mode":"proxy"}""", "remote")]
    [InlineData("""{"name":"x","mode":"direct"}""", "remote")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://user:pass@example.com/mcp"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/mcp#part"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"//example.com/mcp"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https:/mcp"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/a b"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/mcp?key=***"}}""", "remote.url")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/","headers":{"Content-Length":"4"}}}""", "remote.headers.Content-Length")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/","headers":{"A":"1","a":"2"}}}""", "remote.headers.a")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/","headers":{"A":7}}}""", "remote.headers.A")]
    [InlineData("""{"name":"x","mode":"proxy","remote":{"url":"https://example.com/","timeouts":{"requestSeconds":"many"}}}""", "remote.timeouts.requestSeconds")]
    public async Task Create_OfNonsense_NamesTheField(string body, string field)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");

        var problem = await app.Admin.PostAsync(new Uri("api/v1/instances", UriKind.Relative), content, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    [Fact]
    public async Task Tls_KeyIsWriteOnly_AndMustFit()
    {
        var (certificate, key) = Certificates.New("client");
        var (_, other) = Certificates.New("other");
        var made = await CreateAsync(new { name = Mark(), mode = "proxy", start = false, remote = new { url = "https://example.com/mcp", tls = new { trustedCertificates = certificate, clientCertificate = certificate, clientKey = new { secret = key } } } });

        Assert.Equal("""{"secret":true}""", made.GetProperty("remote").GetProperty("tls").GetProperty("clientKey").GetRawText());
        Assert.DoesNotContain("PRIVATE", made.GetRawText(), StringComparison.Ordinal);
        await RefusedAsync(Id(made), new { remote = new { tls = new { clientKey = new { secret = other } } } }, HttpStatusCode.BadRequest, "remote.tls.clientKey");
        await RefusedAsync(Id(made), new { remote = new { tls = new { clientKey = (object?)null } } }, HttpStatusCode.BadRequest, "remote.tls.clientKey");
        await PatchAsync(Id(made), new { remote = new { tls = new { trustedCertificates = (string?)null, clientKey = new { secret = true } } } });
        await PostAsync($"instances/{Id(made)}/start");
        var route = Route(Id(made)).Remote!;
        Assert.Null(route.TrustedCertificates);
        Assert.Contains("PRIVATE KEY", route.ClientCertificate, StringComparison.Ordinal);
        var cleared = await PatchAsync(Id(made), new { remote = new { tls = (object?)null } });
        Assert.Equal(JsonValueKind.Null, cleared.GetProperty("remote").GetProperty("tls").GetProperty("clientKey").ValueKind);
    }

    [Fact]
    public async Task Detect_SaysWhatAnswers_AndUsesStoredSecrets()
    {
        _remote.Demands = ("X-Api-Key", Header);
        var found = await DetectAsync(new { remote = new { url = _remote.Url, headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = Header } } } });
        Assert.True(found.GetProperty("ok").GetBoolean(), found.GetRawText());
        Assert.Equal("streamable-http", found.GetProperty("transport").GetString());
        Assert.Equal("fake-remote 2.1", found.GetProperty("serverInfo").GetString());
        Assert.Equal(["greet", "add"], found.GetProperty("tools").EnumerateArray().Select(t => t.GetProperty("name").GetString()));

        var made = await CreateAsync(new { name = Mark(), mode = "proxy", start = false, remote = new { url = _remote.Url, headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = Header } } } });
        var kept = await DetectAsync(new { instance = Id(made), remote = new { url = _remote.Url, headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = true } } } });
        Assert.True(kept.GetProperty("ok").GetBoolean(), kept.GetRawText());

        var refused = await DetectAsync(new { remote = new { url = _remote.Url } });
        Assert.False(refused.GetProperty("ok").GetBoolean());
        Assert.True(refused.GetProperty("authorizationRequired").GetBoolean());
        Assert.False(string.IsNullOrEmpty(refused.GetProperty("error").GetString()));
        await app.Operator.PostAsJsonAsync("api/v1/instances/detect", new { remote = new { url = "nowhere" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
    }

    private static object Tiny => new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } };

    private GatewayRoute Route(string id) => app.Services.GetRequiredService<IRouteSource>().Find(id)!;

    private static IEnumerable<string> Processes() => Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).Select(d =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(d, "cmdline"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    });

    private async Task<string> TokenAsync(JsonElement instance)
    {
        var token = await (await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { Id(instance) } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return token.GetProperty("value").GetString()!;
    }

    private async Task<HttpResponseMessage> CallAsync(JsonElement instance, string? token = null, string? session = null, string? message = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"mcp-gateway/{instance.GetProperty("slug").GetString()}/mcp");
        request.Content = new StringContent(message ?? """{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}""", Encoding.UTF8, "application/json");
        request.Headers.Add("Accept", "application/json, text/event-stream");
        if (session is not null) request.Headers.Add("Mcp-Session-Id", session);
        return await app.NewClient(token ?? await TokenAsync(instance)).SendAsync(request, Cancel);
    }

    private async Task<JsonElement> DetectAsync(object body)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances/detect", body, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
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

    private async Task RefusedAsync(string id, object body, HttpStatusCode status, string field)
    {
        var problem = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", body, Cancel).ProblemAsync(status);
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    private async Task<JsonElement> PostAsync(string path)
    {
        var answer = await app.Operator.PostAsync(new Uri($"api/v1/{path}", UriKind.Relative), null, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private Task PostAsync(string path, HttpStatusCode status, string code) => app.Operator.PostAsync(new Uri($"api/v1/{path}", UriKind.Relative), null, Cancel).ProblemAsync(status, code);

    private async Task<JsonElement> BecomesAsync(string id, string state)
    {
        JsonElement now = default;
        try
        {
            await Eventually.HoldsAsync(async () => State(now = await GetAsync($"instances/{id}")) == state);
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"It did not become {state}: {now.GetProperty("status").GetRawText()}");
        }
        return now;
    }

    private async Task DeleteAsync(string id)
    {
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
    }

    private Task<JsonElement> GetAsync(string path) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/{path}", Cancel);

    private static string Id(JsonElement instance) => instance.GetProperty("id").GetString()!;

    private static string State(JsonElement instance) => instance.GetProperty("status").GetProperty("state").GetString()!;

    private static string Mark() => $"m{Guid.NewGuid():N}"[..20];
}

public sealed class RemoteModeTestsOnSqlite(SqliteApp app) : RemoteModeTests<SqliteApp>(app);

public sealed class RemoteModeTestsOnPostgres(PostgresApp app) : RemoteModeTests<PostgresApp>(app);
