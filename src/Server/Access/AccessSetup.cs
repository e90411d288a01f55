using System.Threading.RateLimiting;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.RateLimiting;

namespace McpCan.Server.Access;

/// <summary>Who may do what: people (cookie), API keys, gateway tokens.</summary>
internal static class AccessSetup
{
    /// <summary>Chooses between API key and cookie.</summary>
    private const string Scheme = "McpCan";
    private const string ApiOrigins = "api";

    /// <summary>Addresses for programs: they get statuses, never redirects.</summary>
    private static readonly PathString[] Machines = ["/api", "/openapi", "/metrics", "/mcp-gateway", "/v0.1"];

    public static void AddAccess(this WebApplicationBuilder builder, McpCanOptions options)
    {
        var services = builder.Services;
        services.AddIdentityCore<User>(Rules).AddEntityFrameworkStores<McpCanDb>().AddSignInManager().AddClaimsPrincipalFactory<UserClaims>();
        services.AddHttpContextAccessor();
        services.AddAuthentication(Scheme)
            .AddPolicyScheme(Scheme, null, o => o.ForwardDefaultSelector = Choose)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.Name, null)
            .AddCookie(IdentityConstants.ApplicationScheme, o => Cookie(o, options.PublicUrl));
        services.AddAuthorizationBuilder()
            .AddPolicy(Policies.Read, p => p.RequireRole(Roles.Admin, Roles.Operator, Roles.Viewer))
            .AddPolicy(Policies.Operate, p => p.RequireRole(Roles.Admin, Roles.Operator))
            .AddPolicy(Policies.Terminal, p => p.RequireRole(Roles.Admin, Roles.Operator))
            .AddPolicy(Policies.Administer, p => p.RequireRole(Roles.Admin))
            // Closed unless an endpoint says AllowAnonymous.
            .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        services.AddAntiforgery(o => o.Cookie.Name = "mcpcan.form");
        services.AddRateLimiter(o =>
        {
            o.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            o.OnRejected = (context, _) =>
            {
                context.HttpContext.Response.Headers.RetryAfter = "60";
                return new ValueTask(Problems.WriteAsync(context.HttpContext, new ProblemException(429, "too-many-requests", "Too many attempts. Wait a minute and try again.")));
            };
            o.AddPolicy(SessionEndpoints.RateLimit, PerAddress);
        });
        services.AddCors(o => o.AddPolicy(ApiOrigins, p => p
            .WithOrigins(options.AllowedOrigins).WithMethods("GET", "POST", "PUT", "PATCH", "DELETE").AllowAnyHeader().WithExposedHeaders("Location", "ETag")));

        services.Configure<OpenApiOptions>("v1", o => o.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(InstanceScope)) InstanceScope.Describe(schema);
            else if (context.JsonTypeInfo.Type == typeof(NameRulesInput)) NameRulesInput.Describe(schema);
            return Task.CompletedTask;
        }));
        services.AddSingleton<ApiKeyManager>();
        services.AddSingleton<TokenVerifier>();
        services.AddSingleton<ITokenVerifier>(s => s.GetRequiredService<TokenVerifier>());
        services.AddSingleton<TokenManager>();
        services.AddHostedService<TokenVerifierLoop>();
        services.AddSingleton<UserSessions>();
        services.AddScoped<UserAccounts>();
        services.AddScoped<SignIn>();
        if (!options.HasConsole) return;
        services.AddSingleton<SetupCode>();
        services.AddHostedService(s => s.GetRequiredService<SetupCode>());
        services.AddSingleton(new StartNote("Set-up", (s, cancellationToken) =>
            s.GetRequiredService<SetupCode>().LinesAsync(s.GetRequiredService<IServer>(), s.GetRequiredService<McpCanOptions>(), cancellationToken)));
    }

    /// <summary>After routing.</summary>
    public static void UseAccess(this WebApplication app)
    {
        app.UseCors();
        app.UseAuthentication();
        app.UseRateLimiter();
        app.UseMiddleware<CrossSite>();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.UseOutputCache();
    }

    public static void MapAccess(this WebApplication app)
    {
        app.MapSessions();
        var api = app.MapApi();
        api.MapSetup();
        api.MapUsers();
        api.MapApiKeys();
        api.MapTokens();
    }

    /// <summary>The group of all API endpoints; each names its policy as well.</summary>
    public static RouteGroupBuilder MapApi(this IEndpointRouteBuilder routes) =>
        routes.MapGroup("/api/v1").RequireAuthorization(Policies.Read).RequireCors(ApiOrigins);

    private static void Rules(IdentityOptions o)
    {
        o.Password.RequiredLength = 10;
        o.Password.RequiredUniqueChars = 4;
        o.Password.RequireDigit = o.Password.RequireLowercase = o.Password.RequireUppercase = o.Password.RequireNonAlphanumeric = false;
        o.Lockout.MaxFailedAccessAttempts = 5;
        o.Lockout.DefaultLockoutTimeSpan = TimeSpan.FromMinutes(5);
    }

    private static void Cookie(CookieAuthenticationOptions o, string? publicUrl)
    {
        o.Cookie.Name = "mcpcan.session";
        o.Cookie.HttpOnly = true;
        o.Cookie.SameSite = SameSiteMode.Lax;
        o.Cookie.SecurePolicy = publicUrl?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) == true ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
        o.ExpireTimeSpan = TimeSpan.FromDays(7);
        o.SlidingExpiration = true;
        o.LoginPath = "/login";
        o.AccessDeniedPath = "/denied";
        o.ReturnUrlParameter = "returnUrl";
        o.Events.OnValidatePrincipal = UserSessions.ValidateAsync;
        o.Events.OnRedirectToLogin = c => IsPage(c.Request) ? LeadAsync(c, "/login") : Answer(c, StatusCodes.Status401Unauthorized);
        o.Events.OnRedirectToAccessDenied = c => IsPage(c.Request) ? LeadAsync(c, "/denied") : Answer(c, StatusCodes.Status403Forbidden);
    }

    private static async Task LeadAsync(RedirectContext<CookieAuthenticationOptions> context, string page)
    {
        var request = context.Request;
        if (page == "/login" && !await context.HttpContext.RequestServices.GetRequiredService<UserAccounts>().AnyAsync(context.HttpContext.RequestAborted)) page = "/setup";
        var query = page == "/login" && request.Path != "/" ? new QueryString().Add("returnUrl", request.Path + request.QueryString) : default;
        context.Response.Redirect(request.PathBase + page + query);
    }

    private static Task Answer(RedirectContext<CookieAuthenticationOptions> context, int status)
    {
        context.Response.StatusCode = status;
        if (status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer";
        return Task.CompletedTask;
    }

    private static string Choose(HttpContext context) =>
        context.Request.Headers.Authorization.Count > 0 || context.Request.Path.StartsWithSegments("/mcp-gateway") ? ApiKeyHandler.Name : IdentityConstants.ApplicationScheme;

    private static bool IsPage(HttpRequest request) =>
        (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)) && !Machines.Any(m => request.Path.StartsWithSegments(m));

    private static RateLimitPartition<string> PerAddress(HttpContext context)
    {
        var options = context.RequestServices.GetRequiredService<McpCanOptions>();
        return RateLimitPartition.GetFixedWindowLimiter(context.Connection.RemoteIpAddress?.ToString() ?? "", _ => new FixedWindowRateLimiterOptions
        {
            PermitLimit = options.LoginsPerMinute,
            Window = TimeSpan.FromMinutes(1),
        });
    }
}
