using System.Diagnostics;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace McpCan.Server.Hosting;

/// <summary>The one place where exceptions become RFC 9457 problem details.</summary>
internal sealed partial class Problems(ILogger<Problems> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested) return true;
        if (exception is OperationCanceledException && context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested)
            exception = new ProblemException(503, "stopping", "MCPCAN is stopping. Try again in a moment.");
        var problem = ProblemOf.Exception(exception);
        if (problem.Status == 500) LogFailed(exception, context.Request.Method, context.Request.Path, Trace(context));
        await WriteAsync(context, problem);
        return true;
    }

    /// <summary>Writes problem details, or a page of one sentence where a browser asks for a page.</summary>
    public static async Task WriteAsync(HttpContext context, ProblemException problem)
    {
        var response = context.Response;
        if (response.HasStarted) return;
        response.StatusCode = problem.Status;
        if (WantsPage(context.Request))
        {
            response.ContentType = "text/html; charset=utf-8";
            await response.WriteAsync(Page(problem, Trace(context)), context.RequestAborted);
            return;
        }
        await response.WriteAsJsonAsync(Details(context, problem), context.RequestServices.GetService<Microsoft.Extensions.Options.IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions>>()?.Value.SerializerOptions,
            "application/problem+json", context.RequestAborted);
    }

    /// <summary>For answers that have a status and no body yet: 401, 403, 404, 405, 415, 429.</summary>
    public static Task WriteStatusAsync(StatusCodeContext context) => WriteAsync(context.HttpContext, context.HttpContext.Response.StatusCode switch
    {
        401 => new(401, "unauthenticated", "Sign in, or send an API key as 'Authorization: Bearer mck_…'."),
        403 => new(403, "forbidden", "Your role does not allow this."),
        404 => new(404, "not-found", "There is nothing at this address."),
        405 => new(405, "method-not-allowed", "This address does not take this method; the Allow header names those that it takes."),
        413 => new(413, "too-large", "The body is larger than this address takes."),
        415 => new(415, "unsupported-media-type", "The body's content type is not one that this address takes."),
        429 => new(429, "too-many-requests", "Too many attempts. Wait a minute and try again."),
        var status => new(status, "error", ReasonPhrases.GetReasonPhrase(status)),
    });

    private static ProblemDetails Details(HttpContext context, ProblemException problem)
    {
        var details = new ProblemDetails
        {
            Status = problem.Status,
            Title = ReasonPhrases.GetReasonPhrase(problem.Status),
            Detail = problem.Message,
            Extensions = { ["code"] = problem.Code, ["traceId"] = Trace(context) },
        };
        if (problem.Errors is { Count: > 0 }) details.Extensions["errors"] = problem.Errors;
        return details;
    }

    private static bool WantsPage(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && !request.Path.StartsWithSegments("/api")
        && request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    private static string Page(ProblemException problem, string trace) => $"""
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>MCPCAN: {problem.Status}</title></head>
        <body><h1>{problem.Status} {ReasonPhrases.GetReasonPhrase(problem.Status)}</h1>
        <p>{System.Net.WebUtility.HtmlEncode(problem.Message)}</p><p>Trace id: {trace}</p></body></html>
        """;

    private static string Trace(HttpContext context) => Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier;

    [LoggerMessage(1, LogLevel.Error, "{Method} {Path} failed (trace {Trace})")]
    private partial void LogFailed(Exception exception, string method, string path, string trace);
}
