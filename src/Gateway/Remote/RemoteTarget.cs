using System.Text.Json;
using McpCan.Protocol;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway.Remote;

/// <summary>Generations in sealed sessions of remote servers: never those of a workload, and they say whether the engine holds the session.</summary>
internal static class RemoteGeneration
{
    public static long Of(GatewayRemote remote, bool hosted) => -(remote.Generation * 2 + (hosted ? 1 : 0)) - 1;

    public static bool Fits(long generation, GatewayRemote remote) => generation == Of(remote, true) || generation == Of(remote, false);

    public static bool IsHosted(SessionTicket ticket, GatewayRemote remote) => ticket.Generation == Of(remote, true);
}

/// <summary>
/// A remote server that speaks what the client speaks: bytes pass. It is not trusted: no word of it that is no message of the protocol, and
/// nothing about its place, reaches the client.
/// </summary>
internal sealed class RemoteTarget(RemoteHost host, GatewayEndpoint endpoint) : IUpstream
{
    private const int MostErrorBytes = 256 << 10, LongestSession = 1024;
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    public Uri Mcp => host.Remote.Url;
    public Uri Sse => host.Remote.Url;
    public Uri Message(string session) => new(host.Remote.Url, session);
    public long Generation => RemoteGeneration.Of(host.Remote, hosted: false);
    public RemoteTarget? Remote => this;

    public string? SessionIn(string address) => SseLink.Resolve(host.Remote.Url, address) is { PathAndQuery: { Length: <= LongestSession } path } ? path : null;

