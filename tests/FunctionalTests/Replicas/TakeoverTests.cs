using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>Real processes that are killed or stopped in the middle. The app beside them is a gateway: it makes keys and never leads.</summary>
public sealed class TakeoverTests(TakeoverTests.Witness witness) : IClassFixture<TakeoverTests.Witness>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task KillInTheMiddleOfACall_TheResultComesThroughTheOther_WhichLeadsWithinSeconds()
    {
        await using var one = await LeaderAsync();
        await using var two = await StartAsync();
        using var api = await ApiAsync(two);
        var running = await api.CreateAsync();
        var (_, token) = await api.TokenAsync(Fleet.Id(running));
        var url = one.Url;
        using var client = new ReplicaClient(() => url, Fleet.Slug(running), token);
        await Eventually.HoldsAsync(async () => await CanConnectAsync(client));
        var call = new ReplicaClient.Call();
        var reading = Broken(client.StartAsync(call, "count", new { key = "a", steps = 40, pause = 0.05 }, Cancel));
        await Eventually.HoldsAsync(() => call.Progress.Count > 4);

        await one.KillAsync();
        var killed = Stopwatch.StartNew();
        await reading;
        url = two.Url;
        await client.ResumeAsync(call, Cancel);

        Assert.Equal("1", call.Text);
        Assert.Equal(Enumerable.Range(1, 40).Select(n => (double)n), call.Progress);
        Assert.Equal("1", await client.CallAsync("peek", new { key = "a" }, Cancel));
        await Eventually.HoldsAsync(() => two.Leads);
        Assert.True(killed.Elapsed < TimeSpan.FromSeconds(10), $"{killed.Elapsed}");
        Assert.Equal(Fleet.Id(running), Fleet.Id(await api.BecomesAsync(Fleet.Id(running), "Running")));
        Assert.Equal("1", await client.CallAsync("peek", new { key = "a" }, Cancel)); // adopted, not started again
        await api.RemoveAsync(Fleet.Id(running)); // it does lead
    }

    [Fact]
    public async Task LeaderThatHangs_IsReplaced_AndResignsWhenItWakes()
    {
        await using var one = await LeaderAsync();
        using var api = await ApiAsync(one);
        var running = await api.CreateAsync();
        var (_, token) = await api.TokenAsync(Fleet.Id(running));
        await using var two = await StartAsync();
        using var client = new ReplicaClient(() => two.Url, Fleet.Slug(running), token);
        await client.ConnectAsync(Cancel);
        await client.CallAsync("count", new { key = "a", steps = 1, pause = 0 }, Cancel);

        one.Signal("STOP");
        await Eventually.HoldsAsync(() => two.Leads);
        one.Signal("CONT");
        await Eventually.HoldsAsync(() => one.Output.Contains("may no longer look after the servers", StringComparison.Ordinal));

        Assert.Equal("1", await client.CallAsync("peek", new { key = "a" }, Cancel));
        using var other = await ApiAsync(two);
        await other.RemoveAsync(Fleet.Id(running));
    }

    [Fact]
    public async Task AnotherFolder_StartsTheServersAgain_AndNothingIsLeftOfTheOldOnes()
    {
        var elsewhere = Directory.CreateTempSubdirectory("mcpcan-test-").FullName;
        await using var one = await LeaderAsync();
        await using var two = await ServerProcess.StartAsync(witness.Database, elsewhere);
        using var api = await ApiAsync(two);
        var running = await api.CreateAsync();
        var before = Marked(running);

        await one.KillAsync();
        await Eventually.HoldsAsync(() => two.Leads);
        await Eventually.HoldsAsync(() => Marked(running) is { Count: > 0 } now && !now.Intersect(before).Any());
        await api.BecomesAsync(Fleet.Id(running), "Running");
        await using var again = await StartAsync();

        Assert.False(again.Leads);
        await api.RemoveAsync(Fleet.Id(running));
        Assert.Empty(Marked(running));
        await two.KillAsync();
        Directory.Delete(elsewhere, recursive: true);
    }

    [Fact]
    public async Task KillInTheMiddleOfAnInstallation_TheNextLeaderEndsIt()
    {
        await using var one = await LeaderAsync();
        using var api = await ApiAsync(one);
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Archives.Zip(("server.py", "print()"))), "file", "endless.zip" } };
        var package = await (await api.PostAsync(new Uri("api/v1/packages", UriKind.Relative), form, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var made = await (await api.PostAsJsonAsync("api/v1/instances", new
        {
            name = "endless",
            source = new { type = "package", packageId = Fleet.Id(package), install = new[] { "sleep", "600" }, start = new[] { "python3", "server.py" } },
        }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        await Eventually.HoldsAsync(() => Sleeping(made).Count > 0);
        var left = Marked(made);

        await one.KillAsync();
        await Task.Delay(300, Cancel); // if it ended with its parent it would be gone by now
        Assert.NotEmpty(Sleeping(made));
        await using var two = await StartAsync();
        using var after = await ApiAsync(two);

        await Eventually.HoldsAsync(() => !Marked(made).Intersect(left).Any());
        await Eventually.HoldsAsync(() => Sleeping(made).Count > 0); // the new leader installs by itself
        await after.RemoveAsync(Fleet.Id(made));
        Assert.Empty(Marked(made));
    }

    private static async Task<bool> CanConnectAsync(ReplicaClient client)
    {
        try
        {
            await client.ConnectAsync(Cancel);
            return true;
        }
        catch (Xunit.Sdk.XunitException)
        {
            return false; // it has not heard of the instance yet
        }
    }

    private static async Task Broken(Task call)
    {
        try
        {
            await call;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // as intended
        }
    }

    private HashSet<int> Marked(JsonElement instance) =>
        [.. ProcessTable.Marked($"{witness.Services.GetRequiredService<InstallationId>().Value}/{Fleet.Id(instance)}/").Select(p => p.Process.Pid)];

    private List<int> Sleeping(JsonElement instance) =>
        [.. Marked(instance).Where(p => File.Exists($"/proc/{p}/comm") && File.ReadAllText($"/proc/{p}/comm").StartsWith("sleep", StringComparison.Ordinal))];

    // The lease of the test before may have to end by its time; whoever comes next would race with this one for it.
    private async Task<ServerProcess> LeaderAsync()
    {
        var process = await StartAsync();
        await Eventually.HoldsAsync(() => process.Leads);
        return process;
    }

    private Task<ServerProcess> StartAsync() => ServerProcess.StartAsync(witness.Database, witness.Data);

    private Task<HttpClient> ApiAsync(ServerProcess process) => ApiAsync(witness, process);

    /// <summary>A client of a process' API with a key that the witness made.</summary>
    internal static async Task<HttpClient> ApiAsync(Witness witness, ServerProcess process)
    {
        var client = new HttpClient { BaseAddress = new Uri(process.Url + "/") };
        client.DefaultRequestHeaders.Authorization = new("Bearer", (await witness.Services.GetRequiredService<McpCan.Server.Access.ApiKeyManager>()
            .CreateAsync(new McpCan.Server.Access.ApiKeyInput("takeover", McpCan.Server.Access.Roles.Admin), "test", Cancel)).Value);
        return client;
    }

    /// <summary>Database, data folder, keys.</summary>
    public sealed class Witness : PostgresApp
    {
        public Witness() => Settings[nameof(McpCanOptions.Role)] = "gateway";
    }
}
