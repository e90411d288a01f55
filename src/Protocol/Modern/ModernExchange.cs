using McpCan.Protocol.Http;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Modern;

/// <summary>
/// One modern request and its response. The response is held back for the first message, since its status depends on
/// it; when that is not the answer, or takes too long, the response becomes an event stream without ids. The end of
/// the response before the answer is the cancellation (2026-07-28, basic/transports/streamable-http, Cancellation).
/// As a call it passes a modern server's messages on as they are.
/// </summary>
class ModernExchange : PendingCall
{
    enum Stage { Held, Streaming, Answered, Left }

    readonly Lock gate = new();
    // Whoever waits goes on at once on the thread that brought the answer; so it is never set with the gate held.
    readonly TaskCompletionSource decided = new();
    readonly ModernContext context;
    readonly HttpContext http;
    readonly byte[] clientId;
    readonly byte[]? clientToken;
    readonly bool isListen;
    CancellationTokenRegistration watch;
    EventStream? stream;
    Stage stage;

    public ModernExchange(ModernContext context, HttpContext http, string principal, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        (this.context, this.http, Principal) = (context, http, principal);
        clientId = envelope.Id.Of(message).ToArray();
        if (envelope.ProgressToken.IsPresent) clientToken = envelope.ProgressToken.Of(message).ToArray();
        isListen = envelope.Method == KnownMethod.Listen;
        WantsLogs = envelope.LogLevel.IsPresent;
        StartedAt = Environment.TickCount64;
        context.Running.Add(this);
    }

    public string Principal { get; }
    public bool WantsLogs { get; }
    public long StartedAt { get; }
    public ReadOnlySpan<byte> ClientId => clientId;
    public ReadOnlySpan<byte> ClientToken => clientToken;
    protected ModernContext Context => context;

    /// <summary>The link that the request went to; a client that leaves cancels it there.</summary>
    public ServerLink? Link { get; set; }

    /// <summary>What to do when the client leaves before the answer, where it is not a matter of <see cref="Link"/>.</summary>
    public Action? Leaving { get; set; }

    /// <summary>Whether the server may wait for a slow client; one that is shared with others must not: the client is cut instead.</summary>
    public bool Blocks { get; init; }

    /// <summary>Neighbours in the list of running exchanges; they belong to that list.</summary>
    internal ModernExchange? Before, After;

    public override string? LogAudience => WantsLogs ? Principal : null;

