using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using McpCan.UnitTests.Protocol;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Gateway;

/// <summary>Small remote servers of each kind.</summary>
internal static class RemoteServers
{
    /// <summary>Streamable HTTP, legacy.</summary>
    public static async Task Legacy(HttpContext context)
    {
        if (context.Request.Method == "GET")
        {
            await context.EventsAsync(": open\n\n");
            await context.ForeverAsync();
            return;
        }
        if (context.Request.Method == "DELETE") return;
        var body = await context.BodyAsync();
        if (body.Contains("server/discover"))
        {
            await context.JsonAsync("""{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request"}}""", 400);
            return;
        }
        if (FakeServer.IdOf(body).Length == 0) context.Response.StatusCode = 202;
        else if (body.Contains("\"initialize\""))
        {
            context.Response.Headers["Mcp-Session-Id"] = "up-1";
            await context.JsonAsync(FakeServer.Result(body, """{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"old","version":"1"}}"""));
        }
        else if (context.Request.Headers["Mcp-Session-Id"] != "up-1") context.Response.StatusCode = 404;
        else await context.JsonAsync(Answer(body));
    }

    /// <summary>2026-07-28 alone.</summary>
    public static async Task Modern(HttpContext context)
    {
        if (context.Request.Method != "POST")
        {
            context.Response.StatusCode = 405;
            return;
        }
        var body = await context.BodyAsync();
        if (body.Contains("\"initialize\"")) await context.JsonAsync($$$"""{"jsonrpc":"2.0","id":{{{FakeServer.IdOf(body)}}},"error":{"code":-32601,"message":"no"}}""", 404);
        else if (body.Contains("server/discover")) await context.JsonAsync(FakeServer.Result(body, """{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"2"}}}"""));
        else if (body.Contains("subscriptions/listen")) await context.ForeverAsync();
        else if (body.Contains("tools/call") && context.Request.Headers["Mcp-Name"] != "echo") await context.JsonAsync($$$"""{"jsonrpc":"2.0","id":{{{FakeServer.IdOf(body)}}},"error":{"code":-32020,"message":"Header mismatch"}}""", 400);
        else await context.JsonAsync(Answer(body));
    }

    /// <summary>HTTP+SSE.</summary>
    public static RequestDelegate Sse()
    {
        var streams = new ConcurrentDictionary<string, Channel<string>>();
        return async context =>
        {
            if (context.Request.Path == "/messages")
            {
                var body = await context.BodyAsync();
                context.Response.StatusCode = 202;
                if (FakeServer.IdOf(body).Length == 0) return;
                var answer = body.Contains("\"initialize\"")
                    ? FakeServer.Result(body, """{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"sse","version":"1"}}""") : Answer(body);
                await streams[context.Request.Query["s"].ToString()].Writer.WriteAsync(answer);
                return;
            }
            if (context.Request.Method != "GET")
            {
                context.Response.StatusCode = 405;
                return;
            }
            var id = Guid.NewGuid().ToString("N");
            var mine = streams[id] = Channel.CreateUnbounded<string>();
            await context.EventsAsync($"event: endpoint\ndata: /messages?s={id}\n\n");
            try
            {
                await foreach (var message in mine.Reader.ReadAllAsync(context.RequestAborted)) await context.EventsAsync($"event: message\ndata: {message}\n\n");
            }
            catch (OperationCanceledException)
            {
                // the client left
            }
        };
    }

    private static string Answer(string body)
    {
        if (body.Contains("tools/list")) return FakeServer.Result(body, """{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"echo","description":"Says it again","inputSchema":{"type":"object"}}]}""");
        using var json = JsonDocument.Parse(body);
        var said = json.RootElement.TryGetProperty("params", out var p) && p.TryGetProperty("arguments", out var a) ? a.GetRawText() : "{}";
        return FakeServer.Result(body, $$$"""{"resultType":"complete","content":[{"type":"text","text":"said"}],"structuredContent":{{{said}}}}""");
    }
}
