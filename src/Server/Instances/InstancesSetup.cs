using McpCan.Gateway;
using McpCan.Gateway.Sleep;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>Instances: what people want, and the loop that makes it so.</summary>
internal static class InstancesSetup
{
    /// <summary>What a gateway needs to know of instances, in every role.</summary>
    public static void AddRoutes(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<RemoteSettings>();
        services.AddSingleton<InstanceRoutes>();
        services.AddSingleton<IRouteSource>(s => s.GetRequiredService<InstanceRoutes>());
        services.AddSingleton<InstanceFeed>();
        services.AddSingleton<Waker>();
        services.AddSingleton<IWaker>(s => s.GetRequiredService<Waker>());
        services.AddSingleton<DefinitionStore>();
        services.AddSingleton<IPinnedDefinitions>(s => s.GetRequiredService<DefinitionStore>());
        services.AddSingleton<InstanceSync>();
        services.AddHostedService(s => s.GetRequiredService<InstanceSync>());
        services.AddHealthChecks().AddCheck<InstanceSync>("routes", tags: ["ready"]);
    }

    public static void AddInstances(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<InstanceChanges>();
        services.AddSingleton<Idempotency>();
        services.AddSingleton<BridgeProbe>();
        services.AddSingleton<IRemoteInspector, GatewayInspector>();
        services.AddSingleton<RemoteProbe>();
        services.AddSingleton<InstanceInspector>();
        services.AddSingleton<InstanceDoctor>();
        services.AddSingleton<PlaygroundSessions>();
        services.AddSingleton(s => new InstanceManager(
            s.GetRequiredService<IDbContextFactory<McpCanDb>>(), s.GetRequiredService<SecretProtector>(), s.GetRequiredService<RemoteSettings>(), s.GetRequiredService<EnvironmentMap>(),
            s.GetRequiredService<InstanceChanges>(), s.GetRequiredService<Idempotency>(), s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<VolumeManager>();
        services.AddSingleton<IPackageUsage, PackageUse>();
        services.AddSingleton<IEnvironmentUsage, EnvironmentUse>();
        services.AddSingleton<WorkerServices>();
        services.AddSingleton<WorkloadShutdown>();
        services.AddHostedService<InstanceReconciler>();
    }

    public static void MapInstances(this WebApplication app)
    {
        var api = app.MapApi();
        api.MapInstances();
        api.MapDeployments();
        api.MapPlayground();
        api.MapEnvironments();
        api.MapVolumes();
    }

    private sealed class PackageUse(IDbContextFactory<McpCanDb> databases) : IPackageUsage
    {
        public async Task<IReadOnlyList<PackageUser>> UsersOfAsync(string packageId, CancellationToken cancellationToken)
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var instances = await db.Instances.AsNoTracking().Where(i => !i.Deleting).ToListAsync(cancellationToken);
            return [.. instances.Select(i => (i, (i.Source as PackageCodeSource))).Where(u => u.Item2?.PackageId == packageId).Select(u => new PackageUser(u.i.Id, u.i.Name, u.Item2!.Version))];
        }
    }

    private sealed class EnvironmentUse(IDbContextFactory<McpCanDb> databases) : IEnvironmentUsage
    {
        public async Task<ILookup<string, EnvironmentUser>> UsersAsync(CancellationToken cancellationToken)
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            // One that runs elsewhere keeps its environment for the day that it is managed again.
            var instances = await db.Instances.AsNoTracking().Select(i => new { i.Environment, i.Name, i.Mode, i.ShouldRun }).OrderBy(i => i.Name).ToListAsync(cancellationToken);
            return instances.ToLookup(i => i.Environment, i => new EnvironmentUser(i.Name, i.ShouldRun && i.Mode == InstanceModes.Managed));
        }
    }
}
