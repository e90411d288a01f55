using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Market.Sources;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Market;

/// <summary>Templates, and libraries of servers.</summary>
internal static class MarketSetup
{
    public static void AddMarket(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<CaseLibrary>();
        services.AddSingleton<ExamplePackages>();
        services.AddSingleton<TemplateManager>();
        services.AddSingleton<SourceHttp>();
        services.AddSingleton<ISourceReader, RegistryReader>();
        services.AddSingleton<ISourceReader, ModelScopeReader>();
        services.AddSingleton<ISourceReader, CatalogueReader>();
        services.AddSingleton(s => new SourceRefresh(
            s.GetRequiredService<IDbContextFactory<McpCanDb>>(), s.GetServices<ISourceReader>(), s.GetRequiredService<SecretProtector>(), s.GetRequiredService<IOptions<JsonOptions>>(),
            s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<SourceRefresh>>()));
        services.AddHostedService(s => s.GetRequiredService<SourceRefresh>());
        services.AddSingleton<MarketManager>();
    }

    public static void MapMarket(this WebApplication app)
    {
        var api = app.MapApi();
        api.MapTemplates();
        api.MapMarketSources();
        app.MapOwnRegistry();
    }
}
