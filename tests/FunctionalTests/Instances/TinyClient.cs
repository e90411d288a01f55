using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>The least MCP client over Streamable HTTP.</summary>
internal sealed class TinyClient(TestApp app, string path, string token)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private HttpClient _http = app.NewClient(token);
    private string? _session;
    private int _id;

    public async Task ConnectAsync()
    {
        using var answer = await SendAsync("initialize", new { protocolVersion = "2025-06-18", capabilities = new { }, clientInfo = new { name = "tiny-client", version = "1" } });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        _session = answer.Headers.GetValues("Mcp-Session-Id").Single();
    }

    public async Task<List<string?>> ToolsAsync()
    {
        using var answer = await SendAsync("tools/list", new { });
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.True(answer.IsSuccessStatusCode, text);
        var json = text.StartsWith('{') ? text : text.Split('\n').Last(l => l.StartsWith("data:", StringComparison.Ordinal))[5..];
        return [.. JsonSerializer.Deserialize<JsonElement>(json).GetProperty("result").GetProperty("tools").EnumerateArray().Select(t => t.GetProperty("name").GetString())];
    }

    public Task<HttpStatusCode> EndAsync() => StatusAsync(HttpMethod.Delete);

    private async Task<HttpStatusCode> StatusAsync(HttpMethod method)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Add("Mcp-Session-Id", _session);
        using var answer = await _http.SendAsync(request, Cancel);
        return answer.StatusCode;
    }

    public void Reconnect(TestApp restarted) => _http = restarted.NewClient(token);

    public async Task<string?> CallAsync(string tool, object arguments)
    {
        using var answer = await SendAsync("tools/call", new { name = tool, arguments });
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.True(answer.IsSuccessStatusCode, text);
        var json = answer.Content.Headers.ContentType?.MediaType == "text/event-stream"
            ? text.Split('\n').Last(l => l.StartsWith("data:", StringComparison.Ordinal) && l.Contains("\"result\"", StringComparison.Ordinal))[5..] : text;
        return JsonSerializer.Deserialize<JsonElement>(json).GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();
    }

    public async Task<HttpResponseMessage> SendAsync(string method, object parameters)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new StringContent(JsonSerializer.Serialize(new { jsonrpc = "2.0", id = ++_id, method, @params = parameters }), Encoding.UTF8, "application/json");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (_session is not null) request.Headers.Add("Mcp-Session-Id", _session);
        return await _http.SendAsync(request, Cancel);
    }
}