    // ---- as a call of a modern server: bytes pass

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (!envelope.Result.IsPresent) return Finish(new Splice(message, envelope.Id, clientId), StatusOf(message));
        if (!isListen) return Finish(new Splice(message, envelope.Id, clientId));
        // The result that ends a subscription repeats its id.
        var meta = JsonEdit.Member(message, envelope.Result.Start, "_meta"u8);
        var subscription = meta.IsPresent ? JsonEdit.Member(message, meta.Start, "io.modelcontextprotocol/subscriptionId"u8) : default;
        return Finish(new Splice(message, envelope.Id, clientId, subscription, clientId));
    }

    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope)
        => clientToken is null ? default : Send(new Splice(message, envelope.ProgressToken, clientToken));

    public override ValueTask OnNotification(ReadOnlySpan<byte> message, in Envelope envelope)
        => Send(envelope.SubscriptionId.IsPresent ? new Splice(message, envelope.SubscriptionId, clientId) : new Splice(message));

    public override void OnEnded() => End();

    public override void OnLost(string reason)
        => _ = Finish(new Splice(RpcMessage.Error(clientId, McpErrors.ServerUnavailable, reason))).AsTask();

    /// <summary>The HTTP status of an error (2026-07-28, basic/transports/streamable-http, Protocol Version Header).</summary>
    public static int StatusOf(ReadOnlySpan<byte> message) => ErrorCode(message) switch
    {
        McpErrors.MethodNotFound => 404,
        McpErrors.HeaderMismatch or McpErrors.MissingCapability or McpErrors.UnsupportedVersion => 400,
        _ => 200,
    };

    public static long ErrorCode(ReadOnlySpan<byte> message)
        => Envelope.ReadInteger(JsonEdit.Member(JsonEdit.Member(message, "error"u8), "code"u8));

    // ---- the response

    /// <summary>Answers in our own name.</summary>
    public ValueTask Fail(int code, string message, int status = 200) => Finish(new Splice(RpcMessage.Error(clientId, code, message)), status);

    /// <summary>Sends a message before the answer.</summary>
    public ValueTask Send(Splice message)
    {
        lock (gate)
        {
            if (stage >= Stage.Answered) return default;
            BecomeStream();
            return stream!.Add(message);
        }
    }

    /// <summary>The answer.</summary>
    public ValueTask Finish(Splice answer, int status = 200)
    {
        lock (gate)
        {
            if (stage >= Stage.Answered) return default;
            var wasHeld = stage == Stage.Held;
            stage = Stage.Answered;
            context.Running.Remove(this);
            if (!wasHeld) return stream!.Add(answer, last: true);
        }
        WriteJson(answer, status);
        return default;
    }

    /// <summary>Ends the exchange because the endpoint ends.</summary>
    public void EndFor(string reason)
    {
        Link?.Forget(this);
        if (!isListen) OnLost(reason);
        else _ = Finish(new Splice(RpcMessage.Result(clientId, [.. @"{""resultType"":""complete"",""_meta"":{""io.modelcontextprotocol/subscriptionId"":"u8, .. clientId, .. "}}"u8]))).AsTask();
    }

    /// <summary>Ends the response without an answer.</summary>
    public void End()
    {
        lock (gate)
        {
            if (stage >= Stage.Answered) return;
            BecomeStream();
            stage = Stage.Answered;
            context.Running.Remove(this);
            stream!.Complete();
        }
    }

    void BecomeStream()
    {
        if (stage != Stage.Held) return;
        stage = Stage.Streaming;
        stream = new(gate, new(context.Options.ReplayBytes), -1, resumable: false, Blocks);
        DecideLater();
    }

    void DecideLater() => ThreadPool.UnsafeQueueUserWorkItem(static decided => decided.TrySetResult(), decided, preferLocal: true);

    void WriteJson(Splice answer, int status)
    {
        var response = http.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = answer.Length;
        answer.WriteTo(response.BodyWriter);
        // Sent from here, so that the bytes are on their way before the request's own thread wakes up.
        var flushing = response.BodyWriter.FlushAsync();
        if (flushing.IsCompletedSuccessfully) decided.TrySetResult();
        else _ = Flushed(flushing.AsTask());
    }

    async Task Flushed(Task flushing)
    {
        await flushing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the client has gone: nothing to tell it
        decided.TrySetResult();
    }

    /// <summary>Turns the response into a stream when its time is over. False when it is not held any more.</summary>
    public bool Look(long now)
    {
        lock (gate)
        {
            if (stage != Stage.Held) return false;
            if (now - StartedAt >= context.Options.ModernHold.TotalMilliseconds)
            {
                BecomeStream();
                return false;
            }
            // Watched only here: most answers come before the first look and need no registration.
            if (watch == default) watch = http.RequestAborted.UnsafeRegister(static me => ((ModernExchange)me!).Leave(), this);
            return true;
        }
    }

    /// <summary>Runs the response to its end.</summary>
    public async Task RunAsync(ValueTask sent)
    {
        try
        {
            if (!sent.IsCompletedSuccessfully) await sent;
            await decided.Task;
            if (watch != default) await watch.DisposeAsync();
            if (stream is null) return;
            Answer.BeginStream(http);
            await stream.PumpAsync(http, null, prime: false, context.Options);
        }
        finally
        {
            Leave();
        }
    }

    void Leave()
    {
        lock (gate)
        {
            if (stage >= Stage.Answered) return;
            stage = Stage.Left;
            context.Running.Remove(this);
            stream?.Clear();
        }
        DecideLater();
        if (Leaving is { } leaving) leaving();
        else if (Link is { } link && link.Forget(this)) _ = CancelAsync(link).AsTask();
    }

    ValueTask CancelAsync(ServerLink link) => link.SendAsync(new Splice(RpcMessage.Cancelled(Id)));
}
