using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Access;

/// <summary>The first administrator, by API.</summary>
public sealed record SetupInput(string Code, string UserName, string Password);

/// <summary>Whether the first administrator is still missing.</summary>
public sealed record SetupState(bool Needed);

/// <summary>Form posts of the plain login and set-up pages (<c>/login</c>, <c>/setup</c>), and set-up by API.</summary>
internal static class SessionEndpoints
{
    public const string RateLimit = "login";
    private const int LargestForm = 64 << 10;

    /// <summary><c>POST /auth/login</c> (userName, password, returnUrl), <c>/auth/logout</c>, <c>/auth/setup</c> (code, userName, password); each with the antiforgery field.</summary>
    public static void MapSessions(this IEndpointRouteBuilder routes)
    {
        // The handlers check the antiforgery field themselves, to lead back to the page instead of an error.
        var auth = routes.MapGroup("/auth").AllowAnonymous().DisableAntiforgery().ExcludeFromDescription()
            .WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(LargestForm));
        auth.MapPost("/login", Login).RequireRateLimiting(RateLimit);
        auth.MapPost("/logout", Logout);
        auth.MapPost("/setup", Setup).RequireRateLimiting(RateLimit);
    }

    public static void MapSetup(this RouteGroupBuilder api)
    {
        var setup = api.MapGroup("/setup").WithTags("Set-up").AllowAnonymous();
        setup.MapGet("", async (UserAccounts accounts, CancellationToken cancellationToken) => TypedResults.Ok(new SetupState(!await accounts.AnyAsync(cancellationToken))))
            .WithName("getSetup").WithSummary("Whether the first administrator is still missing");
        setup.MapPost("", SetupByApi).RequireRateLimiting(RateLimit).WithName("setUp").WithSummary("Create the first administrator with the code that the server printed at its start");
    }

    private static async Task<RedirectHttpResult> Login(HttpContext context, IAntiforgery antiforgery, SignIn signIn)
    {
        if (await ReadAsync(context, antiforgery) is not { } form) return Back("login", "stale", null);
        var returnUrl = Local(form["returnUrl"]);
        return await signIn.TryAsync(form["userName"].ToString(), form["password"].ToString())
            ? TypedResults.LocalRedirect("~" + (returnUrl ?? "/"))
            : Back("login", "failed", returnUrl);
    }

    private static async Task<RedirectHttpResult> Logout(HttpContext context, IAntiforgery antiforgery, SignIn signIn)
    {
        if (await ReadAsync(context, antiforgery) is null) return TypedResults.LocalRedirect("~/");
        await signIn.EndAsync();
        return Back("login", null, null);
    }

    private static async Task<RedirectHttpResult> Setup(HttpContext context, IAntiforgery antiforgery, SetupCode code, UserAccounts accounts, SignIn signIn)
    {
        if (await ReadAsync(context, antiforgery) is not { } form) return Back("setup", "stale", null);
        try
        {
            var user = await code.UseAsync(form["code"].ToString(), form["userName"].ToString(), form["password"].ToString(), accounts, context.RequestAborted);
            await signIn.StartAsync(user);
            return TypedResults.LocalRedirect("~/");
        }
        catch (ProblemException problem)
        {
            var fields = problem.Errors is { } errors ? string.Join(',', errors.Keys) : problem.Code;
            return Back("setup", fields, null);
        }
    }

    private static async Task<Created<UserView>> SetupByApi(SetupInput input, SetupCode code, UserAccounts accounts, TimeProvider time, CancellationToken cancellationToken)
    {
        var user = await code.UseAsync(input.Code, input.UserName, input.Password, accounts, cancellationToken);
        return TypedResults.Created($"/api/v1/users/{user.Id}", UserView.Of(user, time));
    }

    private static async Task<IFormCollection?> ReadAsync(HttpContext context, IAntiforgery antiforgery)
    {
        if (!context.Request.HasFormContentType) throw new ProblemException(415, "unsupported-media-type", "The body must be a form.");
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        return await antiforgery.IsRequestValidAsync(context) ? form : null;
    }

    private static RedirectHttpResult Back(string page, string? error, string? returnUrl)
    {
        var query = new QueryString();
        if (error is not null) query = query.Add("error", error);
        if (returnUrl is not null) query = query.Add("returnUrl", returnUrl);
        return TypedResults.LocalRedirect($"~/{page}{query}");
    }

    /// <summary>A path of ours, without the path base, or null: never a way to another site.</summary>
    internal static string? Local(string? url) =>
        url is { Length: > 0 and < 2000 } && url[0] == '/' && !url.StartsWith("//", StringComparison.Ordinal) && !url.Contains('\\') && !url.Any(char.IsControl) ? url : null;
}
