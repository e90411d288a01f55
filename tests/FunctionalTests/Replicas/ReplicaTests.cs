using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>Several servers on one PostgreSQL and one data folder.</summary>
public sealed class ReplicaTests(PostgresApp first) : IClassFixture<PostgresApp>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SecondServer_SeesServersAndServesThem_AndTheFirstCarriesOutItsOrders()
    {
        await using var second = await ReplicaAsync();
        var running = await second.Operator.CreateAsync();
        var (_, token) = await second.Operator.TokenAsync(Fleet.Id(running));
        using var there = new ReplicaClient(() => second.Url, Fleet.Slug(running), token);
        using var here = new ReplicaClient(() => first.Url, Fleet.Slug(running), token);
        await Eventually.HoldsAsync(() => second.Services.GetRequiredService<InstanceRoutes>().Find(Fleet.Id(running))?.Upstream is not null);
        await there.ConnectAsync(Cancel);
        await here.ConnectAsync(Cancel);
        Assert.Equal("1", await there.CallAsync("count", new { key = "a", steps = 2, pause = 0.01 }, Cancel));
        Assert.Equal("0", await here.CallAsync("peek", new { key = "a" }, Cancel)); // another session, another process

        await second.Operator.TurnAsync(Fleet.Id(running), "stop");
        await first.Viewer.BecomesAsync(Fleet.Id(running), "Stopped");
        await Eventually.HoldsAsync(async () => (await there.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.ServiceUnavailable);
        await second.Operator.TurnAsync(Fleet.Id(running), "start");
        await second.Viewer.BecomesAsync(Fleet.Id(running), "Running");
        await Eventually.HoldsAsync(async () => (await there.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.NotFound); // the session went with the run
        await there.ConnectAsync(Cancel);

        Assert.Equal("0", await there.CallAsync("peek", new { key = "a" }, Cancel));
        await second.Operator.RemoveAsync(Fleet.Id(running));
        await Eventually.HoldsAsync(() => first.Services.GetRequiredService<InstanceRoutes>().Find(Fleet.Id(running)) is null);
    }

    [Fact]
    public async Task SessionIsUsed_ThroughAnotherGateway_AndEndedThere()
    {
        await using var gateway = await ReplicaAsync("gateway");
        var running = await first.Operator.CreateAsync();
        var (_, token) = await first.Operator.TokenAsync(Fleet.Id(running));
        var url = first.Url;
        using var client = new ReplicaClient(() => url, Fleet.Slug(running), token);
        await client.ConnectAsync(Cancel);
        await client.CallAsync("count", new { key = "a", steps = 1, pause = 0 }, Cancel);

        url = gateway.Url;
        await Eventually.HoldsAsync(() => gateway.Services.GetRequiredService<InstanceRoutes>().Find(Fleet.Id(running))?.Upstream is not null);
        Assert.Equal("1", await client.CallAsync("peek", new { key = "a" }, Cancel));
        Assert.Equal(HttpStatusCode.NoContent, await client.EndAsync(Cancel));
        Assert.Equal(HttpStatusCode.NotFound, (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status);
        url = first.Url;
        Assert.Equal(HttpStatusCode.NotFound, (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status);
        await first.Operator.RemoveAsync(Fleet.Id(running));
    }

    [Fact]
    public async Task Gateway_HasNoConsoleAndNoApi_ButHealthAndMetrics()
    {
        await using var gateway = await ReplicaAsync("gateway");

        foreach (var path in new[] { "", "login", "setup", "api/v1/me", "api/v1/instances", "openapi/v1.json" })
            Assert.Equal(HttpStatusCode.NotFound, (await gateway.Admin.GetAsync(new Uri(path, UriKind.Relative), Cancel)).StatusCode);
        var ready = await gateway.Nobody.GetFromJsonAsync<JsonElement>("readyz", Cancel);
        Assert.Equal("ok", ready.GetProperty("checks").GetProperty("routes").GetString());
        Assert.Equal(HttpStatusCode.OK, (await gateway.Nobody.GetAsync(new Uri("healthz", UriKind.Relative), Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await gateway.Admin.GetAsync(new Uri("metrics", UriKind.Relative), Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await gateway.Nobody.GetAsync(new Uri("metrics", UriKind.Relative), Cancel)).StatusCode);
        Assert.Contains("gateway", gateway.Banner, StringComparison.Ordinal);
        Assert.DoesNotContain("setup", gateway.Banner, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Console_ServesNoClients()
    {
        await using var console = await ReplicaAsync("console");

        Assert.Equal(HttpStatusCode.OK, (await console.Admin.GetAsync(new Uri("api/v1/instances", UriKind.Relative), Cancel)).StatusCode);
        await console.Nobody.PostAsync(new Uri("mcp-gateway/any/mcp", UriKind.Relative), null, Cancel).ProblemAsync(HttpStatusCode.NotFound, "no-gateway");
    }

    [Fact]
    public async Task TokenAndInstanceChanges_ActAtEveryGateway_WithinASecond()
    {
        await using var gateway = await ReplicaAsync("gateway");
        var running = await first.Operator.CreateAsync();
        var (id, token) = await first.Operator.TokenAsync(Fleet.Id(running));
        using var client = new ReplicaClient(() => gateway.Url, Fleet.Slug(running), token);
        await WithinASecondAsync(async () => gateway.Services.GetRequiredService<McpCan.Gateway.ITokenVerifier>().Verify(token, Fleet.Id(running), null).TokenId is not null);
        await Eventually.HoldsAsync(() => gateway.Services.GetRequiredService<InstanceRoutes>().Find(Fleet.Id(running))?.Upstream is not null);
        await client.ConnectAsync(Cancel);

        await first.Operator.PatchAsJsonAsync($"api/v1/tokens/{id}", new { enabled = false }, Cancel);
        await WithinASecondAsync(async () => (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.Unauthorized);
        await first.Operator.PatchAsJsonAsync($"api/v1/tokens/{id}", new { enabled = true }, Cancel);
        await WithinASecondAsync(async () => (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.OK);
        await first.Operator.DeleteAsync(new Uri($"api/v1/tokens/{id}", UriKind.Relative), Cancel);
        await WithinASecondAsync(async () => (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.Unauthorized);
        await first.Operator.PatchAsJsonAsync($"api/v1/instances/{Fleet.Id(running)}", new { access = new { tokenRequired = false } }, Cancel);
        await WithinASecondAsync(async () => (await client.TryCallAsync("peek", new { key = "a" }, Cancel)).Status == HttpStatusCode.NotFound); // nobody's now: not of that principal

        await first.Operator.RemoveAsync(Fleet.Id(running));
        await WithinASecondAsync(async () => gateway.Services.GetRequiredService<InstanceRoutes>().Find(Fleet.Slug(running)) is null);
    }

    [Fact]
    public async Task MissedNews_AreFoundByLooking()
    {
        await using var gateway = await ReplicaAsync("gateway");
        var running = await first.Operator.CreateAsync();
        var routes = gateway.Services.GetRequiredService<InstanceRoutes>();
        await Eventually.HoldsAsync(() => routes.Find(Fleet.Id(running))?.Upstream is not null);

        await using var db = await first.Services.GetRequiredService<IDbContextFactory<McpCan.Server.McpCanDb>>().CreateDbContextAsync(Cancel);
        await db.Instances.Where(i => i.Id == Fleet.Id(running)).ExecuteUpdateAsync(s => s.SetProperty(i => i.Name, "Unheard").SetProperty(i => i.Revision, i => i.Revision + 1), Cancel);

        await Eventually.HoldsAsync(() => routes.Find(Fleet.Id(running))!.Name == "Unheard");
        await first.Operator.RemoveAsync(Fleet.Id(running));
    }

    [Fact]
    public async Task AnObservationOfAnEarlierLeader_IsRefused()
    {
        var running = await first.Operator.CreateAsync();
        var changes = first.Services.GetRequiredService<InstanceChanges>();
        var instance = await first.Services.GetRequiredService<InstanceManager>().GetAsync(Fleet.Id(running), Cancel);
        var late = new InstanceChanges(
            first.Services.GetRequiredService<IDbContextFactory<McpCan.Server.McpCanDb>>(), first.Services.GetRequiredService<InstanceRoutes>(), first.Services.GetRequiredService<InstanceFeed>(),
            first.Services.GetRequiredService<News>(), first.Clock)
        { Term = changes.Term - 1 };
        instance.Place = new WorkloadPlace("unix:/elsewhere", 99, instance.Generation);

        Assert.False(await late.ObserveAsync(instance, Cancel));
        Assert.NotEqual(99, (await first.Services.GetRequiredService<InstanceManager>().GetAsync(Fleet.Id(running), Cancel)).Place!.Run);
        await first.Operator.RemoveAsync(Fleet.Id(running));
    }

    [Fact]
    public async Task OnSqlite_OneServerAFolder_AndOneRole()
    {
        await using var app = new SqliteApp();
        await app.InitializeAsync();

        Assert.Contains("Another MCPCAN server uses the data folder", await ServerProcess.RefusedAsync("sqlite", app.Data, "all"), StringComparison.Ordinal);
        Assert.Contains("MCPCAN_ROLE", await ServerProcess.RefusedAsync("sqlite", app.Data, "gateway"), StringComparison.Ordinal);
    }

    private async Task<ReplicaApp> ReplicaAsync(string role = "all")
    {
        var replica = new ReplicaApp(first, role) { EndWorkloads = false };
        await replica.InitializeAsync();
        return replica;
    }

    /// <summary>News take milliseconds and a missed one a second; a busy build machine gets one more.</summary>
    private static async Task WithinASecondAsync(Func<Task<bool>> condition)
    {
        var watch = Stopwatch.StartNew();
        await Eventually.HoldsAsync(condition);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"{watch.Elapsed}");
    }
}
