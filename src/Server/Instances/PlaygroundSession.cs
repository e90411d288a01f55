using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

#pragma warning disable MCP9005 // Deprecated in 2026-07-28; servers of the legacy era still ask clients for samples.

namespace McpCan.Server.Instances;

/// <summary>What a page wants to hear of its session.</summary>
/// <param name="Asked">The server asks for something (method and params); answers with the result.</param>
/// <param name="Progressed">Progress of the call under way.</param>
/// <param name="ListChanged">The server's offer changed.</param>
internal sealed record PlaygroundListener(
    Func<string, JsonObject, CancellationToken, Task<JsonNode>> Asked, Action<PlaygroundProgress> Progressed, Action ListChanged);

/// <summary>How far a call is.</summary>
public sealed record PlaygroundProgress(double Progress, double? Total, string? Message);

/// <summary>What came of a call: a result or an error, as the server gave it.</summary>
public sealed record PlaygroundOutcome(JsonNode? Result, JsonNode? Error, double DurationMs, string TraceId, DateTimeOffset StartedAt)
{
    /// <summary>Whether it is good: no error, and no result that says so.</summary>
    public bool Ok => Error is null && !(Result is JsonObject o && o["isError"]?.GetValueKind() == JsonValueKind.True);
}

/// <summary>One MCP session through the gateway. One call at a time; ends its pass when it is closed.</summary>
internal sealed class PlaygroundSession(Uri endpoint, TokenVerifier.Pass pass, PlaygroundListener? listener, ILoggerFactory logs) : IAsyncDisposable
{
    /// <summary>The latest legacy revision: the gateway speaks it to every kind of server.</summary>
    private const string Revision = "2025-11-25";
    private const int MostItems = 5000;
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(60);
    private readonly Trace _trace = new();
    private readonly List<IAsyncDisposable> _registrations = [];
    private McpClient? _client;
    private long _calls;

