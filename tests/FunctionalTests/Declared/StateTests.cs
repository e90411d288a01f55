using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>An installation is brought to what a file says.</summary>
public abstract class StateTests(TestApp app)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task State_IsPlanned_Applied_AndChangesNothingTheSecondTime()
    {
        var mark = $"s{Guid.NewGuid():N}"[..12];
        var state = JsonNode.Parse($$"""
        {
          "templates": [ { "definition": { "name": "{{mark}}", "parameters": [ { "key": "a", "default": "x" } ], "instance": { "env": { "A": "{{"{{a}}"}}" } } }, "roles": ["viewer"] } ],
          "instances": [
            { "slug": "{{mark}}-all", "mode": "virtual", "start": false, "virtual": { "members": [ { "instance": "{{mark}}", "prefix": "p" } ] } },
            { "slug": "{{mark}}", "name": "Declared", "start": false, "source": { "type": "command", "command": "true", "args": ["-x"] }, "env": { "LEVEL": "info", "KEY": { "secret": "quiet" } }, "limits": { "pids": 77 } },
            { "slug": "{{mark}}-far", "mode": "proxy", "start": false, "remote": { "url": "http://127.0.0.1:9/mcp?key=quiet", "headers": { "X-A": "1", "Authorization": { "secret": "Bearer quiet" } }, "timeouts": { "requestSeconds": 30 } } } ],
          "tokens": [ { "name": "{{mark}}", "instances": ["{{mark}}", "{{mark}}-far"], "tools": { "allow": ["a"] }, "expiresAt": "2100-01-01T00:00:00Z" } ]
        }
        """)!;

        Assert.Equal(["create", "create", "create", "create", "create"], Actions(await BringAsync(state, plan: true)));
        Assert.Equal(HttpStatusCode.NotFound, (await app.Viewer.GetAsync($"api/v1/instances/{mark}", Cancel)).StatusCode);
        var made = await BringAsync(state);
        Assert.Equal(["create", "create", "create", "create", "create"], Actions(made));
        Assert.StartsWith("mct_", made.GetProperty("changes")[4].GetProperty("value").GetString(), StringComparison.Ordinal);
        var again = await BringAsync(state);
        Assert.True(Actions(again).All(a => a == "none"), again.GetRawText());

        // What drifts is seen, and goes.
        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{mark}", new { env = new Dictionary<string, string> { ["LEVEL"] = "debug", ["level"] = "1" }, limits = new { pids = 99 } }, Cancel);
        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{mark}-far", new { remote = new { headers = new Dictionary<string, string> { ["X-B"] = "2" } } }, Cancel);
        var drift = await BringAsync(state, plan: true);
        Assert.Equal(["env.LEVEL", "env.level", "limits.pids"], Fields(drift, mark));
        Assert.Equal(["remote.headers.X-B"], Fields(drift, $"{mark}-far"));
        await BringAsync(state);
        Assert.True(Actions(await BringAsync(state, plan: true)).All(a => a == "none"));
        var now = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{mark}", Cancel);
        Assert.Equal("""{"KEY":{"secret":true},"LEVEL":"info"}""", now.GetProperty("env").GetRawText());

        // Another secret is another state; the same one is not.
        state["instances"]![1]!["env"]!["KEY"] = new JsonObject { ["secret"] = "other" };
        Assert.Equal(["env.KEY"], Fields(await BringAsync(state), mark));
        Assert.True(Actions(await BringAsync(state)).All(a => a == "none"));

        // What is exported is what there is.
        var text = await app.Admin.GetStringAsync("api/v1/state", Cancel);
        Assert.DoesNotContain("quiet", text, StringComparison.Ordinal);
        var exported = JsonNode.Parse(text)!;
        var same = await BringAsync(exported, plan: true);
        Assert.True(Actions(same).All(a => a == "none"), same.GetRawText());
        Assert.Contains(exported["tokens"]!.AsArray(), t => t!["instances"]!.ToJsonString() == $"""["{mark}","{mark}-far"]""");
        foreach (var slug in new[] { $"{mark}-all", mark, $"{mark}-far" }) await app.Operator.DeleteAsync($"api/v1/instances/{slug}", Cancel);
    }

    [Fact]
    public async Task OneThatFails_DoesNotStopTheOthers_AndOnlyAdministratorsApply()
    {
        var mark = $"s{Guid.NewGuid():N}"[..12];
        var report = await BringAsync(JsonNode.Parse($$"""
        { "environments": [ { "name": "{{mark}}", "address": "/nowhere/docker.sock" } ],
          "instances": [ { "slug": "{{mark}}-bad", "source": { "type": "command", "command": 7 } }, { "slug": "{{mark}}", "start": false, "source": { "type": "command", "command": "true" } } ],
          "tokens": [ { "name": "{{mark}}", "instances": ["nobody-{{mark}}"] } ] }
        """)!);

        Assert.Equal(["failed", "failed", "create", "failed"], Actions(report));
        Assert.Contains("socket", report.GetProperty("changes")[0].GetProperty("problem").GetString(), StringComparison.Ordinal);
        foreach (var who in new[] { app.Operator, app.Viewer }) Assert.Equal(HttpStatusCode.Forbidden, (await who.GetAsync("api/v1/state", Cancel)).StatusCode);
        await app.Admin.PutAsJsonAsync("api/v1/state", new { instances = new[] { new { slug = "a" }, new { slug = "a" } } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        await app.Admin.PutAsJsonAsync("api/v1/state", new { instances = new[] { new { name = "no slug" } } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        await app.Operator.DeleteAsync($"api/v1/instances/{mark}", Cancel);
    }

    private async Task<JsonElement> BringAsync(JsonNode state, bool plan = false)
    {
        var answer = await app.Admin.PutAsJsonAsync($"api/v1/state{(plan ? "?plan=true" : "")}", state, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel) + string.Join("\n", app.Log.Errors));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private static List<string?> Actions(JsonElement report) => [.. report.GetProperty("changes").EnumerateArray().Select(c => c.GetProperty("action").GetString())];

    private static IEnumerable<string?> Fields(JsonElement report, string name) =>
        report.GetProperty("changes").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name && c.GetProperty("kind").GetString() == "instance").GetProperty("fields").EnumerateArray().Select(f => f.GetString());
}

/// <summary>On SQLite.</summary>
public sealed class StateTestsOnSqlite(SqliteApp app) : StateTests(app), IClassFixture<SqliteApp>;

/// <summary>On PostgreSQL.</summary>
public sealed class StateTestsOnPostgres(PostgresApp app) : StateTests(app), IClassFixture<PostgresApp>;
