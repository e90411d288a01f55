using McpCan.Server.Access;

namespace McpCan.Server.Market;

/// <summary>Templates and libraries of them.</summary>
internal static class MarketSetup
{
    public static void AddMarket(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<CaseLibrary>();
        builder.Services.AddSingleton<ExamplePackages>();
        builder.Services.AddSingleton<TemplateManager>();
    }

    public static void MapMarket(this WebApplication app) => app.MapApi().MapTemplates();
}