    public PlaygroundFrames Frames { get; } = new(TimeProvider.System);
    public string? Instructions => _client?.ServerInstructions;

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var http = new HttpClient(new Carrier(pass, _trace)) { Timeout = Timeout.InfiniteTimeSpan };
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = endpoint, TransportMode = HttpTransportMode.StreamableHttp, Name = "gateway" }, http, logs, ownsHttpClient: true);
        var options = new McpClientOptions
        {
            ClientInfo = new Implementation { Name = "mcpcan-playground", Version = typeof(PlaygroundSession).Assembly.GetName().Version?.ToString(3) ?? "0" },
            ProtocolVersion = Revision,
            InitializationTimeout = ConnectPatience,
        };
        if (listener is not null)
        {
            options.Capabilities = new ClientCapabilities { Sampling = new(), Elicitation = new() { Form = new(), Url = new() } };
            options.Handlers = new McpClientHandlers { SamplingHandler = SampleAsync, ElicitationHandler = ElicitAsync };
        }
        await ReachAsync(async () => _client = await McpClient.CreateAsync(new NotedTransport(transport, Frames), options, logs, cancellationToken), cancellationToken);
        if (listener is null) return;
        foreach (var kind in (string[])["tools", "resources", "prompts"]) _registrations.Add(_client!.RegisterNotificationHandler($"notifications/{kind}/list_changed", Changed));
        _registrations.Add(_client!.RegisterNotificationHandler("notifications/progress", Progressed));
    }

    /// <summary>All entries of a list, over all its pages, as the server gave them; none when the server does not offer the kind.</summary>
    public async Task<IReadOnlyList<JsonNode>> ListAsync(string method, CancellationToken cancellationToken)
    {
        var offered = _client!.ServerCapabilities;
        var (there, field) = method switch
        {
            "tools/list" => (offered.Tools is not null, "tools"),
            "prompts/list" => (offered.Prompts is not null, "prompts"),
            "resources/list" => (offered.Resources is not null, "resources"),
            _ => (offered.Resources is not null, "resourceTemplates"),
        };
        var items = new List<JsonNode>();
        string? cursor = null;
        do
        {
            if (!there) break;
            var page = await CallAsync(method, cursor is null ? [] : new JsonObject { ["cursor"] = cursor }, ConnectPatience, cancellationToken);
            // Servers with resources need not know templates.
            if (page.Error is { } error) return field == "resourceTemplates" ? items : throw Failed(error["message"]?.ToString() ?? "The server answered with an error.", page.TraceId);
            items.AddRange((page.Result?[field] as JsonArray)?.OfType<JsonNode>().Select(n => n.DeepClone()) ?? []);
            var next = page.Result?["nextCursor"]?.ToString();
            cursor = next == cursor ? null : next;
        }
        while (cursor is not null && items.Count < MostItems);
        return items;
    }

    /// <summary>One request. Errors of the server are outcomes; an unreachable server is an exception.</summary>
    public async Task<PlaygroundOutcome> CallAsync(string method, JsonObject parameters, TimeSpan timeout, CancellationToken cancellationToken)
    {
        pass.Renew();
        var id = $"playground-{Interlocked.Increment(ref _calls).ToString(CultureInfo.InvariantCulture)}";
        if (listener is not null) parameters["_meta"] = new JsonObject { ["progressToken"] = id };
        var trace = _trace.Begin();
        var (watch, start) = (Stopwatch.StartNew(), TimeProvider.System.GetUtcNow());
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(timeout);
        JsonNode? result = null, error = null;
        try
        {
            await ReachAsync(async () =>
            {
                try
                {
                    result = (await _client!.SendRequestAsync(new JsonRpcRequest { Id = new RequestId(id), Method = method, Params = parameters }, limited.Token)).Result;
                }
                catch (McpException e)
                {
                    error = ErrorOf(id, start) ?? new JsonObject { ["code"] = -32603, ["message"] = e.Message };
                }
            }, cancellationToken, limited.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            error = new JsonObject { ["code"] = -32001, ["message"] = $"No answer within {timeout.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} seconds; the call was cancelled." };
        }
        finally
        {
            _trace.End();
        }
        return new PlaygroundOutcome(result, error, watch.Elapsed.TotalMilliseconds, trace, start);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var registration in _registrations) await registration.DisposeAsync();
        try
        {
            if (_client is not null) await _client.DisposeAsync();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or McpException)
        {
            // The server or its session has gone already.
        }
        pass.Dispose();
    }

    // The SDK's exception keeps code and text only; data is in the message itself.
    private JsonNode? ErrorOf(string id, DateTimeOffset start)
    {
        foreach (var frame in Frames.Since(start).Where(f => !f.Sent && f.Text.Length == f.Length))
        {
            var message = JsonNode.Parse(frame.Text);
            if (message?["id"]?.ToString() == id && message["error"] is { } error) return error.DeepClone();
        }
        return null;
    }

    private static async Task ReachAsync(Func<Task> action, CancellationToken cancellationToken, CancellationToken limit = default)
    {
        try
        {
            await action();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or McpException or TimeoutException or InvalidOperationException && !cancellationToken.IsCancellationRequested)
        {
            throw Failed(e.Message, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && !limit.IsCancellationRequested)
        {
            // The gateway cut the connection: the server is being replaced or ended.
            throw Failed("The server ended while it was asked. Try again.", null);
        }
    }

    private static ProblemException Failed(string text, string? trace) => new(502, "server-failed", trace is null ? text : $"{text} (trace {trace})");

    private async ValueTask<CreateMessageResult> SampleAsync(CreateMessageRequestParams? request, IProgress<ProgressNotificationValue> progress, CancellationToken cancellationToken) =>
        (await AskAsync("sampling/createMessage", request, cancellationToken)).Deserialize<CreateMessageResult>(McpJsonUtilities.DefaultOptions)!;

    private async ValueTask<ElicitResult> ElicitAsync(ElicitRequestParams? request, CancellationToken cancellationToken) =>
        (await AskAsync("elicitation/create", request, cancellationToken)).Deserialize<ElicitResult>(McpJsonUtilities.DefaultOptions)!;

    private Task<JsonNode> AskAsync<T>(string method, T? request, CancellationToken cancellationToken) =>
        listener!.Asked(method, JsonSerializer.SerializeToNode(request, McpJsonUtilities.DefaultOptions) as JsonObject ?? [], cancellationToken);

    private ValueTask Changed(JsonRpcNotification notification, CancellationToken cancellationToken)
    {
        listener!.ListChanged();
        return ValueTask.CompletedTask;
    }

    private ValueTask Progressed(JsonRpcNotification notification, CancellationToken cancellationToken)
    {
        if (notification.Params is JsonObject p && p["progress"]?.GetValueKind() == JsonValueKind.Number)
        {
            var total = p["total"]?.GetValueKind() == JsonValueKind.Number ? p["total"]!.GetValue<double>() : (double?)null;
            listener!.Progressed(new PlaygroundProgress(p["progress"]!.GetValue<double>(), total, p["message"]?.ToString()));
        }
        return ValueTask.CompletedTask;
    }

    /// <summary>The trace of the call under way.</summary>
    private sealed class Trace
    {
        private volatile string? _current;

        public string Begin() => _current = ActivityTraceId.CreateRandom().ToHexString();

        public void End() => _current = null;

        public string Parent => $"00-{_current ?? ActivityTraceId.CreateRandom().ToHexString()}-{ActivitySpanId.CreateRandom().ToHexString()}-00";
    }

    /// <summary>Puts pass and trace on each request.</summary>
    private sealed class Carrier(TokenVerifier.Pass pass, Trace trace) : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null })
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", pass.Value);
            request.Headers.Remove("traceparent");
            request.Headers.Add("traceparent", trace.Parent);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
