using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Http;

/// <summary>The responses that the endpoint gives without a server.</summary>
static class Answer
{
    public static Task Accepted(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status202Accepted;
        return Task.CompletedTask;
    }

    public static Task Error(HttpContext http, int status, int code, string message, ReadOnlySpan<byte> id = default)
        => Json(http, status, RpcMessage.Error(id, code, message));

    public static Task MethodNotAllowed(HttpContext http, string allowed)
    {
        http.Response.Headers.Allow = allowed;
        return Error(http, StatusCodes.Status405MethodNotAllowed, McpErrors.Refused, $"Method not allowed; use {allowed}");
    }

    public static async Task Json(HttpContext http, int status, byte[] json)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = json.Length;
        await http.Response.BodyWriter.WriteAsync(json, http.RequestAborted);
    }

    public static void BeginStream(HttpContext http)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache, no-transform";
        http.Response.Headers["X-Accel-Buffering"] = "no";
    }
}
