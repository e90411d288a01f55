using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;
using Microsoft.Extensions.Logging.Abstractions;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>A container runtime with a data folder of its own, on an engine that <c>script/engines</c> started.</summary>
internal sealed class ContainerFixture : RuntimeFixture
{
    private readonly EngineAddress _engine;
    private readonly DockerClient _client;

    private ContainerFixture(EngineAddress engine, string? bridge, string[] allow) : base(IsolationLevel.Container, bridge: bridge)
    {
        _engine = engine;
        _client = EngineClient.Open(engine);
        Allow = allow;
    }

    public string[] Allow { get; }
    /// <summary>What names mean here; null for what they mean on this machine.</summary>
    public Func<string, string[]>? Names { get; set; }
    public DockerClient Client => _client;

    /// <summary>A fixture, or a skipped test where the engine cannot be had.</summary>
    public static ContainerFixture On(string engine, string? bridge = null, params string[] allow)
    {
        var address = Environment.GetEnvironmentVariable($"TEST_{engine.ToUpperInvariant()}_HOST");
        Assert.SkipWhen(string.IsNullOrEmpty(address), $"No {engine} engine: script/engines starts one where root may.");
        return new(new EngineAddress(new Uri(address!)), bridge, allow);
    }

    /// <summary>A second installation on the same engine.</summary>
    public ContainerFixture Neighbour() => new(_engine, null, []);

    public override async Task<int> ProcessesAsync()
    {
        var count = 0;
        foreach (var container in await ContainersAsync())
        {
            count++; // one that is not removed counts, too
            if (container.State == "running") count += (await _client.Containers.ListProcessesAsync(container.ID, new(), CancellationToken.None)).Processes?.Count ?? 0;
        }
        return count;
    }

    public Task<IList<ContainerListResponse>> ContainersAsync() => PatientlyAsync(() => _client.Containers.ListContainersAsync(new ContainersListParameters
    {
        All = true,
        Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { [$"mcpcan.installation={Installation}"] = true } },
    }, CancellationToken.None));

    /// <summary>Podman fails to list what another test removes at this moment.</summary>
    internal static async Task<T> PatientlyAsync<T>(Func<Task<T>> list)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await list();
            }
            catch (DockerApiException e) when (Engine.IsGone(e) && attempt < 50)
            {
                await Task.Delay(20);
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        try
        {
            foreach (var folder in Directory.CreateDirectory(Path.Combine(Data, "workloads")).GetDirectories()) await Runtime.RemoveAsync(folder.Name, purge: true, CancellationToken.None);
            foreach (var volume in await Runtime.ListVolumesAsync(CancellationToken.None)) await Runtime.DeleteVolumeAsync(volume.Name, CancellationToken.None);
            await base.DisposeAsync();
            var networks = await PatientlyAsync(() => _client.Networks.ListNetworksAsync(new NetworksListParameters(), CancellationToken.None));
            Assert.DoesNotContain(networks, n => n.Labels?.TryGetValue("mcpcan.installation", out var id) == true && id == Installation);
        }
        finally
        {
            foreach (var left in await ContainersAsync()) await _client.Containers.RemoveContainerAsync(left.ID, new ContainerRemoveParameters { Force = true }, CancellationToken.None);
            _client.Dispose();
        }
    }

    private Task<IPAddress[]> ResolveAsync(string name, CancellationToken cancellationToken) =>
        Names is { } names ? Task.FromResult<IPAddress[]>([.. names(name).Select(IPAddress.Parse)]) : Dns.GetHostAddressesAsync(name, cancellationToken);

    protected override IRuntime Make() => new DockerRuntime(new() { Installation = Options, Engine = _engine, Environment = "test", EgressAllow = Allow, Resolve = ResolveAsync }, TimeProvider.System, NullLogger<DockerRuntime>.Instance);
}
