using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>The check of an instance says what is wrong, why, and what to do.</summary>
public abstract class DoctorTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HealthyServer_IsCheckedStepByStep()
    {
        var id = await CreateAsync(Python(TinyServers.Echo), "Running");

        var found = await CheckAsync(id);

        Assert.True(found.GetProperty("ok").GetBoolean(), found.GetRawText());
        Assert.Equal(["healthy", "tools"], [Text(found, "finding"), Text(found, "phase")]);
        Assert.Equal(3, found.GetProperty("toolCount").GetInt32());
        Assert.Equal(["environment:ok", "workload:ok", "bridge:ok", "initialize:ok", "tools:ok"], Steps(found));
        Assert.All(found.GetProperty("steps").EnumerateArray(), s => Assert.True(s.GetProperty("durationMs").GetDouble() >= 0));
        Assert.Null(Text(found, "cause"));
        await DeleteAsync(id);
    }

    [Theory]
    [InlineData("no-program", "no-such-program-here", "")]
    [InlineData("ended", "python3", TinyServers.Exits)]
    [InlineData("no-answer", "python3", TinyServers.Silent)]
    [InlineData("out-of-memory", "python3", "x = bytearray(1 << 44)")]
    [InlineData("no-module", "python3", "import no_such_module_here")]
    public async Task ServerThatDoesNotStart_HasACause_AMend_AndItsLastLog(string finding, string command, string program)
    {
        var id = await CreateAsync(new { type = "command", command, args = program.Length > 0 ? new[] { "-c", program } : [] }, "Failed");

        var found = await CheckAsync(id);

        Assert.False(found.GetProperty("ok").GetBoolean());
        Assert.Equal(finding, Text(found, "finding"));
        Assert.Equal(["environment:ok", "workload:failed", "bridge:skipped", "initialize:skipped", "tools:skipped"], Steps(found));
        Assert.All((string[])["reason", "cause", "mend"], name => Assert.False(string.IsNullOrEmpty(Text(found, name)), name));
        Assert.NotEmpty(found.GetProperty("warnings").EnumerateArray());
        var exit = found.GetProperty("lastExit");
        if (finding is "ended" or "no-module") Assert.NotEmpty(exit.GetProperty("lastLines").EnumerateArray());
        await DeleteAsync(id);
    }

    [Fact]
    public async Task ServerThatHangsLater_IsFoundAtTheStepThatHangs()
    {
        // It answers the first session, and none after it.
        var hangs = TinyServers.Echo.Replace("for line in sys.stdin:", "import pathlib\nseen = pathlib.Path.home() / 'seen'\nsilent = seen.exists()\nseen.touch()\nfor line in sys.stdin:\n    if silent: continue", StringComparison.Ordinal);
        var id = await CreateAsync(Python(hangs), "Running", warmSpares: 0, startSeconds: 5);

        var found = await CheckAsync(id);

        Assert.Equal(["no-answer", "initialize"], [Text(found, "finding"), Text(found, "phase")]);
        Assert.Equal(["environment:ok", "workload:ok", "bridge:ok", "initialize:failed", "tools:skipped"], Steps(found));
        await DeleteAsync(id);
    }

    [Fact]
    public async Task Proxy_WithAWrongPortOrPath_IsToldApart()
    {
        await using var remote = await FakeRemote.StartAsync();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var free = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();

        var well = await CheckAsync(await ProxyAsync(remote.Url));
        Assert.Equal("healthy", Text(well, "finding"));
        Assert.Equal(["address:ok", "initialize:ok", "tools:ok"], Steps(well));
        var port = await CheckAsync(await ProxyAsync($"http://127.0.0.1:{free}/mcp"));
        Assert.Equal("remote-refused", Text(port, "finding"));
        Assert.Contains("port", Text(port, "cause"), StringComparison.Ordinal);
        var path = await CheckAsync(await ProxyAsync(remote.Url + "/nowhere"));
        Assert.Equal("remote-not-mcp", Text(path, "finding"));
        Assert.Contains("path", Text(path, "mend"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task VirtualServer_NamesTheMemberThatIsDown()
    {
        var member = await CreateAsync(Python(TinyServers.Echo), "Running");
        var id = await SendAsync(new { name = $"over {member}", mode = "virtual", @virtual = new { members = new[] { new { instance = member } } } });
        Assert.True((await CheckAsync(id)).GetProperty("ok").GetBoolean());

        await app.Operator.PostAsync(new Uri($"api/v1/instances/{member}/stop", UriKind.Relative), null, Cancel);
        await BecomesAsync(member, "Stopped");

        var found = await CheckAsync(id);
        Assert.Equal("member-down", Text(found, "finding"));
        Assert.Equal(["member:failed"], Steps(found));
        await DeleteAsync(id);
        await DeleteAsync(member);
    }

    private static object Python(string program) => new { type = "command", command = "python3", args = new[] { "-c", program } };

    private async Task<string> CreateAsync(object source, string state, int warmSpares = 1, int startSeconds = 3)
    {
        var id = await SendAsync(new { name = Name(), mode = "managed", start = true, source, limits = new { startSeconds = state == "Running" ? Math.Max(startSeconds, 5) : startSeconds, warmSpares } });
        await BecomesAsync(id, state);
        return id;
    }

    private async Task<string> ProxyAsync(string url) => await SendAsync(new { name = Name(), mode = "proxy", remote = new { url } });

    private async Task<string> SendAsync(object instance)
    {
        using var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", instance, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }

    private async Task<JsonElement> CheckAsync(string id)
    {
        using var answer = await app.Operator.PostAsync(new Uri($"api/v1/instances/{id}/probe", UriKind.Relative), null, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private Task BecomesAsync(string id, string state) => Eventually.HoldsAsync(async () =>
        (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString() == state);

    private Task DeleteAsync(string id) => app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);

    private static string Name() => $"checked {Guid.NewGuid():N}"[..20];

    private static string? Text(JsonElement found, string name) => found.GetProperty(name).GetString();

    private static List<string> Steps(JsonElement found) => [.. found.GetProperty("steps").EnumerateArray().Select(s => $"{Text(s, "name")}:{Text(s, "outcome")}")];
}

public sealed class DoctorTestsOnSqlite(SqliteApp app) : DoctorTests<SqliteApp>(app);

public sealed class DoctorTestsOnPostgres(PostgresApp app) : DoctorTests<PostgresApp>(app);
