using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Packages;

/// <summary>Uploaded code.</summary>
internal static class PackageSetup
{
    public static void AddPackages(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<PackageStore>();
        builder.Services.AddSingleton(s => new PackageManager(
            s.GetRequiredService<IDbContextFactory<McpCanDb>>(), s.GetRequiredService<PackageStore>(), s.GetServices<IPackageUsage>(), s.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton(s => new PackageFiles(s.GetRequiredService<PackageManager>(), s.GetRequiredService<PackageStore>(), s.GetRequiredService<McpCanOptions>()));
        builder.Services.AddHostedService<PackageCleanUp>();
    }

    public static void MapPackages(this WebApplication app) => app.MapApi().MapPackages();

    private sealed class PackageCleanUp(PackageStore store) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            store.RemoveLeftOvers();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
