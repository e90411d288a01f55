using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace McpCan.Tests;

/// <summary>A small MCP server over Streamable HTTP on a port of its own, which remembers what it was asked with.</summary>
public sealed class FakeRemote : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FakeRemote(WebApplication app) => _app = app;

    /// <summary>Its MCP address.</summary>
    public string Url => _app.Urls.First() + "/mcp";
    /// <summary>Whether it answers; else every request is a 503.</summary>
    public bool Up { get; set; } = true;
    /// <summary>A header that every request must carry, else it is a 401.</summary>
    public (string Name, string Value)? Demands { get; set; }
    /// <summary>Headers of the last request.</summary>
    public IHeaderDictionary Headers { get; private set; } = new HeaderDictionary();
    /// <summary>Query of the last request.</summary>
    public string Query { get; private set; } = "";
    /// <summary>Requests so far.</summary>
    public int Requests { get; private set; }

    public static async Task<FakeRemote> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var remote = new FakeRemote(app);
        app.MapPost("/mcp", (Delegate)remote.AnswerAsync);
        app.MapDelete("/mcp", () => Results.NoContent());
        await app.StartAsync();
        return remote;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task<IResult> AnswerAsync(HttpContext context)
    {
        (Headers, Query) = (new HeaderDictionary(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value, StringComparer.OrdinalIgnoreCase)), context.Request.QueryString.Value ?? "");
        Requests++;
        if (!Up) return Results.StatusCode(503);
        if (Demands is { } demand && context.Request.Headers[demand.Name] != demand.Value) return Results.StatusCode(401);
        var message = await JsonSerializer.DeserializeAsync<JsonNode>(context.Request.Body);
        if (message?["id"] is not { } id) return Results.Accepted();
        JsonNode? result = (string?)message["method"] switch
        {
            "initialize" => JsonNode.Parse("""{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"fake-remote","version":"2.1"}}"""),
            "tools/list" => JsonNode.Parse("""{"tools":[{"name":"greet","description":"Says hello","inputSchema":{"type":"object"}},{"name":"add","inputSchema":{"type":"object"}}]}"""),
            "tools/call" => new JsonObject { ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = $"called {(string?)message["params"]?["name"]}" }) },
            "ping" => new JsonObject(),
            _ => null,
        };
        if ((string?)message["method"] == "initialize") context.Response.Headers["Mcp-Session-Id"] = "fake-session";
        return Results.Json(result is null
            ? new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id.DeepClone(), ["error"] = new JsonObject { ["code"] = -32601, ["message"] = "Method not found" } }
            : new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id.DeepClone(), ["result"] = result });
    }
}
