using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace McpCan.Server.Hosting;

/// <summary>What every feature stands on: settings, data folder, database, errors, health, metrics, API description.</summary>
internal static class HostingSetup
{
    /// <summary>Largest body where an endpoint does not say otherwise (<c>RequestSizeLimit</c>).</summary>
    public const long DefaultBodyBytes = 4L << 20;

    public static McpCanOptions AddHosting(this WebApplicationBuilder builder, IReadOnlyDictionary<string, string?> commandLine)
    {
        builder.Configuration.AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true, reloadOnChange: false);
        builder.Configuration.AddMcpCan(System.Environment.GetEnvironmentVariables(), commandLine);
        var options = Configuration.Read(builder.Configuration);
        var services = builder.Services;
        services.AddSingleton(options);
        services.AddSingleton(Microsoft.Extensions.Options.Options.Create(options));
        var folder = new DataFolder(options.Data);
        services.AddSingleton(_ => folder);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<PublicAddress>();
        services.AddDatabase(options, folder);
        services.AddSingleton<News>();
        services.AddHostedService(s => s.GetRequiredService<News>());
        services.AddSingleton<LeaderLease>();

        services.ConfigureHttpJsonOptions(o => ApiJson.Apply(o.SerializerOptions));
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        services.AddExceptionHandler<Problems>();
        services.AddProblemDetails();
        services.AddHealth(options);
        services.AddApiDescription();
        services.AddOutputCache(o => o.AddBasePolicy(p => p.Expire(TimeSpan.FromMinutes(10)).NoCache()));
        services.AddTelemetry(builder.Configuration);
        services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(4));
        services.AddSingleton(new BannerOutput(Console.Out));
        services.AddHostedService<StartBanner>();
        builder.AddLogging();
        builder.ListenOn(options);
        ForwardHeaders(services, options);
        return options;
    }

    /// <summary>All that comes before routing.</summary>
    public static void UseHosting(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<McpCanOptions>();
        if (options.KnownProxies.Length > 0) app.UseForwardedHeaders();
        app.UseExceptionHandler();
        if (options.PathBase is { } pathBase) app.UsePathBase(pathBase);
        app.UseMiddleware<HostCheck>();
        app.Use(SecurityHeaders.Add);
        app.Use(BadText.Refuse);
        app.UseWhen(c => c.Request.Path.StartsWithSegments("/api"), api => api.UseStatusCodePages(Problems.WriteStatusAsync));
        app.UseRouting();
    }

    public static void MapHosting(this WebApplication app)
    {
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics").RequireAuthorization();
        if (app.Services.GetRequiredService<McpCanOptions>().HasConsole) app.MapApiDescription();
    }

    /// <summary>For a process that serves people and scripts only.</summary>
    public static IEndpointConventionBuilder MapNoGateway(this IEndpointRouteBuilder routes) => routes.Map("/mcp-gateway/{**path}", context => Problems.WriteAsync(context, new ProblemException(
        404, "no-gateway", "This process serves no MCP clients (MCPCAN_ROLE=console). Use the address of a gateway."))).AllowAnonymous().ExcludeFromDescription();

    private static void AddLogging(this WebApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning);
        // Says at every start that the keys lie in the database unencrypted; they are guarded as the database is (see SECURITY.md).
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        // A failed command is thrown as well, and logged where it is not expected; the first migration looks for a table that is not there.
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Error).AddFilter("Microsoft.EntityFrameworkCore.Database", LogLevel.Critical);
        builder.Logging.AddSimpleConsole(c => { c.SingleLine = true; c.TimestampFormat = "yyyy-MM-ddTHH:mm:ssZ "; c.UseUtcTimestamp = true; });
    }

    private static void ListenOn(this WebApplicationBuilder builder, McpCanOptions options)
    {
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = DefaultBodyBytes;
            if (options.Host == "*") kestrel.ListenAnyIP(options.Port);
            else if (options.Host == "localhost" && options.Port != 0) kestrel.ListenLocalhost(options.Port);
            else kestrel.Listen(options.Host == "localhost" ? IPAddress.Loopback : IPAddress.Parse(options.Host), options.Port);
        });
    }

    private static void ForwardHeaders(IServiceCollection services, McpCanOptions options) => services.Configure<ForwardedHeadersOptions>(o =>
    {
        o.ForwardedHeaders = ForwardedHeaders.All;
        o.KnownProxies.Clear();
        o.KnownIPNetworks.Clear();
        foreach (var proxy in options.KnownProxies)
        {
            if (IPAddress.TryParse(proxy, out var address)) o.KnownProxies.Add(address);
            else o.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(proxy));
        }
    });
}