    public void Prepare(GatewayExchange exchange, HttpRequestMessage request)
    {
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        foreach (var (name, value) in host.Remote.Headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    /// <summary>Sends it; once more when no byte of it had left. Throws <see cref="RemoteException"/>.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Some servers send the head of a GET stream with its first event.
        var limit = request.Method == HttpMethod.Get && endpoint == GatewayEndpoint.Mcp ? Timeout.InfiniteTimeSpan : host.Remote.RequestTimeout;
        for (var isRetry = false; ; isRetry = true)
        {
            using var timer = new CancellationTokenSource(limit, host.Server.Time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
            RemoteException failure;
            try
            {
                return await host.Server.Http.SendAsync(request, both.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = timer.IsCancellationRequested ? RemoteException.TimedOut(limit) : new RemoteException(RemoteFailure.Unreachable, "the server cannot be reached");
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                failure = RemoteException.From(e);
            }
            if (isRetry || !failure.NothingSent) throw failure;
            await Task.Delay(RetryPause, host.Server.Time, cancellationToken);
        }
    }

    public Task<bool> IsListeningAsync() => Task.FromResult(true); // with event ids the client may ask for the rest

    public void Leave() { }

    /// <summary>The body with its limit: a stream that waits for events may be silent, an answer may not.</summary>
    public Stream Limit(GatewayExchange exchange, Stream body, CancellationToken cancellationToken) =>
        exchange.IsStream || exchange.Request.Method == "subscriptions/listen" ? new LimitedStream(body, Timeout.InfiniteTimeSpan, host.Server.Time, cancellationToken)
            : new LimitedStream(body, host.Remote.StreamIdleTimeout, host.Server.Time, cancellationToken);

    /// <summary>Answers in the server's place where its answer must not pass; false when it may.</summary>
    public async Task<bool> AnswerAsync(GatewayExchange exchange, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        var to = exchange.Context.Response;
        if (response.Content.Headers.ContentEncoding.Any(encoding => !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase)))
        {
            await RefuseAsync(exchange, RemoteException.NotMcp("the server's answer is compressed although that was not asked for"));
            return true;
        }
        if (response.IsSuccessStatusCode) return await TakeSuccessAsync(exchange, response);
        if (status == 404 && exchange.Ticket is not null)
        {
            await Refusal.SessionNotFound.SendAsync(exchange, readId: false);
            return true;
        }
        if (status is >= 400 and not (401 or 403 or 407) && await ReadErrorAsync(exchange, response, cancellationToken) is { } error)
        {
            to.StatusCode = status;
            to.ContentType = "application/json";
            to.ContentLength = error.Length;
            exchange.ErrorCode = (int)Envelope.ReadInteger(JsonPeek.Member(JsonPeek.Member(error, "error"u8), "code"u8));
            exchange.ResponseBytes += error.Length;
            await to.Body.WriteAsync(error, cancellationToken);
            return true;
        }
        if (status is >= 400 and < 500 and not (401 or 403 or 407 or 408 or 429) && HttpMethods.IsPost(exchange.Context.Request.Method) && exchange.Ticket is null) host.Eras.Contradicted();
        if (status == 405) to.Headers.Allow = "POST";
        if (status is 429 or 503 && response.Headers.RetryAfter?.Delta is { } delta) to.Headers.RetryAfter = ((long)delta.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await RefuseAsync(exchange, RemoteException.OfStatus(status));
        return true;
    }

    private static async Task<bool> TakeSuccessAsync(GatewayExchange exchange, HttpResponseMessage response)
    {
        if (HeaderRules.SessionOf(response) is { } session && (session.Length is 0 or > LongestSession || session.AsSpan().ContainsAnyExceptInRange('!', '~')))
        {
            await RefuseAsync(exchange, RemoteException.NotMcp("the server's session id is not valid"));
            return true;
        }
        var request = exchange.Context.Request;
        if (exchange.Endpoint == GatewayEndpoint.Message || HttpMethods.IsDelete(request.Method))
        {
            exchange.Context.Response.StatusCode = exchange.Endpoint == GatewayEndpoint.Message ? 202 : (int)response.StatusCode;
            return true;
        }
        var isJson = string.Equals(response.Content.Headers.ContentType?.MediaType, "application/json", StringComparison.OrdinalIgnoreCase);
        if (HeaderRules.IsEventStream(response) || isJson && !exchange.IsStream) return false;
        if (!exchange.IsStream && exchange.Request.Id is null)
        {
            exchange.Context.Response.StatusCode = 202; // a notification: whatever the server says to it
            return true;
        }
        await RefuseAsync(exchange, RemoteException.NotMcp("what the server answered is no MCP message"));
        return true;
    }

    // An error body passes when it is the protocol's and answers this very request.
    private static async Task<byte[]?> ReadErrorAsync(GatewayExchange exchange, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (exchange.Request.Id is not { } id || !string.Equals(response.Content.Headers.ContentType?.MediaType, "application/json", StringComparison.OrdinalIgnoreCase)) return null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(10));
        try
        {
            await response.Content.LoadIntoBufferAsync(MostErrorBytes, limit.Token);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token);
            var envelope = EnvelopeReader.Read(body);
            return envelope is { Kind: MessageKind.Response, Result.IsPresent: false, Id.IsPresent: true } && envelope.Id.Of(body).SequenceEqual(id) ? body : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException || e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private static Task RefuseAsync(GatewayExchange exchange, RemoteException failure) => Explain(failure, exchange).SendAsync(exchange, readId: false);

    /// <summary>What a client reads of a failure.</summary>
    public static Refusal Explain(RemoteException failure, GatewayExchange exchange)
    {
        var status = failure.Failure switch
        {
            RemoteFailure.Timeout => 504,
            RemoteFailure.Status when failure.Status is >= 400 and < 500 and not 403 => failure.Status,
            RemoteFailure.SessionGone => 404,
            _ => 502,
        };
        var name = failure.Failure switch
        {
            RemoteFailure.Unreachable or RemoteFailure.UnknownName or RemoteFailure.Refused => "upstream_connect",
            RemoteFailure.Forbidden => "upstream_forbidden",
            RemoteFailure.Tls => "upstream_tls",
            RemoteFailure.Timeout => "upstream_timeout",
            RemoteFailure.Unauthorized => "upstream_credentials",
            RemoteFailure.Status => "upstream_status",
            RemoteFailure.NotMcp => "upstream_protocol",
            _ => "upstream_broke",
        };
        var text = failure.Sentence;
        return new(status, McpErrors.ServerUnavailable, name, $"{text} (trace {exchange.TraceId})", text);
    }
}
