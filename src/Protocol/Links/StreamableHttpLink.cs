using McpCan.Protocol.Messages;
using McpCan.Protocol.Sse;

namespace McpCan.Protocol.Links;

/// <summary>
/// A client's side of Streamable HTTP. Legacy (2025-03-26 to 2025-11-25, basic/transports): our session at the server,
/// its GET stream, resumption; servers without sessions are fine. Modern (2026-07-28): each request stands for itself,
/// and closing its response is the cancellation.
/// <code>
/// request ──► POST ──► JSON: the answer            stream: messages of the call, then the answer
///                                                  broken: GET with Last-Event-ID, when events had ids
/// initialized ──► POST ──► GET stream, opened again when it breaks
/// </code>
/// </summary>
public sealed class StreamableHttpLink : HttpLink
{
    const int MaxResumptions = 5, MaxErrorBytes = 256 * 1024, LongestSession = 1024;
    const string Session = "Mcp-Session-Id", Version = "MCP-Protocol-Version", Answers = "application/json, text/event-stream", Events = "text/event-stream";
    static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250), FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(30);
    static readonly TimeSpan AfterAnswer = TimeSpan.FromSeconds(1), EndLimit = TimeSpan.FromSeconds(5);

    readonly bool modern;
    readonly Dictionary<long, CancellationTokenSource> running = [];
    string? session, version;
    bool isListening;

    internal StreamableHttpLink(RemoteServer server, bool modern) : base(server) => this.modern = modern;

    /// <summary>Whether the link speaks the modern era.</summary>
    public bool IsModern => modern;

    /// <summary>Gives the headers that mirror parameters of a tools/call (<c>Mcp-Param-…</c>), from the message.</summary>
    internal Func<byte[], ValueTask<List<KeyValuePair<string, string>>>>? ParameterHeaders { get; set; }

    // ---- sending

    /// <inheritdoc/>
    public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        Span<byte> space = stackalloc byte[20];
        string? reason;
        byte[] body = [];
        CancellationTokenSource? cancel = null;
        lock (Gate)
        {
            reason = Register(call);
            if (reason is null)
            {
                var number = Splice.Number(call.Id, space);
                body = Bytes(new Splice(message, envelope.Id, number, envelope.ProgressToken, number));
                running[call.Id] = cancel = CancellationTokenSource.CreateLinkedTokenSource(Life);
            }
        }
        if (reason is not null)
        {
            call.OnLost(reason);
            return default;
        }
        var kind = new CallKind(envelope);
        _ = RunAsync(call, kind, body, modern ? ModernHeaders.Of(body) : [], cancel!);
        return default;
    }

    readonly struct CallKind(in Envelope envelope)
    {
        public readonly bool IsToolCall = envelope.Method == KnownMethod.CallTool;
        public readonly bool IsInitialize = envelope.Method == KnownMethod.Initialize;
        /// <summary>Asked twice it does no harm: sent again when the connection broke before an answer began.</summary>
        public readonly bool IsHarmless = envelope.Method is KnownMethod.Initialize or KnownMethod.List or KnownMethod.Ping or KnownMethod.Discover;
        /// <summary>A subscription: nothing need come on its stream.</summary>
        public readonly bool IsOpenEnded = envelope.Method == KnownMethod.Listen;
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message)
    {
        if (EndReason is not null) return default;
        var body = Bytes(message);
        var envelope = EnvelopeReader.Read(body);
        if (modern && envelope.Method == KnownMethod.Cancelled)
        {
            Cancel(Envelope.ReadInteger(envelope.RequestId.Of(body)));
            return default;
        }
        return new(NotifyAsync(body, modern ? ModernHeaders.Of(body) : [], opensStream: !modern && envelope.Method == KnownMethod.Initialized));
    }

    async Task NotifyAsync(byte[] body, List<KeyValuePair<string, string>> headers, bool opensStream)
    {
        try
        {
            using var response = await PostAsync(body, headers, isHarmless: false, Life);
            if (IsSessionGone(response)) EndSession();
            await DrainAsync(response);
        }
        catch (RemoteException)
        {
            // Nobody waits for an answer; the next request tells what is wrong.
        }
        catch (OperationCanceledException)
        {
            return; // stopped
        }
        if (!opensStream || isListening) return;
        isListening = true;
        _ = ListenAsync();
    }

    async Task<HttpResponseMessage> PostAsync(byte[] body, List<KeyValuePair<string, string>> headers, bool isHarmless, CancellationToken cancellationToken)
    {
        for (var isRetry = false; ; isRetry = true)
        {
            try
            {
                using var request = Create(HttpMethod.Post, Answers, body);
                ModernHeaders.Add(request.Headers, headers);
                return await SendAsync(request, Server.RequestTimeout, cancellationToken);
            }
            catch (RemoteException e) when (!isRetry && (e.NothingSent || isHarmless && e.Failure == RemoteFailure.BrokeOff))
            {
                await PauseAsync(RetryPause, cancellationToken);
            }
        }
    }

    HttpRequestMessage Create(HttpMethod method, string accept, byte[]? body)
    {
        var request = Server.CreateRequest(method, Server.Url, accept, body);
        if (session is not null) request.Headers.TryAddWithoutValidation(Session, session);
        if (version is not null) request.Headers.TryAddWithoutValidation(Version, version);
        return request;
    }

    /// <inheritdoc/>
    public override bool Forget(PendingCall call)
    {
        var waited = base.Forget(call);
        Cancel(call.Id); // nobody waits any more; in the modern era this is the cancellation
        return waited;
    }

    void Cancel(long id)
    {
        CancellationTokenSource? cancel;
        lock (Gate) running.Remove(id, out cancel);
        cancel?.Cancel();
    }

    // ---- the answer to a request

    async Task RunAsync(PendingCall call, CallKind kind, byte[] body, List<KeyValuePair<string, string>> headers, CancellationTokenSource cancel)
    {
        try
        {
            if (kind.IsToolCall && modern && ParameterHeaders is { } more) headers.AddRange(await more(body));
            var response = await PostAsync(body, headers, kind.IsHarmless, cancel.Token);
            try
            {
                if (kind.IsInitialize && response.IsSuccessStatusCode) TakeSession(response);
                await AnswerAsync(call, kind.IsOpenEnded, response, cancel.Token);
            }
            finally
            {
                response.Dispose();
            }
        }
        catch (RemoteException e)
        {
            Lose(call, e.Message);
            if (e.Failure == RemoteFailure.SessionGone) EndSession();
        }
        catch (OperationCanceledException)
        {
            Lose(call, "the request was cancelled");
        }
        finally
        {
            lock (Gate) running.Remove(call.Id);
            cancel.Dispose();
        }
    }

    void TakeSession(HttpResponseMessage response)
    {
        if (modern || !response.Headers.NonValidated.TryGetValues(Session, out var values)) return;
        var id = values.ToString();
        // Spec: visible ASCII only. Anything else could not be sent back as it came.
        if (id.Length is 0 or > LongestSession || id.AsSpan().ContainsAnyExceptInRange('!', '~')) throw RemoteException.NotMcp("the server's session id is not valid");
        session = id;
    }

    private protected override void OnAnswering(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (modern || version is not null || !envelope.Result.IsPresent) return;
        var named = EnvelopeReader.FindProtocolVersion(message, envelope.Result);
        var text = named.IsPresent ? JsonText.Read(named.Of(message)) : null;
        if (text is { Length: > 0 and <= 32 } && !text.AsSpan().ContainsAnyExceptInRange('!', '~')) version = text;
    }

    async Task AnswerAsync(PendingCall call, bool isOpenEnded, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (IsSessionGone(response)) throw new RemoteException(RemoteFailure.SessionGone, "the session at the server has ended; initialize again", 404);
        if (!response.IsSuccessStatusCode)
        {
            var status = (int)response.StatusCode;
            // An error of the protocol may come with a status; it counts when it answers this request.
            var mayAnswer = status is >= 400 and not (401 or 403 or 407) && Is(response, "application/json");
            var answered = mayAnswer && await ReadAllAsync(response, MaxErrorBytes, (array, length) => TryError(call, array.AsSpan(0, length)), cancellationToken);
            if (!answered) throw RemoteException.OfStatus(status);
        }
        else if (Is(response, Events))
        {
            await FollowAsync(call, isOpenEnded ? Timeout.InfiniteTimeSpan : Server.StreamIdleTimeout, response, cancellationToken);
        }
        else if (Is(response, "application/json"))
        {
            var handled = await ReadAllAsync(response, Server.MaxMessageBytes,
                (array, length) => TryReceiveFor(call, array.AsSpan(0, length), out var handled) ? Copied(handled) : null, cancellationToken);
            if (handled is not null) await handled;
            Lose(call, "the server's answer does not fit the request");
        }
        else
        {
            throw RemoteException.NotMcp(response.Content.Headers.ContentType is null
                ? "the server accepted the request without an answer" : "what the server answered is no MCP message");
        }
    }

    static Task Copied(ValueTask handled) => handled.IsCompletedSuccessfully ? Task.CompletedTask : handled.AsTask();

    bool TryError(PendingCall call, ReadOnlySpan<byte> message)
    {
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.Read(message);
        }
        catch (System.Text.Json.JsonException)
        {
            return false;
        }
        if (envelope.Kind != MessageKind.Response || envelope.Result.IsPresent || !envelope.Id.IsPresent) return false;
        if (!TryReceiveFor(call, message, out var handled)) return false;
        if (!handled.IsCompletedSuccessfully) _ = handled.AsTask();
        return !IsPending(call);
    }

    bool IsSessionGone(HttpResponseMessage response) => session is not null && (int)response.StatusCode == 404;

    void EndSession()
    {
        session = null; // there is nothing to delete
        End("the session at the server has ended; initialize again");
    }

    /// <summary>Reads a call's stream to the answer, over breaks where events had ids.</summary>
    async Task FollowAsync(PendingCall call, TimeSpan silence, HttpResponseMessage first, CancellationToken cancellationToken)
    {
        string? lastId = null;
        var pause = FirstPause;
        var response = first;
        for (var failures = 0; ; failures++)
        {
            RemoteException? broke = null;
            try
            {
                using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                await using var body = await BodyAsync(response, silence, end.Token);
                using var reader = new SseReader(body, Server.MaxMessageBytes);
                while (await NextAsync(reader))
                {
                    if (!modern) lastId = reader.LastEventId ?? lastId;
                    pause = Given(reader.Retry) ?? pause;
                    if (reader.Data.Length == 0) continue;
                    failures = 0;
                    if (TryReceiveFor(call, reader.Data, out var handled) && !handled.IsCompletedSuccessfully) await handled;
                    if (IsPending(call)) continue;
                    await FinishAsync(reader, end);
                    return;
                }
            }
            catch (RemoteException e) when (e.Failure == RemoteFailure.BrokeOff)
            {
                broke = e;
            }
            finally
            {
                if (response != first) response.Dispose();
            }
            if (lastId is null || failures >= MaxResumptions) throw broke ?? new(RemoteFailure.BrokeOff, "the server ended its answer before it was whole");
            response = await ResumeAsync(lastId, pause, cancellationToken);
        }
    }

    // A stream that is read to its end leaves its connection for the next request.
    static async Task FinishAsync(SseReader reader, CancellationTokenSource end)
    {
        end.CancelAfter(AfterAnswer);
        try
        {
            while (await NextAsync(reader)) { } // a second answer has no taker
        }
        catch (Exception e) when (e is RemoteException or OperationCanceledException)
        {
            // then the connection is closed
        }
    }

    async Task<HttpResponseMessage> ResumeAsync(string lastId, TimeSpan pause, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            await PauseAsync(pause, cancellationToken);
            try
            {
                using var request = Create(HttpMethod.Get, Events, null);
                request.Headers.TryAddWithoutValidation("Last-Event-ID", lastId);
                var response = await SendAsync(request, Server.RequestTimeout, cancellationToken);
                if (response.IsSuccessStatusCode && Is(response, Events)) return response;
                using (response)
                {
                    if (IsSessionGone(response)) throw new RemoteException(RemoteFailure.SessionGone, "the session at the server has ended; initialize again", 404);
                    if ((int)response.StatusCode < 500 || attempt >= MaxResumptions) throw new RemoteException(RemoteFailure.BrokeOff, "the server went away before it answered");
                }
            }
            catch (RemoteException e) when ((e.NothingSent || e.Failure == RemoteFailure.BrokeOff && e.InnerException is not null) && attempt < MaxResumptions)
            {
                // the server may be starting again
            }
            pause = Next(pause);
        }
    }

    // ---- the GET stream

    async Task ListenAsync()
    {
        string? lastId = null;
        var pause = FirstPause;
        try
        {
            while (true)
            {
                try
                {
                    using var request = Create(HttpMethod.Get, Events, null);
                    if (lastId is not null) request.Headers.TryAddWithoutValidation("Last-Event-ID", lastId);
                    // Some servers send the head with the first event: no limit on that.
                    using var response = await SendAsync(request, Timeout.InfiniteTimeSpan, Life);
                    if (IsSessionGone(response))
                    {
                        EndSession();
                        return;
                    }
                    if ((int)response.StatusCode is 400 && lastId is not null) lastId = null; // no longer kept there
                    else if ((int)response.StatusCode is >= 300 and < 500) return;            // 405: it offers none
                    if (response.IsSuccessStatusCode)
                    {
                        if (!Is(response, Events)) return;
                        await using var body = await BodyAsync(response, Timeout.InfiniteTimeSpan, Life);
                        using var reader = new SseReader(body, Server.MaxMessageBytes);
                        while (await NextAsync(reader))
                        {
                            lastId = reader.LastEventId ?? lastId;
                            pause = FirstPause;
                            if (reader.Data.Length > 0 && TryReceive(reader.Data, null, out var handled) && !handled.IsCompletedSuccessfully) await handled;
                        }
                        pause = Given(reader.Retry) ?? pause;
                    }
                }
                catch (RemoteException e) when (e.Failure is not (RemoteFailure.NotMcp or RemoteFailure.Forbidden))
                {
                    // opened again
                }
                await PauseAsync(pause, Life);
                pause = Next(pause);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or RemoteException)
        {
            // stopped, or nothing to listen to
        }
    }

    // ---- the end

    private protected override void OnStopped()
    {
        if (session is not null) _ = DeleteAsync();
    }

    async Task DeleteAsync()
    {
        try
        {
            using var request = Create(HttpMethod.Delete, Answers, null);
            using var response = await SendAsync(request, EndLimit, CancellationToken.None);
            await DrainAsync(response);
        }
        catch (RemoteException)
        {
            // it ends by itself some day
        }
    }

    static TimeSpan Next(TimeSpan pause) => pause * 2 > LongestPause ? LongestPause : pause * 2;

    // What a server asks for counts within reason.
    static TimeSpan? Given(TimeSpan? retry) => retry is { } given ? TimeSpan.FromMilliseconds(Math.Clamp(given.TotalMilliseconds, 50, LongestPause.TotalMilliseconds)) : null;
}
