using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>The platform is killed at ten moments while another version is deployed: the next process ends in the same state, and nothing is left over.</summary>
public sealed class DeploymentKillTests(TakeoverTests.Witness witness) : IClassFixture<TakeoverTests.Witness>
{
    private const int Points = 10;
    private static readonly string[] NoInstall = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task KilledAtAnyPoint_TheNextProcessDeploysTheVersion_AndNothingIsLeft()
    {
        var process = await ServerProcess.StartAsync(witness.Database, witness.Data);
        try
        {
            var api = await ApiAsync(process);
            var (id, package) = await RunningAsync(api);
            await api.PatchAsJsonAsync($"api/v1/packages/{package}/versions/1/files", new { files = new { notes = new { text = "two" } } }, Cancel);
            var reached = new List<string?>();
            for (var point = 0; point < Points; point++)
            {
                var version = 2 - point % 2;
                var deployment = Fleet.Id(await (await api.PostAsJsonAsync($"api/v1/instances/{id}/deployments", new { version, drainSeconds = 2 }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel));
                await Task.Delay(point * 300, Cancel); // the points: from the request to well after the end
                reached.Add(await StateAsync(api, id, deployment));
                await process.DisposeAsync();
                api.Dispose();
                process = await ServerProcess.StartAsync(witness.Database, witness.Data);
                api = await ApiAsync(process);

                await Eventually.HoldsAsync(async () => await StateAsync(api, id, deployment) == "Deployed");
                var now = await api.BecomesAsync(id, "Running");
                Assert.Equal((version, JsonValueKind.Null), (now.GetProperty("source").GetProperty("version").GetInt32(), now.GetProperty("rollout").ValueKind));
                await Eventually.HoldsAsync(() => Marked(id + "-next").Length == 0 && Marked(id).Length > 0 && Directory.GetDirectories(Path.Combine(witness.Data, "workloads"), id + "*").Length == 1);
            }
            TestContext.Current.TestOutputHelper?.WriteLine(string.Join(' ', reached));
            Assert.Contains("Trying", reached);
            Assert.Contains("Deployed", reached);
            await api.RemoveAsync(id);
            Assert.Empty(Marked(id));
            api.Dispose();
        }
        finally
        {
            await process.DisposeAsync();
        }
    }

    private static async Task<(string Id, string Package)> RunningAsync(HttpClient api)
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Archives.Zip(("server.py", TinyServers.Echo))), "file", "tiny.zip" } };
        var package = Fleet.Id(await (await api.PostAsync(new Uri("api/v1/packages", UriKind.Relative), form, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel));
        var made = await (await api.PostAsJsonAsync("api/v1/instances", new { name = "killed", source = new { type = "package", packageId = package, version = 1, install = NoInstall } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return (Fleet.Id(await api.BecomesAsync(Fleet.Id(made), "Running")), package);
    }

    private static async Task<string?> StateAsync(HttpClient api, string id, string deployment) =>
        (await api.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/deployments/{deployment}", Cancel)).GetProperty("state").GetString();

    private string[] Marked(string workload) =>
        [.. ProcessTable.Marked($"{witness.Services.GetRequiredService<InstallationId>().Value}/{workload}/").Select(p => $"{p.Process.Pid}")];

    private Task<HttpClient> ApiAsync(ServerProcess process) => TakeoverTests.ApiAsync(witness, process);
}
