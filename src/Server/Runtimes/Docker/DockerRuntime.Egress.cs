namespace McpCan.Server.Runtimes.Docker;

/// <summary>Which way a workload's network is open.</summary>
public sealed partial class DockerRuntime
{
    /// <inheritdoc/>
    public async Task RenewEgressAsync(string instanceId, CancellationToken cancellationToken)
    {
        var folder = Folder(instanceId);
        if (Own(folder) is not { Ready: true, Egress: { } egress } known) return;
        try
        {
            if (await egress.RenewedAsync(_options.Resolve, cancellationToken) is not { } renewed) return;
            using var held = await HoldAsync(instanceId, cancellationToken);
            if (await CurrentAsync(folder, cancellationToken) is not { } state || state.Container != known.Container) return;
            // First the way, then the sign to it.
            await CloseAsync(instanceId, state.Generation, folder, state.Run, state.Container, await NetworkAsync(cancellationToken), renewed.Openings(), cancellationToken);
            await WriteHostsAsync(folder, renewed, cancellationToken);
            folder.Save(state with { Egress = renewed });
        }
        catch (IOException e)
        {
            NotRenewed(_logger, instanceId, e.Message);
        }
    }

    private Task<EngineNetwork> NetworkAsync(CancellationToken cancellationToken) => _engine.NetworkAsync(NetworkName, Installation, cancellationToken);

    private static string HostsFile(WorkloadFolder folder) => Path.Combine(folder.Root, "hosts");

    /// <summary>Writes it in place, since it is mounted, and so that the workload's user may read it whatever our umask is.</summary>
    private static async Task WriteHostsAsync(WorkloadFolder folder, EgressList egress, CancellationToken cancellationToken)
    {
        await File.WriteAllTextAsync(HostsFile(folder), egress.HostsFile(), cancellationToken);
        File.SetUnixFileMode(HostsFile(folder), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    /// <summary>Lets a helper with the right to do so put the rules into the workload's network namespace.</summary>
    private async Task CloseAsync(string instanceId, long generation, WorkloadFolder folder, int run, string container, EngineNetwork network, IReadOnlyList<EgressOpening>? only, CancellationToken cancellationToken)
    {
        var rules = Path.Combine(folder.Root, "network.nft");
        await File.WriteAllTextAsync(rules, Firewall.Rules(network.Subnet, network.Gateway, _options.EgressAllow, Firewall.OwnAddresses(), Firewall.Resolvers(), only), cancellationToken);
        var kind = await _engine.KindAsync(cancellationToken);
        var parameters = ContainerPlan.Create(new ContainerPlan.Order
        {
            Name = $"{NetworkName}-{instanceId}-{run}-{Guid.NewGuid():N}"[..^24] + "-net",
            Image = (await _engine.Image.EnsureAsync(cancellationToken)).Name,
            Command = ["/usr/sbin/nft", "-f", "/run/network.nft"],
            Environment = new Dictionary<string, string>(),
            Mounts = [new(rules, "/run/network.nft")],
            Labels = Labels(instanceId, generation, run, "network"),
            Limits = new() { MemoryBytes = 128 << 20, Cpus = 0, Pids = 16, FileBytes = 0, OpenFiles = 0 },
            Network = $"container:{container}",
            User = "0:0",
            Podman = kind.Podman,
        });
        parameters.HostConfig!.CapAdd = ["NET_ADMIN"];
        var helper = await _engine.CreateAsync(parameters, cancellationToken);
        try
        {
            await _engine.StartAsync(helper, cancellationToken);
            await _engine.WaitAsync(helper, cancellationToken);
            var ended = await _engine.InspectAsync(helper, cancellationToken);
            if (ended?.State?.ExitCode != 0) throw new IOException($"The workload's network could not be closed towards the platform, so it was not started. {string.Join(' ', (await OutputAsync(helper, cancellationToken)).TakeLast(3))}".Trim());
        }
        finally
        {
            await RemoveQuietlyAsync(helper);
            File.Delete(rules);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The names that {InstanceId} may connect to could not be looked up again; it goes on with their last addresses: {Why}")]
    private static partial void NotRenewed(ILogger logger, string instanceId, string why);
}
