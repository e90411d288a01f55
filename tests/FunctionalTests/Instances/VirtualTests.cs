using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Virtual servers through the API and the gateway, with members that really run.</summary>
public abstract class VirtualTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task VirtualServer_OffersChosenTools_FollowsItsMembersAndItsSettings()
    {
        var (first, second) = (await MemberAsync("one"), await MemberAsync("two"));
        var made = await SendAsync(HttpMethod.Post, "instances", new
        {
            name = $"both {Guid.NewGuid():N}"[..20],
            mode = "virtual",
            @virtual = new
            {
                instructions = "Two in one.",
                members = new object[]
                {
                    new { instance = first, tools = new[] { "echo", "exit" }, overrides = new { exit = new { name = "quit", description = "Ends it." } } },
                    new { instance = second, prefix = "two" },
                },
            },
        }, HttpStatusCode.Accepted);
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Running");
        var client = await ClientAsync(made);

        var hello = await client.AskAsync("initialize", new { protocolVersion = "2025-06-18", capabilities = new { }, clientInfo = new { name = "v", version = "1" } });
        Assert.Equal("Two in one.", hello.GetProperty("result").GetProperty("instructions").GetString());
        Assert.Equal(["echo", "quit", "two_echo", "two_env", "two_exit"], Names(await client.AskAsync("tools/list", new { })));
        Assert.Equal("from one", Text(await client.AskAsync("tools/call", new { name = "echo", arguments = new { text = "from one" } })));
        Assert.Equal("two", Text(await client.AskAsync("tools/call", new { name = "two_env", arguments = new { name = "WHO" } })));
        Assert.Equal(-32602, (await client.AskAsync("tools/call", new { name = "env", arguments = new { name = "WHO" } })).GetProperty("error").GetProperty("code").GetInt32());

        var modern = await client.ModernAsync("tools/call", "two_env", new { name = "two_env", arguments = new { name = "WHO" } });
        Assert.Equal("two", Text(modern));
        Assert.Equal("complete", modern.GetProperty("result").GetProperty("resultType").GetString());

        await app.Operator.PostAsync(new Uri($"api/v1/instances/{second}/stop", UriKind.Relative), null, Cancel);
        var degraded = await BecomesAsync(id, "Degraded");
        Assert.Contains("member two", degraded.GetProperty("status").GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(["echo", "quit"], Names(await client.AskAsync("tools/list", new { })));

        await SendAsync(HttpMethod.Patch, $"instances/{id}", new { @virtual = new { members = new[] { new { instance = first, prefix = "x" } } } }, HttpStatusCode.OK);
        await Eventually.HoldsAsync(async () => await client.StatusAsync("tools/list") == HttpStatusCode.NotFound); // the sessions of former settings end
        var again = await ClientAsync(made);
        await again.AskAsync("initialize", new { protocolVersion = "2025-06-18", capabilities = new { }, clientInfo = new { name = "v", version = "1" } });
        Assert.Equal(["x_echo", "x_env", "x_exit"], Names(await again.AskAsync("tools/list", new { })));
    }

    [Fact]
    public async Task VirtualServer_OfNonsense_NamesAllFields()
    {
        var problem = await app.Operator.PostAsJsonAsync("api/v1/instances", new
        {
            name = "nonsense",
            mode = "virtual",
            @virtual = new { members = new object[] { new { instance = "no-such" }, new { instance = "no-such", prefix = "a b", overrides = new { x = new { name = "sp ace" } } } } },
        }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        var errors = problem.GetProperty("errors");
        foreach (var field in (string[])["virtual.members[0].instance", "virtual.members[1].instance", "virtual.members[1].prefix", "virtual.members[1].overrides.x.name"])
            Assert.True(errors.TryGetProperty(field, out _), $"{field} in {errors}");
        await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "empty", mode = "virtual" }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
    }

    private async Task<string> MemberAsync(string who)
    {
        var made = await SendAsync(HttpMethod.Post, "instances", new
        {
            name = $"member {who} {Guid.NewGuid():N}"[..24],
            source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } },
            env = new Dictionary<string, string> { ["WHO"] = who },
        }, HttpStatusCode.Accepted);
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Running");
        return id;
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, object body, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(method, $"api/v1/{path}") { Content = JsonContent.Create(body) };
        using var answer = await app.Operator.SendAsync(request, Cancel);
        Assert.True(answer.StatusCode == expected, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> BecomesAsync(string id, string state)
    {
        JsonElement instance = default;
        await Eventually.HoldsAsync(async () =>
        {
            instance = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);
            return instance.GetProperty("status").GetProperty("state").GetString() == state;
        });
        return instance;
    }

    private async Task<Client> ClientAsync(JsonElement instance)
    {
        var token = await SendAsync(HttpMethod.Post, "tokens", new { name = "t", instances = new[] { instance.GetProperty("id").GetString() } }, HttpStatusCode.Created);
        return new Client(app.NewClient(token.GetProperty("value").GetString()!), $"mcp-gateway/{instance.GetProperty("slug").GetString()}/mcp");
    }

    private static string[] Names(JsonElement answer) => [.. answer.GetProperty("result").GetProperty("tools").EnumerateArray().Select(t => t.GetProperty("name").GetString()!)];

    private static string? Text(JsonElement answer) => answer.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();

    private sealed class Client(HttpClient http, string path)
    {
        private string? _session;
        private int _id;

        public async Task<JsonElement> AskAsync(string method, object parameters)
        {
            using var answer = await PostAsync(method, parameters, _ => { });
            if (answer.Headers.TryGetValues("Mcp-Session-Id", out var session)) _session ??= session.Single();
            return await ReadAsync(answer);
        }

        public async Task<HttpStatusCode> StatusAsync(string method)
        {
            using var answer = await PostAsync(method, new { }, _ => { });
            return answer.StatusCode;
        }

        public async Task<JsonElement> ModernAsync(string method, string name, object parameters)
        {
            var json = JsonSerializer.SerializeToNode(parameters)!;
            json["_meta"] = JsonSerializer.SerializeToNode(new Dictionary<string, object> { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28", ["io.modelcontextprotocol/clientCapabilities"] = new { } });
            using var answer = await PostAsync(method, json, headers =>
            {
                headers.Remove("Mcp-Session-Id");
                headers.Add("MCP-Protocol-Version", "2026-07-28");
                headers.Add("Mcp-Method", method);
                headers.Add("Mcp-Name", name);
            });
            return await ReadAsync(answer);
        }

        private async Task<HttpResponseMessage> PostAsync(string method, object parameters, Action<HttpRequestHeaders> change)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Content = new StringContent(JsonSerializer.Serialize(new { jsonrpc = "2.0", id = ++_id, method, @params = parameters }), Encoding.UTF8, "application/json");
            request.Headers.Accept.ParseAdd("application/json, text/event-stream");
            if (_session is not null) request.Headers.Add("Mcp-Session-Id", _session);
            change(request.Headers);
            return await http.SendAsync(request, Cancel);
        }

        private static async Task<JsonElement> ReadAsync(HttpResponseMessage answer)
        {
            var text = await answer.Content.ReadAsStringAsync(Cancel);
            Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {text}");
            var json = answer.Content.Headers.ContentType?.MediaType == "text/event-stream" ? text.Split('\n').Last(l => l.StartsWith("data: {", StringComparison.Ordinal))[5..] : text;
            return JsonSerializer.Deserialize<JsonElement>(json);
        }
    }
}

public sealed class VirtualTestsOnSqlite(SqliteApp app) : VirtualTests<SqliteApp>(app);

public sealed class VirtualTestsOnPostgres(PostgresApp app) : VirtualTests<PostgresApp>(app);
