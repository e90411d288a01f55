using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>
/// An MCP client over Streamable HTTP (2025-11-25) that goes on where it was cut off: it resumes by <c>Last-Event-ID</c>, at whatever address it is told.
/// </summary>
internal sealed class ReplicaClient(Func<string> url, string slug, string token) : IDisposable
{
    // Connections are not kept: each request is one that can be cut.
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = TimeSpan.FromSeconds(30) };
    private int _id;

    /// <summary>The session as the client sees it.</summary>
    public string? Session { get; private set; }

    public void Dispose() => _http.Dispose();

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        Session = null;
        using var answer = await SendAsync(HttpMethod.Post, Request("initialize", new { protocolVersion = "2025-11-25", capabilities = new { }, clientInfo = new { name = "replicas", version = "1" } }), null, cancellationToken);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(cancellationToken));
        Session = answer.Headers.GetValues("Mcp-Session-Id").Single();
        using var ready = await SendAsync(HttpMethod.Post, new { jsonrpc = "2.0", method = "notifications/initialized" }, null, cancellationToken);
        Assert.Equal(HttpStatusCode.Accepted, ready.StatusCode);
    }

    /// <summary>Calls a tool; the status is the answer's when it is an error.</summary>
    public async Task<(HttpStatusCode Status, string? Text)> TryCallAsync(string tool, object arguments, CancellationToken cancellationToken)
    {
        var call = new Call();
        var status = await StartAsync(call, tool, arguments, cancellationToken);
        return (status, call.Text);
    }

    public async Task<string?> CallAsync(string tool, object arguments, CancellationToken cancellationToken)
    {
        var (status, text) = await TryCallAsync(tool, arguments, cancellationToken);
        Assert.Equal(HttpStatusCode.OK, status);
        return text;
    }

    /// <summary>Sends a call and reads what comes until the answer, or until the connection breaks (<see cref="Call.IsOver"/> is false then).</summary>
    public async Task<HttpStatusCode> StartAsync(Call call, string tool, object arguments, CancellationToken cancellationToken)
    {
        call.Id = Interlocked.Increment(ref _id);
        using var answer = await SendAsync(HttpMethod.Post, new { jsonrpc = "2.0", id = call.Id, method = "tools/call", @params = new { name = tool, arguments, _meta = new { progressToken = call.Id } } }, null, cancellationToken);
        return await ReadAsync(call, answer, cancellationToken);
    }

    /// <summary>Fetches the rest of a call whose connection broke.</summary>
    public async Task<HttpStatusCode> ResumeAsync(Call call, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Get, null, call.LastEvent, cancellationToken);
        return await ReadAsync(call, answer, cancellationToken);
    }

    public async Task<HttpStatusCode> EndAsync(CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Delete, null, null, cancellationToken);
        return answer.StatusCode;
    }

    private static async Task<HttpStatusCode> ReadAsync(Call call, HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (!answer.IsSuccessStatusCode) return answer.StatusCode;
        await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        if (answer.Content.Headers.ContentType?.MediaType != "text/event-stream")
        {
            call.Take(await JsonSerializer.DeserializeAsync<JsonElement>(body, cancellationToken: cancellationToken));
            return answer.StatusCode;
        }
        await foreach (var item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            if (item.EventId is { Length: > 0 } id) call.LastEvent = id;
            if (item.Data.Length > 0) call.Take(JsonSerializer.Deserialize<JsonElement>(item.Data));
            if (call.IsOver) break;
        }
        return answer.StatusCode;
    }

    private object Request(string method, object parameters) => new { jsonrpc = "2.0", id = Interlocked.Increment(ref _id), method, @params = parameters };

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, object? message, string? lastEvent, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, $"{url()}/mcp-gateway/{slug}/mcp");
        request.Headers.Authorization = new("Bearer", token);
        if (method != HttpMethod.Get) request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (message is not null) request.Content = new StringContent(JsonSerializer.Serialize(message), Encoding.UTF8, "application/json");
        if (Session is not null) request.Headers.Add("Mcp-Session-Id", Session);
        if (lastEvent is not null) request.Headers.Add("Last-Event-ID", lastEvent);
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>What came of one call, over all its connections.</summary>
    internal sealed class Call
    {
        public int Id { get; set; }
        public string? LastEvent { get; set; }
        public List<double> Progress { get; } = [];
        public List<JsonElement> Answers { get; } = [];
        public bool IsOver => Answers.Count > 0;
        public string? Text => Answers is [var answer] && answer.TryGetProperty("result", out var result) ? result.GetProperty("content")[0].GetProperty("text").GetString() : null;

        public void Take(JsonElement message)
        {
            if (message.TryGetProperty("method", out _)) Progress.Add(message.GetProperty("params").GetProperty("progress").GetDouble());
            else if (message.GetProperty("id").GetInt32() == Id) Answers.Add(message);
        }
    }
}
