using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Links;

/// <summary>A request that was sent to a server and has not been answered yet.</summary>
public abstract class PendingCall
{
    /// <summary>Our own id of the request: what the server sees.</summary>
    public long Id { get; internal set; }

    /// <summary>The answer has come; this is the last word on the call.</summary>
    public abstract ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope);

    /// <summary>A progress notification for the call has come.</summary>
    public abstract ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope);

    /// <summary>No answer will come.</summary>
    public abstract void OnLost(string reason);

    /// <summary>A notification other than progress that belongs to the call: a log line, or an event of a subscription (2026-07-28).</summary>
    public virtual ValueTask OnNotification(ReadOnlySpan<byte> message, in Envelope envelope) => default;

    /// <summary>The server ends the call without an answer: it closes a subscription (2026-07-28, basic/patterns/subscriptions, Cancellation).</summary>
    public virtual void OnEnded() => OnLost("the server ended the request");

    /// <summary>Whose log lines the call may receive: the principal, when the call asked for lines; else null.</summary>
    public virtual string? LogAudience => null;
}

/// <summary>Receives what a server sends of its own accord.</summary>
public interface IServerMessages
{
    /// <summary>
    /// A request or a notification other than progress. <paramref name="related"/> is the call that it belongs to,
    /// where the transport says so (the response stream of an HTTP POST); stdio does not.
    /// </summary>
    ValueTask OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related);

    /// <summary>The link has ended; its pending calls are told next.</summary>
    void OnLinkEnded(ServerLink link, string reason);
}
