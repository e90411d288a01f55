using McpCan.Server.Runtimes;

namespace McpCan.Server.Environments;

/// <summary>A place where workloads run.</summary>
/// <param name="Id"><c>local</c>, or the id of a registered engine.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Kind"><c>process</c> or <c>docker</c>.</param>
/// <param name="Address">The engine's address; null for this machine's processes.</param>
/// <param name="Tls">Whether certificates are stored; they are never shown.</param>
/// <param name="CertificateExpiresAt">When the stored client certificate ends.</param>
/// <param name="IsDefault">Whether new instances run here unless they say otherwise.</param>
/// <param name="Limits">Most that an instance may ask for here.</param>
/// <param name="Usable">Whether workloads can be started; null while the first look is under way.</param>
/// <param name="Reachable">Whether the engine answers.</param>
/// <param name="Isolation">Strongest isolation that is available.</param>
/// <param name="Capacity">What the machine has; null while it is not known.</param>
/// <param name="Engine">What the engine says of itself; null for this machine's processes and when it does not answer.</param>
/// <param name="Tools">Interpreters found: name → version, or null.</param>
/// <param name="Findings">What was seen, with the remedy where something is missing.</param>
/// <param name="Instances">Instances that name this environment.</param>
/// <param name="Workloads">Workloads that run there now; null when it cannot be asked.</param>
/// <param name="CheckedAt">When it was looked at.</param>
public sealed record EnvironmentView(
    string Id, string Name, string Kind, string? Address, bool Tls, DateTimeOffset? CertificateExpiresAt, bool IsDefault, EnvironmentLimits Limits, bool? Usable, bool Reachable, IsolationLevel Isolation,
    CapacityView? Capacity, EngineFacts? Engine, IReadOnlyDictionary<string, string?> Tools, IReadOnlyList<string> Findings, int Instances, int? Workloads, DateTimeOffset CheckedAt,
    long Revision, DateTimeOffset? CreatedAt, DateTimeOffset? UpdatedAt, string? CreatedBy);

/// <summary>What a machine has.</summary>
/// <param name="Cpus">Processors.</param>
/// <param name="MemoryBytes">Memory.</param>
/// <param name="DiskFreeBytes">Free space where workloads' files, images and volumes are; null when it cannot be seen from here.</param>
public sealed record CapacityView(int Cpus, long MemoryBytes, long? DiskFreeBytes);

/// <summary>Puts together what is stored of environments and what was seen of them.</summary>
public sealed class EnvironmentViews(EnvironmentManager manager, EnvironmentMap map, EnvironmentSync sync, EnvironmentChecks checks, Hosting.DataFolder data)
{
    /// <summary>All environments: this machine first, then by name.</summary>
    public async Task<IReadOnlyList<EnvironmentView>> AllAsync(CancellationToken cancellationToken)
    {
        var users = await manager.UsersAsync(cancellationToken);
        var all = new RegisteredEnvironment?[] { null }.Concat(await manager.AllAsync(cancellationToken));
        return await Task.WhenAll(all.Where(e => e is not null || map.Find(EnvironmentMap.Local) is not null).Select(async e => await OfAsync(e, await checks.LastAsync(e?.Id ?? EnvironmentMap.Local, cancellationToken), users, cancellationToken)));
    }

    /// <summary>One environment; looked at anew when <paramref name="anew"/>.</summary>
    public async Task<EnvironmentView> GetAsync(string id, bool anew, CancellationToken cancellationToken)
    {
        var stored = id == EnvironmentMap.Local ? null : await manager.GetAsync(id, cancellationToken);
        return await OfAsync(stored, anew ? await checks.NowAsync(id, cancellationToken) : await checks.LastAsync(id, cancellationToken), await manager.UsersAsync(cancellationToken), cancellationToken);
    }

    private async Task<EnvironmentView> OfAsync(RegisteredEnvironment? e, EnvironmentCheck check, ILookup<string, EnvironmentUser> users, CancellationToken cancellationToken)
    {
        var id = e?.Id ?? EnvironmentMap.Local;
        var capacity = e is null
            ? new CapacityView(System.Environment.ProcessorCount, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, EngineFacts.DiskFree(data.Root))
            : check.Engine is { } engine ? new CapacityView(engine.Cpus, engine.MemoryBytes, engine.DiskFreeBytes) : null;
        return new(id, e?.Name ?? "This machine", e?.Kind ?? EnvironmentKinds.Process, e?.Address, e?.Tls is not null, sync.Find(id)?.CertificateExpiresAt, map.Default == id, e?.Limits ?? new(),
            check.Usable, check.Reachable, check.Isolation, capacity, check.Engine, check.Tools, check.Findings, users[id].Count(), check.Reachable ? await WorkloadsAsync(id, cancellationToken) : null, check.CheckedAt,
            e?.Revision ?? 1, e?.CreatedAt, e?.UpdatedAt, e?.CreatedBy);
    }

    private async Task<int?> WorkloadsAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return map.Find(id) is { } runtime ? (await runtime.ListAsync(cancellationToken)).Count : null;
        }
        catch (IOException)
        {
            return null; // it went away meanwhile
        }
    }
}
