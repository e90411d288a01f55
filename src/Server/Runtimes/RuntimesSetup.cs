using McpCan.Server.Hosting;

namespace McpCan.Server.Runtimes;

/// <summary>Registers the runtimes.</summary>
internal static class RuntimesSetup
{
    public static void AddRuntimes(this IServiceCollection services)
    {
        services.AddSingleton(provider =>
        {
            var options = provider.GetRequiredService<McpCanOptions>();
            var installation = provider.GetRequiredService<InstallationId>();
            return new ProcessRuntimeOptions
            {
                Data = provider.GetRequiredService<DataFolder>().Root,
                InstallationId = () => installation.Value,
                BridgePath = options.BridgePath,
                AllowNone = options.MinimumIsolation.Equals("none", StringComparison.OrdinalIgnoreCase),
                VolumeRoots = options.VolumeRoots,
                MaxMessageBytes = options.MaxMcpRequestBytes,
            };
        });
        services.AddSingleton<ProcessRuntime>();
        services.AddSingleton<CacheCleaner>();
        services.AddSingleton<Docker.DockerRuntimeFactory>();
        services.AddSingleton<IRuntime>(provider => provider.GetRequiredService<ProcessRuntime>());
    }
}
