using McpCan.Server.Hosting;

namespace McpCan.Server.Access;

/// <summary>Keeps other sites from writing through the API with the cookie of a person who is signed in here.</summary>
internal sealed class CrossSite(RequestDelegate next, McpCanOptions options)
{
    public const string Header = "X-MCPCAN-CSRF";

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        if (!request.Path.StartsWithSegments("/api") || IsRead(request.Method) || context.User.Identity?.AuthenticationType == ApiKeyHandler.Name) return next(context);
        if (!IsOurs(request, options)) return Refuse(context, "A page of another origin may not do this with your session.");
        return context.User.Identity?.IsAuthenticated == true && request.Headers[Header] != "1"
            ? Refuse(context, $"Changes with the console's cookie need the header '{Header}: 1'.")
            : next(context);
    }

    /// <summary>Whether a page of ours asks, or no page at all.</summary>
    public static bool IsOurs(HttpRequest request, McpCanOptions options)
    {
        // Browsers always say; programs say nothing and have no cookie that a person gave them unasked.
        if (request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "same-origin" or "none")) return false;
        var origin = request.Headers.Origin.ToString();
        return origin.Length == 0
            || origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)
            || (options.PublicUrl is { } url && origin.Equals(new Uri(url).GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase));
    }

    private static bool IsRead(string method) => HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method) || HttpMethods.IsTrace(method);

    private static Task Refuse(HttpContext context, string why) => Problems.WriteAsync(context, new ProblemException(403, "cross-site", why));
}
