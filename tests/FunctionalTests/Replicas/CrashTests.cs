using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Docker.DotNet.Models;
using McpCan.FunctionalTests.Runtimes;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>
/// The platform is killed (kill -9) at twenty moments of a deployment, from its order to its first answer, and started again:
/// the end is the same as if nothing had been, and nothing is left over. The app beside it makes keys and never leads.
/// </summary>
public abstract class CrashTests(TakeoverTests.Witness witness) : IClassFixture<TakeoverTests.Witness>
{
    private const int Points = 20;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task KilledAtAnyMomentOfADeployment_TheNextStartEndsIt()
    {
        var server = await ServerProcess.StartAsync(witness.Database, witness.Data);
        try
        {
            using var key = await ApiAsync(server);
            var places = await PlacesAsync(key);
            foreach (var place in places[1..]) await key.RemoveAsync(Fleet.Id(await key.BecomesAsync(await DeployAsync(key, "warm", place), "Running"))); // the image is there now
            var undisturbed = await DeployAsync(key, "undisturbed", places[0]);
            var watch = Stopwatch.StartNew();
            await key.BecomesAsync(undisturbed, "Running");
            var whole = watch.Elapsed;
            await CheckAsync(server, key, undisturbed);
            for (var point = 0; point < Points; point++)
            {
                using var before = await ApiAsync(server);
                var deployed = await DeployAsync(before, $"point {point}", places[point % places.Length]);
                await Task.Delay(whole * point / (Points - 1), Cancel);
                await server.DisposeAsync(); // kill -9
                server = await ServerProcess.StartAsync(witness.Database, witness.Data);

                using var after = await ApiAsync(server);
                await after.BecomesAsync(deployed, "Running");
                await CheckAsync(server, after, deployed);
                await after.RemoveAsync(deployed);
                Assert.Empty(await RunningAsync(deployed));
                Assert.False(Directory.Exists(Path.Combine(witness.Data, "workloads", deployed)), $"point {point}: its folder is left");
            }
            var torn = Directory.GetDirectories(Path.Combine(witness.Data, "cache", "install")).Where(r => !File.Exists(Path.Combine(r, "complete")));
            Assert.Empty(torn); // what a kill tore, the next start made whole
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    /// <summary>It answers, runs once, and installed what it needs.</summary>
    private async Task CheckAsync(ServerProcess server, HttpClient api, string id)
    {
        var instance = await api.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);
        var (_, token) = await api.TokenAsync(id);
        using var client = new ReplicaClient(() => server.Url, Fleet.Slug(instance), token);
        await client.ConnectAsync(Cancel);
        Assert.Equal("0", await client.CallAsync("peek", new { key = "a" }, Cancel));
        Assert.True(File.Exists(Path.Combine(witness.Data, "workloads", id, "app", "made.txt")));
        Assert.Single(await RunningAsync(id));
    }

    /// <summary>Names of the environments to deploy to, in turn.</summary>
    protected abstract Task<string[]> PlacesAsync(HttpClient api);

    /// <summary>What runs for an instance: one for each run of its server.</summary>
    protected abstract Task<IReadOnlyList<string>> RunningAsync(string id);

    protected TakeoverTests.Witness Witness => witness;

    /// <summary>A package of its own, so that nothing of an earlier one helps, with a step to install.</summary>
    private static async Task<string> DeployAsync(HttpClient api, string name, string place)
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Archives.Zip(("server.py", $"# {name}\n{CountingServer.Script}"))), "file", $"{name.Replace(' ', '-')}.zip" } };
        var package = await (await api.PostAsync(new Uri("api/v1/packages", UriKind.Relative), form, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var made = await api.PostAsJsonAsync("api/v1/instances", new
        {
            name,
            environment = place,
            processes = "shared",
            source = new { type = "package", packageId = Fleet.Id(package), install = new[] { "sh", "-c", "sleep 0.3; echo yes > made.txt" }, start = new[] { "python3", "server.py" } },
        }, Cancel);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Cancel));
        return Fleet.Id(await made.Content.ReadFromJsonAsync<JsonElement>(Cancel));
    }

    private async Task<HttpClient> ApiAsync(ServerProcess process) => await TakeoverTests.ApiAsync(witness, process);
}

/// <summary>Processes of this machine.</summary>
public sealed class ProcessCrashTests(TakeoverTests.Witness witness) : CrashTests(witness)
{
    protected override Task<string[]> PlacesAsync(HttpClient api) => Task.FromResult<string[]>(["local"]);

    protected override Task<IReadOnlyList<string>> RunningAsync(string id) => Task.FromResult<IReadOnlyList<string>>(
        [.. ProcessTable.Marked($"{Witness.Services.GetRequiredService<InstallationId>().Value}/{id}/").Select(p => NameOf(p.Process.Pid)).Where(n => n.StartsWith("python3", StringComparison.Ordinal))]);

    private static string NameOf(int pid) => File.Exists($"/proc/{pid}/comm") ? File.ReadAllText($"/proc/{pid}/comm").Trim() : "";
}

/// <summary>Containers, of Docker and Podman in turn.</summary>
public sealed class ContainerCrashTests(TakeoverTests.Witness witness) : CrashTests(witness)
{
    private readonly List<Uri> _engines = [];

    protected override async Task<string[]> PlacesAsync(HttpClient api)
    {
        var places = new List<string>();
        foreach (var engine in (string[])["docker", "podman"])
        {
            Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
            var address = new Uri(Engines.Address(engine)!.ToString());
            var made = await api.PostAsJsonAsync("api/v1/environments", new { name = engine, address = $"{address}" }, TestContext.Current.CancellationToken);
            Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            places.Add(Fleet.Id(await made.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken)));
            _engines.Add(address);
        }
        return [.. places];
    }

    protected override async Task<IReadOnlyList<string>> RunningAsync(string id)
    {
        var all = new List<string>();
        foreach (var address in _engines)
        {
            using var engine = EngineClient.Open(new(address));
            all.AddRange((await ContainerFixture.PatientlyAsync(() => engine.Containers.ListContainersAsync(new ContainersListParameters
            {
                All = true,
                Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { [$"{ContainerPlan.Instance}={id}"] = true } },
            }, TestContext.Current.CancellationToken))).Select(c => c.ID));
        }
        return all;
    }
}
