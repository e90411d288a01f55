using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Sessions;

/// <summary>
/// A client's request on its way. The HTTP response is held back for the first message: when that is the answer, the
/// response is plain JSON; when it is anything else, or takes too long, the response becomes an event stream.
/// </summary>
sealed class ClientCall : PendingCall
{
    enum Stage { Held, Streaming, Answered }

    // Whoever waits goes on at once on the thread that brought the answer; so it is never set with the gate held.
    readonly TaskCompletionSource decided = new();
    readonly McpSession session;
    readonly byte[] clientId;
    readonly byte[]? clientToken;
    readonly HttpContext? http;
    readonly BatchStream? batch;
    readonly byte[]? initialize;
    Stage stage;

    /// <summary>A call whose response is still open to be JSON or a stream.</summary>
    public ClientCall(McpSession session, ReadOnlySpan<byte> message, in Envelope envelope, HttpContext http)
        : this(session, message, envelope) => this.http = http;

    /// <summary>A call whose answer goes to a stream that is there already.</summary>
    public ClientCall(McpSession session, ReadOnlySpan<byte> message, in Envelope envelope, EventStream stream, BatchStream? batch)
        : this(session, message, envelope)
    {
        Stream = stream;
        this.batch = batch;
        stage = Stage.Streaming;
    }

    ClientCall(McpSession session, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        this.session = session;
        Method = envelope.Method;
        clientId = envelope.Id.Of(message).ToArray();
        if (envelope.ProgressToken.IsPresent) clientToken = envelope.ProgressToken.Of(message).ToArray();
        if (Method == KnownMethod.Initialize && session.OtherEra is not null) initialize = message.ToArray();
        StartedAt = Environment.TickCount64;
    }

    public KnownMethod Method { get; }
    public long StartedAt { get; }
    public long CancelledAt { get; set; }
    public EventStream? Stream { get; private set; }

    /// <summary>Ends when the response has been written, or when it has become a stream.</summary>
    public Task Decided => decided.Task;

    public bool HasClientId(ReadOnlySpan<byte> id) => id.SequenceEqual(clientId);

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (initialize is not null && !envelope.Result.IsPresent)
        {
            var answer = message.ToArray();
            if (session.TryOtherEra(this, initialize, () => _ = OnAnswer(answer, EnvelopeReader.Read(answer)).AsTask())) return default;
        }
        if (Method == KnownMethod.Initialize) session.OnInitializeAnswered(message, envelope);
        return Finish(new Splice(message, envelope.Id, clientId), envelope.Result.IsPresent);
    }

    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope)
        => clientToken is null ? default : Send(new Splice(message, envelope.ProgressToken, clientToken));

    public override void OnLost(string reason)
    {
        if (initialize is not null && session.TryOtherEra(this, initialize, () => session.End(reason))) return;
        _ = Finish(new Splice(RpcMessage.Error(clientId, McpErrors.ServerUnavailable, reason)), isResult: false).AsTask();
    }

    /// <summary>Answers in place of the server.</summary>
    public ValueTask FinishWith(ReadOnlySpan<byte> result) => Finish(new Splice(RpcMessage.Result(clientId, result)), isResult: true);

    /// <summary>Sends a message that belongs to this call.</summary>
    public ValueTask Send(Splice message)
    {
        lock (session.Gate)
        {
            if (stage == Stage.Answered) return session.Listen.Add(message);
            BecomeStream();
            return Stream!.Add(message);
        }
    }

    /// <summary>Turns the response into a stream when the time for a plain answer is over.</summary>
    public void BecomeStream()
    {
        lock (session.Gate)
        {
            if (stage != Stage.Held) return;
            stage = Stage.Streaming;
            Stream = session.NewStream();
            ThreadPool.UnsafeQueueUserWorkItem(static decided => decided.TrySetResult(), decided, preferLocal: true);
        }
    }

    /// <summary>Ends the session of an initialize of which its client has seen nothing yet.</summary>
    public void EndUnheard()
    {
        lock (session.Gate)
        {
            if (stage != Stage.Held) return;
        }
        session.End("its client left before it began");
    }

    /// <summary>Ends a cancelled call that the server does not answer.</summary>
    public void Abandon()
    {
        lock (session.Gate)
        {
            if (stage == Stage.Answered) return;
            BecomeStream();
            stage = Stage.Answered;
            session.Closed(this);
            if (batch is null ? Stream != session.Listen : batch.OneLess()) Stream!.Complete();
        }
    }

    ValueTask Finish(Splice answer, bool isResult)
    {
        lock (session.Gate)
        {
            if (stage == Stage.Answered) return default;
            var wasHeld = stage == Stage.Held;
            stage = Stage.Answered;
            session.Closed(this);
            if (!wasHeld) return Stream!.Add(answer, last: batch is null ? Stream != session.Listen : batch.OneLess());
        }
        WriteJson(answer, isResult);
        return default;
    }

    void WriteJson(Splice answer, bool isResult)
    {
        var response = http!.Response;
        response.ContentType = "application/json";
        response.ContentLength = answer.Length;
        if (Method == KnownMethod.Initialize && isResult) response.Headers["Mcp-Session-Id"] = session.Id;
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
}

/// <summary>Counts the answers that a batch still waits for. Used with the session's gate held.</summary>
sealed class BatchStream(int count)
{
    int left = count;

    public bool OneLess() => --left == 0;
}
