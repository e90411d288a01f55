using McpCan.Gateway;
using McpCan.Server.Access;
using McpCan.Server.Declared;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Logs;
using McpCan.Server.Market;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using McpCan.Server.Terminals;
using McpCan.Server.Traffic;
using McpCan.Server.Web;

namespace McpCan.Server;

/// <summary>The server's table of contents: every feature adds itself, then maps itself.</summary>
internal static class ServerApp
{
    /// <summary>Builds the server. <paramref name="commandLine"/> names properties of <see cref="McpCanOptions"/>.</summary>
    public static WebApplication Build(IReadOnlyDictionary<string, string?> commandLine, Action<WebApplicationBuilder>? last = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ApplicationName = "mcpcan", ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseStaticWebAssets();

        var options = builder.AddHosting(commandLine);
        builder.AddAccess(options);
        builder.AddRoutes();
        if (options.HasConsole)
        {
            builder.Services.AddRuntimes();
            builder.AddRuntimeNotes();
            builder.AddEnvironments();
            builder.AddPackages();
            builder.AddInstances();
            builder.AddMarket();
            builder.Services.AddSingleton<StateManager>();
            builder.AddTerminals();
        }
        builder.AddTraffic(options);
        Action<GatewayOptions> gateway = o => (o.PublicUrl, o.AllowedHosts, o.AllowedOrigins, o.EgressAllow) = (options.PublicUrl, options.AllowedHosts, options.AllowedOrigins, options.Egress);
        if (options.HasGateway) builder.Services.AddMcpGateway(gateway);
        else builder.Services.AddRemoteInspector(gateway);
        if (options.HasConsole) builder.AddWeb();

        last?.Invoke(builder);
        var app = builder.Build();

        app.UseHosting();
        if (options.HasConsole) app.UseWeb();
        app.UseWebSockets();
        app.UseAccess();

        // The gateway's calls skip cookies, forms and rights of the console: it has tokens of its own.
        if (options.HasGateway) app.MapMcpGateway().ShortCircuit();
        else app.MapNoGateway().ShortCircuit();
        app.MapHosting();
        if (!options.HasConsole) return app;
        app.MapAccess();
        app.MapPackages();
        app.MapInstances();
        app.MapMarket();
        app.MapState();
        app.MapTerminals();
        app.MapLogs();
        app.MapTraffic();
        app.MapWeb();
        return app;
    }
}
