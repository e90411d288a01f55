using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What all workers share.</summary>
internal sealed record WorkerServices(
    IDbContextFactory<McpCanDb> Databases, EnvironmentMap Environments, InstanceChanges Changes, InstanceRoutes Routes, BridgeProbe Probe, RemoteProbe Remotes,
    Waker Waker, DefinitionStore Definitions, PackageManager Packages, SecretProtector Protector, McpCanOptions Options, TimeProvider Time, ILogger<InstanceWorker> Logger)
{
    /// <summary>Starts at the same time: more only make each other slow.</summary>
    public SemaphoreSlim StartSlots { get; } = new(4, 4);

    public async Task<Instance?> LoadAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await Databases.CreateDbContextAsync(cancellationToken);
        return await db.Instances.AsNoTracking().FirstOrDefaultAsync(i => i.Id == id, cancellationToken);
    }

    /// <summary>What is to run, with packages looked up and secrets in the clear.</summary>
    public async Task<WorkloadSpec> PlanAsync(Instance instance, IRuntime runtime, CancellationToken cancellationToken)
    {
        (PackageVersion, string)? package = null;
        if (instance.Source is PackageCodeSource source)
        {
            var version = await Packages.GetVersionAsync(source.PackageId, source.Version, cancellationToken);
            package = (version, Packages.ArchivePath(version));
        }
        var environment = instance.Env.ToDictionary(e => e.Key, e => e.Value.Secret ? Protector.Unprotect(e.Value.Value) : e.Value.Value);
        var tools = (await runtime.CheckAsync(cancellationToken)).Tools;
        var login = instance is { Source: ImageSource, Registry: { } registry } ? new RegistryLogin(registry.UserName, Protector.Unprotect(registry.Password)) : null;
        return WorkloadPlanner.Plan(instance, package, environment, Minimum(), tools, login);
    }

    private IsolationLevel Minimum() => Enum.TryParse<IsolationLevel>(Options.MinimumIsolation, ignoreCase: true, out var level) ? level : IsolationLevel.Sandbox;
}
