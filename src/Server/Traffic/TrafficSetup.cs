using McpCan.Gateway;
using McpCan.Server.Access;
using McpCan.Server.Hosting;

namespace McpCan.Server.Traffic;

/// <summary>Access records and what is computed from them.</summary>
internal static class TrafficSetup
{
    public static void AddTraffic(this WebApplicationBuilder builder, McpCanOptions options)
    {
        var services = builder.Services;
        services.AddSingleton<TrafficWindow>();
        services.AddSingleton<AccessLogWriter>();
        services.AddSingleton<IAccessLog>(s => s.GetRequiredService<AccessLogWriter>());
        services.AddHostedService(s => s.GetRequiredService<AccessLogWriter>());
        if (!options.HasConsole) return;
        services.AddSingleton<AccessLogReader>();
        services.AddSingleton<TrafficReader>();
        services.AddSingleton<UsageReader>();
        services.AddSingleton<UsageSampler>();
        services.AddHostedService(s => s.GetRequiredService<UsageSampler>());
        services.AddSingleton<AccessLogRetention>();
        services.AddHostedService(s => s.GetRequiredService<AccessLogRetention>());
    }

    public static void MapTraffic(this WebApplication app)
    {
        var api = app.MapApi();
        api.MapAccessLogs();
        api.MapTraffic();
    }
}
