using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Localization;
using MudBlazor;
using MudBlazor.Services;

namespace McpCan.Server.Web;

/// <summary>The console: pages, texts in two languages, static files.</summary>
internal static class WebSetup
{
    public static readonly string[] Languages = ["en", "zh-CN"];

    public static void AddWeb(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddLocalization();
        services.Configure<RequestLocalizationOptions>(o =>
        {
            o.SetDefaultCulture("en").AddSupportedCultures(Languages).AddSupportedUICultures(Languages);
            o.RequestCultureProviders = [new CookieRequestCultureProvider { CookieName = "mcpcan-language" }, new ChineseOrEnglish()];
        });
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddCascadingAuthenticationState();
        services.AddScoped<AuthenticationStateProvider, SessionWatch>();
        services.AddMudServices(o =>
        {
            o.SnackbarConfiguration.PositionClass = Defaults.Classes.Position.BottomRight;
            o.SnackbarConfiguration.VisibleStateDuration = 4000;
        });
        services.AddScoped<Browser>();
        services.AddScoped<Toasts>();
        services.AddScoped<AddressQuery>();
        services.AddScoped<Words>();
        services.AddScoped<Pages.Wizard.WizardDraft>();
    }

    /// <summary>Before the endpoints.</summary>
    public static void UseWeb(this WebApplication app) => app.UseRequestLocalization();

    public static void MapWeb(this WebApplication app)
    {
        app.MapStaticAssets().AllowAnonymous();
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode();
    }

    /// <summary>By <c>Accept-Language</c>: the first language that we have, whatever its region.</summary>
    private sealed class ChineseOrEnglish : RequestCultureProvider
    {
        public override Task<ProviderCultureResult?> DetermineProviderCultureResult(HttpContext httpContext)
        {
            var wanted = httpContext.Request.GetTypedHeaders().AcceptLanguage.OrderByDescending(l => l.Quality ?? 1)
                .Select(l => l.Value.Value?.Split('-')[0].ToLowerInvariant()).FirstOrDefault(l => l is "zh" or "en");
            return Task.FromResult(wanted is null ? null : new ProviderCultureResult(wanted == "zh" ? "zh-CN" : "en"));
        }
    }
}
