namespace McpCan.Server.Environments;

/// <summary>Places where workloads run. Added before the instances: those are adopted from environments that are known.</summary>
internal static class EnvironmentsSetup
{
    public static void AddEnvironments(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<EnvironmentMap>();
        services.AddSingleton<EnvironmentSync>();
        services.AddHostedService(s => s.GetRequiredService<EnvironmentSync>());
        services.AddSingleton<EnvironmentManager>();
        services.AddSingleton<EnvironmentChecks>();
        services.AddSingleton<EnvironmentViews>();
        services.AddSingleton<EngineThings>();
    }
}
