using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Environments;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Versions of a package, deployed to a running server and taken back, wherever it runs.</summary>
public abstract class RolloutTests<TApp>(TApp app, string environment) where TApp : TestApp
{
    protected static readonly string Old = TinyServers.Echo;
    protected static readonly string New = TinyServers.Echo.Replace("\"env\", \"exit\"", "\"env\", \"fresh\"", StringComparison.Ordinal).Replace("\"1.2\"", "\"2.0\"", StringComparison.Ordinal);
    protected static readonly object[] NoEdits = [];

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected TApp App => app;

    [Fact]
    public async Task Version_IsDeployedBesideTheOld_WhoseSessionEnds_AndGoesBack()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, New);
        var before = await ClientAsync(id);
        Assert.Equal(["echo", "env", "exit"], await before.ToolsAsync());

        var deployment = await DeployAsync(id, 2, 600);
        await BecomesAsync(id, deployment, "Switching");
        // New sessions are at the new version, the old one goes on at the old.
        var after = await ClientAsync(id);
        Assert.Equal(["echo", "env", "fresh"], await after.ToolsAsync());
        Assert.Equal(["echo", "env", "exit"], await before.ToolsAsync());
        Assert.Equal("old", await before.CallAsync("echo", new { text = "old" }));
        await before.EndAsync();
        var done = await BecomesAsync(id, deployment, "Deployed");

        Assert.Equal(["exit removed", "fresh added"], done.GetProperty("tools").EnumerateArray().Select(t => $"{t.GetProperty("name").GetString()} {t.GetProperty("change").GetString()}"));
        Assert.Equal((2, 1), (done.GetProperty("version").GetInt32(), done.GetProperty("previous").GetInt32()));
        Assert.StartsWith("key:", done.GetProperty("actor").GetString(), StringComparison.Ordinal);
        Assert.Equal("new", await after.CallAsync("echo", new { text = "new" }));
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)) is var i && i.GetProperty("serverInfo").GetString() == "tiny 2.0" && i.GetProperty("source").GetProperty("version").GetInt32() == 2);
        var third = await ClientAsync(id);
        Assert.Equal(["echo", "env", "fresh"], await third.ToolsAsync());
        await after.EndAsync();
        await OnlyOneRunsAsync(id);
        Assert.Equal("third", await third.CallAsync("echo", new { text = "third" }));

        await BecomesAsync(id, await DeployAsync(id, 1, 0), "Deployed");
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("serverInfo").GetString() == "tiny 1.2");
        await OnlyOneRunsAsync(id);
        Assert.Equal(["echo", "env", "exit"], await (await ClientAsync(id)).ToolsAsync());
        var list = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/deployments", Cancel);
        Assert.Equal([1, 2], list.GetProperty("items").EnumerateArray().Select(d => d.GetProperty("version").GetInt32()));
    }


    [Fact]
    public async Task Version_ThatIsNotHealthy_LeavesTheOldOneAtWork_AndSaysWhy()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, TinyServers.Exits);
        var client = await ClientAsync(id);

        var failed = await BecomesAsync(id, await DeployAsync(id, 2), "Failed");

        Assert.Contains("DATABASE is not set", failed.GetProperty("log").EnumerateArray().Select(l => l.GetString()));
        Assert.Equal("still", await client.CallAsync("echo", new { text = "still" }));
        var now = await InstanceAsync(id);
        Assert.Equal(("Running", 1, JsonValueKind.Null), (now.GetProperty("status").GetProperty("state").GetString(), now.GetProperty("source").GetProperty("version").GetInt32(), now.GetProperty("rollout").ValueKind));
        await OnlyOneRunsAsync(id);
    }


    [Fact]
    public async Task Versions_ComeAndGoUnderLoad_AndNoCallFails()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, New);
        var token = await TokenAsync(id);
        var patient = await ClientAsync(id, token);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var calls = 0;
        var load = Enumerable.Range(0, 3).Select(async _ =>
        {
            while (!enough.IsCancellationRequested)
            {
                var client = await ClientAsync(id, token);
                for (var n = 0; n < 5; n++)
                {
                    Assert.Equal($"{n}", await client.CallAsync("echo", new { text = $"{n}" }));
                    Interlocked.Increment(ref calls);
                }
                Assert.True((int)await client.EndAsync() is 200 or 204);
            }
        }).ToArray();

        var forward = await DeployAsync(id, 2, 600);
        await BecomesAsync(id, forward, "Switching");
        var before = Volatile.Read(ref calls);
        for (var n = 0; n < 20; n++) Assert.Equal(["echo", "env", "exit"], await patient.ToolsAsync());
        Assert.True((int)await patient.EndAsync() is 200 or 204);
        await BecomesAsync(id, forward, "Deployed");
        // At once: the first one's workloads are still changing places.
        await BecomesAsync(id, await DeployAsync(id, 1, 600), "Deployed");
        await BecomesAsync(id, await DeployAsync(id, 2, 600), "Deployed");
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("serverInfo").GetString() == "tiny 2.0");
        await enough.CancelAsync();
        await Task.WhenAll(load);

        Assert.True(calls > before, $"{before} calls, then {calls}");
        await OnlyOneRunsAsync(id);
        Assert.Equal(["echo", "env", "fresh"], await (await ClientAsync(id, token)).ToolsAsync());
    }

    protected async Task<(string Id, string Package)> RunningAsync(int sleepSeconds = 0)
    {
        Assert.SkipWhen(environment != "local" && Engines.Address(environment) is null, $"No {environment} engine: script/engines starts one where root may.");
        var form = new MultipartFormDataContent { { new ByteArrayContent(Archives.Zip(("server.py", Old))), "file", "tiny.zip" }, { new StringContent("d " + Guid.NewGuid().ToString("N")), "name" } };
        var package = (await (await app.Operator.PostAsync("api/v1/packages", form, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "versions", environment, source = new { type = "package", packageId = package, version = 1, install = NoEdits }, limits = new { sleepSeconds } }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        var id = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("status").GetProperty("state").GetString() is "Running" or "Sleeping");
        return (id, package);
    }

    protected async Task EditAsync(string package, int version, string text)
    {
        var answer = await app.Operator.PatchAsJsonAsync($"api/v1/packages/{package}/versions/{version}/files", new { files = new Dictionary<string, object> { ["server.py"] = new { text } } }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
    }

    protected async Task<string> DeployAsync(string id, int version, int drainSeconds = 60, bool trial = false)
    {
        var answer = await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version, drainSeconds, trial }, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }

    protected async Task<JsonElement> BecomesAsync(string id, string deployment, string state)
    {
        JsonElement now = default;
        try
        {
            await Eventually.HoldsAsync(async () =>
            {
                now = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/deployments/{deployment}", Cancel);
                var at = now.GetProperty("state").GetString();
                return at == state || at is "Failed" or "Cancelled" or "Deployed";
            });
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"It did not become {state}: {now.GetRawText()}\n{(await InstanceAsync(id)).GetRawText()}");
        }
        Assert.True(now.GetProperty("state").GetString() == state, now.GetRawText());
        return now;
    }

    protected Task<JsonElement> InstanceAsync(string id) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);

    protected Task OnlyOneRunsAsync(string id) => Eventually.HoldsAsync(async () =>
        (await app.Services.GetRequiredService<EnvironmentMap>().Find(environment)!.ListAsync(Cancel)).Select(w => w.InstanceId).Where(i => i.StartsWith(id, StringComparison.Ordinal)).ToList() is [var one] && one == id
        && Workloads(id).Length == 1);

    protected string[] Workloads(string id) => Directory.GetDirectories(Path.Combine(app.Data, "workloads"), id + "*");

    protected async Task<string> TokenAsync(string id) =>
        (await (await app.Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = new[] { id } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("value").GetString()!;

    private protected async Task<TinyClient> ClientAsync(string id, string? token = null)
    {
        var client = new TinyClient(app, $"mcp-gateway/{id}/mcp", token ?? await TokenAsync(id));
        await client.ConnectAsync();
        return client;
    }
}

/// <summary>In containers of Docker.</summary>
public sealed class DockerRolloutTests(DockerInstanceTests.App app) : RolloutTests<DockerInstanceTests.App>(app, "docker"), IClassFixture<DockerInstanceTests.App>;

/// <summary>In containers of Podman.</summary>
public sealed class PodmanRolloutTests(PodmanInstanceTests.App app) : RolloutTests<PodmanInstanceTests.App>(app, "podman"), IClassFixture<PodmanInstanceTests.App>;
