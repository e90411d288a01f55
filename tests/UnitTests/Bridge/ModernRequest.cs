using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>A request of the modern era with its headers; each part can be changed or left out.</summary>
sealed record ModernRequest(string Method, object? Params = null)
{
    public string Id { get; init; } = "1";
    public object Capabilities { get; init; } = new { };
    public string? LogLevel { get; init; }
    public string? Token { get; init; }
    public string Version { get; init; } = "2026-07-28";
    public string? Principal { get; init; }
    public Action<HttpRequestMessage>? Change { get; init; }
    public Action<JsonObject>? ChangeBody { get; init; }

    public static ModernRequest Tool(string name, object? arguments = null) => new("tools/call", new { name, arguments = arguments ?? new { } });

    /// <summary>The same request as a retry with inputs.</summary>
    public ModernRequest Retry(string state, object inputs)
    {
        var parameters = JsonSerializer.SerializeToNode(Params)!.AsObject();
        parameters["inputResponses"] = JsonSerializer.SerializeToNode(inputs);
        parameters["requestState"] = state;
        return this with { Id = "\"retry\"", Params = parameters };
    }

    public Task<HttpResponseMessage> SendAsync(BridgeBed bed)
    {
        var parameters = JsonSerializer.SerializeToNode(Params ?? new { })!.AsObject();
        var meta = new JsonObject
        {
            ["io.modelcontextprotocol/protocolVersion"] = Version,
            ["io.modelcontextprotocol/clientInfo"] = new JsonObject { ["name"] = "bed", ["version"] = "1" },
            ["io.modelcontextprotocol/clientCapabilities"] = JsonSerializer.SerializeToNode(Capabilities),
            ["example.com/kept"] = 1.0,
        };
        if (LogLevel is not null) meta["io.modelcontextprotocol/logLevel"] = LogLevel;
        if (Token is not null) meta["progressToken"] = JsonNode.Parse(Token);
        parameters["_meta"] = meta;
        var body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = 0, ["method"] = Method, ["params"] = parameters };
        ChangeBody?.Invoke(body);
        var text = body.ToJsonString().Replace("\"id\":0", $"\"id\":{Id}", StringComparison.Ordinal);
        return bed.PostAsync(null, Encoding.UTF8.GetBytes(text), Principal, request =>
        {
            request.Headers.Add("MCP-Protocol-Version", Version);
            request.Headers.Add("Mcp-Method", Method);
            if ((string?)(parameters["name"] ?? parameters["uri"]) is { } name) request.Headers.Add("Mcp-Name", name);
            Change?.Invoke(request);
        });
    }

    /// <summary>Status and body of the answer; of an event stream the last message.</summary>
    public async Task<(int Status, JsonNode Body)> AskAsync(BridgeBed bed)
    {
        using var response = await SendAsync(bed);
        if (response.Content.Headers.ContentType?.MediaType != "text/event-stream")
        {
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            return ((int)response.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!);
        }
        using var events = await EventReader.OpenAsync(response);
        string? last = null;
        while (await events.NextAsync() is { } data) last = data;
        return ((int)response.StatusCode, JsonNode.Parse(last!)!);
    }

    public async Task<JsonNode> ResultAsync(BridgeBed bed)
    {
        var (_, body) = await AskAsync(bed);
        return body["result"] ?? throw new InvalidOperationException(body.ToJsonString());
    }

    public async Task<(int Status, int Code)> ErrorAsync(BridgeBed bed)
    {
        var (status, body) = await AskAsync(bed);
        return (status, (int?)body["error"]?["code"] ?? 0);
    }
}
