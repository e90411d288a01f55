using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Environments;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>What else happens to a deployment, beyond what all environments do alike.</summary>
public abstract class DeploymentTests<TApp>(TApp app) : RolloutTests<TApp>(app, "local"), IClassFixture<TApp> where TApp : TestApp
{
    [Fact]
    public async Task Trial_ComparesTheTools_AndChangesNothing()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, New);
        var client = await ClientAsync(id);

        var tried = await BecomesAsync(id, await DeployAsync(id, 2, trial: true), "Healthy");

        Assert.Equal(2, tried.GetProperty("tools").GetArrayLength());
        Assert.Equal(["echo", "env", "exit"], await client.ToolsAsync());
        Assert.Equal(1, (await InstanceAsync(id)).GetProperty("source").GetProperty("version").GetInt32());
        await OnlyOneRunsAsync(id);
    }

    [Fact]
    public async Task Deployment_IsGivenUp_WhenTheServerStops_AndAStoppedOneTakesTheVersionAtTheNextStart()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, TinyServers.Silent);
        await EditAsync(package, 1, New);
        var deployment = await DeployAsync(id, 2);
        await App.Operator.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version = 3 }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "deployment-running");

        await App.Operator.PostAsync($"api/v1/instances/{id}/stop", null, Cancel);

        await BecomesAsync(id, deployment, "Cancelled");
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("status").GetProperty("state").GetString() == "Stopped");
        await App.Operator.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version = 3, trial = true }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "stopped");
        await BecomesAsync(id, await DeployAsync(id, 3), "Deployed");
        await App.Operator.PostAsync($"api/v1/instances/{id}/start", null, Cancel);
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("serverInfo").GetString() == "tiny 2.0");
        await OnlyOneRunsAsync(id);
    }

    [Fact]
    public async Task Deployment_IsGivenUp_WhenTheServerIsEdited_AndNothingIsLeftWhenItIsDeleted()
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, TinyServers.Silent);
        var deployment = await DeployAsync(id, 2);

        (await App.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { name = "renamed" }, Cancel)).EnsureSuccessStatusCode();
        Assert.Equal("Trying", (await App.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/deployments/{deployment}", Cancel)).GetProperty("state").GetString());
        (await App.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { limits = new { pids = 64 } }, Cancel)).EnsureSuccessStatusCode();

        var cancelled = await BecomesAsync(id, deployment, "Cancelled");
        Assert.Contains("changed", cancelled.GetProperty("reason").GetString(), StringComparison.Ordinal);
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)) is var i && i.GetProperty("status").GetProperty("state").GetString() == "Running" && i.GetProperty("rollout").ValueKind == JsonValueKind.Null);
        Assert.Equal(1, (await InstanceAsync(id)).GetProperty("source").GetProperty("version").GetInt32());
        await OnlyOneRunsAsync(id);

        await DeployAsync(id, 2);
        await Eventually.HoldsAsync(() => Workloads(id).Length == 2);
        Assert.True((await App.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel)).IsSuccessStatusCode);
        await Eventually.HoldsAsync(async () => (await App.Viewer.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        Assert.Empty(Workloads(id));
    }

    [Fact]
    public async Task SleepingServer_IsBroughtToTheVersion()
    {
        var (id, package) = await RunningAsync(sleepSeconds: 1);
        await EditAsync(package, 1, New);
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("status").GetProperty("state").GetString() == "Sleeping");

        await BecomesAsync(id, await DeployAsync(id, 2), "Deployed");

        var client = await ClientAsync(id);
        Assert.Equal(["echo", "env", "fresh"], await client.ToolsAsync());
        await client.EndAsync();
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("status").GetProperty("state").GetString() == "Sleeping");
        await Eventually.HoldsAsync(() => Workloads(id).Length == 1); // what stood in is gone
    }

    [Theory]
    [InlineData("Trying")]
    [InlineData("Switching")]
    public async Task Restart_InTheMiddle_EndsInTheNewVersion(string state)
    {
        var (id, package) = await RunningAsync();
        await EditAsync(package, 1, New);
        var open = await ClientAsync(id);
        var deployment = await DeployAsync(id, 2, 15); // what the stop cut off while it asked the old version may leave a session there; the bound ends it
        if (state == "Switching") await BecomesAsync(id, deployment, state);

        App.EndWorkloads = false;
        await App.RestartAsync();
        App.EndWorkloads = true;

        open.Reconnect(App);
        await BecomesAsync(id, deployment, "Switching"); // again
        Assert.Equal("mine", await open.CallAsync("echo", new { text = "mine" }));
        await open.EndAsync();
        await BecomesAsync(id, deployment, "Deployed");
        await Eventually.HoldsAsync(async () => (await InstanceAsync(id)).GetProperty("serverInfo").GetString() == "tiny 2.0");
        await OnlyOneRunsAsync(id);
        Assert.Equal(["echo", "env", "fresh"], await (await ClientAsync(id)).ToolsAsync());
    }

    [Fact]
    public async Task Deployment_OfWhatIsNotThere_OrByAViewer_IsRefused()
    {
        var (id, _) = await RunningAsync();

        await App.Operator.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version = 7 }, Cancel).ProblemAsync(HttpStatusCode.NotFound, "not-found");
        await App.Operator.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version = 1, drainSeconds = 9999 }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        await App.Viewer.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version = 1 }, Cancel).ProblemAsync(HttpStatusCode.Forbidden, "forbidden");
        await App.Viewer.GetAsync($"api/v1/instances/{id}/deployments/d-none", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        var command = await (await App.Operator.PostAsJsonAsync("api/v1/instances", new { name = "c", start = false, source = new { type = "command", command = "true" } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        await App.Operator.PostAsJsonAsync($"api/v1/instances/{command.GetProperty("id").GetString()}/deployments", new { version = 1 }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "no-package");
    }
}

public sealed class DeploymentTestsOnSqlite(SqliteApp app) : DeploymentTests<SqliteApp>(app);

public sealed class DeploymentTestsOnPostgres(PostgresApp app) : DeploymentTests<PostgresApp>(app);
