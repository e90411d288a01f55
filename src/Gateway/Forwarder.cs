using System.Buffers;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace McpCan.Gateway;

/// <summary>Sends one exchange to its server and brings the answer back.</summary>
internal sealed partial class Forwarder(
    UpstreamPool upstreams, SessionSeal seal, OpenExchanges open, GatewayMetrics metrics, TimeProvider time, ILogger<Forwarder> logger)
{
    public Task ForwardAsync(GatewayExchange exchange, GatewayRoute route, GatewayUpstream upstream) => ForwardAsync(exchange, route, upstreams.Enter(upstream));

    public async Task ForwardAsync(GatewayExchange exchange, GatewayRoute route, IUpstream client)
    {
        var cancellationToken = exchange.Open();
        var body = HttpMethods.IsPost(exchange.Context.Request.Method) ? new RequestBody(exchange, route.MaxRequestBytes, cancellationToken) : null;
        open.Add(exchange);
        if (exchange.IsStream) metrics.StreamOpened();
        try
        {
            using var request = CreateRequest(exchange, client, body);
            using var response = await client.SendAsync(request, cancellationToken);
            await AnswerAsync(exchange, client, response, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or BadHttpRequestException)
        {
            if (exchange.Context.Response.HasStarted) BreakOff(exchange);
            else if (Explain(exchange, route, body, e) is { } refusal) await refusal.SendAsync(exchange, readId: false);
        }
        finally
        {
            if (body is not null) await body.SettleAsync();
            if (exchange.IsStream) metrics.StreamClosed();
            open.Remove(exchange);
            client.Leave();
        }
    }

    private static HttpRequestMessage CreateRequest(GatewayExchange exchange, IUpstream client, RequestBody? body)
    {
        var request = new HttpRequestMessage(
            HttpMethod.Parse(exchange.Context.Request.Method),
            exchange.Endpoint switch
            {
                GatewayEndpoint.Mcp => client.Mcp,
                GatewayEndpoint.Sse => client.Sse,
                _ => client.Message(exchange.Ticket!.UpstreamSession),
            })
        {
            Content = body,
        };
        HeaderRules.CopyRequest(exchange, request);
        client.Prepare(exchange, request);
        return request;
    }

    private async Task AnswerAsync(
        GatewayExchange exchange, IUpstream client, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var to = exchange.Context.Response;
        var status = (int)response.StatusCode;
        if (status is 401 or 407)
        {
            // Passed on, it would tell the client that *its* token is wrong.
            await Unavailable("upstream_credentials", "The server behind this address refused MCPCAN's credentials.", exchange).SendAsync(exchange, readId: false);
            return;
        }
        if (client.Remote is { } remote && await remote.AnswerAsync(exchange, response, cancellationToken)) return;
        await using var stream = client.Remote?.Limit(exchange, await response.Content.ReadAsStreamAsync(cancellationToken), cancellationToken)
            ?? await response.Content.ReadAsStreamAsync(cancellationToken);
        var copy = new ResponseCopy(exchange, response);
        ReadOnlyMemory<byte> first = default;
        var opensSse = exchange.Endpoint == GatewayEndpoint.Sse && status == 200;
        if (opensSse)
        {
            var endpoint = new EndpointEvent();
            if (await endpoint.ReadAsync(stream, cancellationToken) is not { } address || client.SessionIn(address) is not { } session)
            {
                await Unavailable("upstream", "The server behind this address does not speak HTTP+SSE.", exchange).SendAsync(exchange);
                return;
            }
            first = (byte[])[.. ResponseCopy.EndpointEvent(MessageAddress(exchange, Issue(exchange, client.Generation, session))), .. endpoint.Rest.Span];
        }
        else if (HeaderRules.SessionOf(response) is { } session)
        {
            to.Headers[HeaderRules.Session] = session == exchange.Ticket?.UpstreamSession ? exchange.SealedSession : Issue(exchange, client.Generation, session);
        }
        to.StatusCode = status;
        HeaderRules.CopyResponse(response, to, rewritten: opensSse);
        if (copy.IsEventStream && !to.Headers.ContainsKey("X-Accel-Buffering")) to.Headers["X-Accel-Buffering"] = "no";
        await copy.RunAsync(stream, first, cancellationToken);
        if (copy.ServerBroke) await EndBrokenAsync(exchange, client, copy, cancellationToken);
    }

    public string Issue(GatewayExchange exchange, long generation, string session)
    {
        var endpoint = exchange.Endpoint == GatewayEndpoint.Sse ? GatewayEndpoint.Message : exchange.Endpoint;
        exchange.Ticket = new(endpoint, exchange.Route!.InstanceId, generation, session, exchange.Principal, time.GetUtcNow())
        {
            ClientName = exchange.Request.ClientName,
            ClientVersion = exchange.Request.ClientVersion,
        };
        return seal.Seal(exchange.Ticket);
    }

    // Relative to the origin: whatever host and scheme the client used are right.
    public static string MessageAddress(GatewayExchange exchange, string session)
    {
        var address = $"{exchange.Context.Request.PathBase}/mcp-gateway/{Uri.EscapeDataString(exchange.Name)}/message?sessionId={session}";
        // A client that could not send a header for the stream cannot send one for its messages.
        return exchange.TokenFromQuery ? $"{address}&token={Uri.EscapeDataString(exchange.Token!)}" : address;
    }

    /// <summary>The server broke off in the middle. What was sent must not look whole, and the client must not wait for ever.</summary>
    private async Task EndBrokenAsync(GatewayExchange exchange, IUpstream client, ResponseCopy copy, CancellationToken cancellationToken)
    {
        (exchange.Failure, exchange.Error) = ("upstream_broke", "The server went away in the middle of its answer.");
        BrokeOff(logger, exchange.Route!.InstanceId, exchange.TraceId);
        if (!exchange.Context.Response.HasStarted)
        {
            await Broke(copy, exchange).SendAsync(exchange, readId: false);
            return;
        }
        if (exchange.IsStream && copy.IsEventStream) return; // a torn event is dropped by the client (SSE: no blank line, no event), which then connects again
        if (!copy.IsEventStream || !copy.BetweenEvents || copy.Answered || exchange.Request.Id is null)
        {
            BreakOff(exchange);
            return;
        }
        // With event ids the client can fetch the answer later, if the server lives; it is told of the end only when nothing listens any more.
        if (copy.Resumable && await client.IsListeningAsync())
        {
            BreakOff(exchange);
            return;
        }
        var error = Broke(copy, exchange);
        exchange.ErrorCode = error.Code;
        var json = new ArrayBufferWriter<byte>(256);
        error.Write(json, exchange);
        await copy.SendEventAsync(json.WrittenMemory, cancellationToken);
    }

    // An event stream that we end is ended in order: the client connects again and learns why. Anything else must not look whole.
    private static void BreakOff(GatewayExchange exchange)
    {
        if (exchange.Ended != EndReason.None)
        {
            exchange.Failure = "ended";
            exchange.Error ??= WhyEnded(exchange.Ended);
            if (exchange.IsStream) return;
        }
        exchange.Context.Abort();
    }

    private Refusal? Explain(GatewayExchange exchange, GatewayRoute route, RequestBody? body, Exception failure)
    {
        if (body is { TooLarge: true }) return Refusal.TooLarge(route.MaxRequestBytes);
        if (exchange.Ended == EndReason.AddressRefused) return Refusal.WrongAddress;
        if (exchange.Ended == EndReason.TokenRefused)
        {
            exchange.Context.Response.Headers.WWWAuthenticate = GatewayHandler.Challenge(exchange);
            return Refusal.NotAuthorized(WhyEnded(exchange.Ended));
        }
        if (exchange.Ended != EndReason.None) return new(503, McpErrors.ServerUnavailable, "ended", WhyEnded(exchange.Ended));
        if (exchange.ClientGone)
        {
            (exchange.Failure, exchange.Error) = ("client_left", "The client left before the answer.");
            return null;
        }
        if (body is { Broken: true }) return new(400, McpErrors.InvalidRequest, "broken_body", "The request's body broke off or is malformed.");
        Unreachable(logger, route.InstanceId, exchange.TraceId, failure);
        if (failure is McpCan.Protocol.Links.RemoteException remote) return Remote.RemoteTarget.Explain(remote, exchange);
        var connected = failure is not HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError };
        return Unavailable(
            connected ? "upstream_broke" : "upstream_connect",
            connected ? "The server went away before it answered." : "The server behind this address cannot be reached; it may be starting again.",
            exchange);
    }

    private static Refusal Broke(ResponseCopy copy, GatewayExchange exchange) => copy.Failure is McpCan.Protocol.Links.RemoteException remote
        ? Remote.RemoteTarget.Explain(remote, exchange)
        : Unavailable("upstream_broke", "The server went away before it answered.", exchange);

    private static Refusal Unavailable(string failure, string text, GatewayExchange exchange) =>
        new(502, McpErrors.ServerUnavailable, failure, $"{text} (trace {exchange.TraceId})", text);

    private static string WhyEnded(EndReason reason) => reason switch
    {
        EndReason.TokenRefused => "The token is no longer valid.",
        EndReason.AddressRefused => "The token is no longer open to the client's address.",
        EndReason.PolicyChanged => "What the token may use was changed; ask again.",
        EndReason.InstanceGone => "The instance was removed.",
        _ => "MCPCAN is stopping; try again in a moment.",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "Instance {InstanceId}: its server could not be reached or gave no answer (trace {TraceId})")]
    private static partial void Unreachable(ILogger logger, string instanceId, string traceId, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Instance {InstanceId}: its server broke off in the middle of an answer (trace {TraceId})")]
    private static partial void BrokeOff(ILogger logger, string instanceId, string traceId);
}
