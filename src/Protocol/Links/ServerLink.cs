using System.Text.Json;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Links;

/// <summary>
/// A way to one MCP server, whatever its transport. Outward each request gets an integer id (and progress token) of
/// our own: servers are known to drop ids such as 2.5 or beyond 64 bits. Inward each message is given to the call or
/// to the owner that it belongs to, as the bytes that came.
/// </summary>
public abstract class ServerLink
{
    readonly Dictionary<long, PendingCall> pending = [];
    long lastId;
    string? ended;

    /// <summary>Guards the link's state.</summary>
    protected Lock Gate { get; } = new();

    /// <summary>Who receives what the server sends of its own accord.</summary>
    public IServerMessages? Owner { get; private set; }

    /// <summary>Why no more messages come, once that is so.</summary>
    public string? EndReason
    {
        get
        {
            lock (Gate) return ended;
        }
    }

    /// <summary>How many requests wait for an answer.</summary>
    public int PendingCount
    {
        get
        {
            lock (Gate) return pending.Count;
        }
    }

    /// <summary>Gives the link its owner, who is told at once when the server has gone already.</summary>
    public void Adopt(IServerMessages owner)
    {
        string? reason;
        lock (Gate)
        {
            Owner = owner;
            reason = ended;
        }
        if (reason is not null) owner.OnLinkEnded(this, reason);
    }

    /// <summary>Sends a request under an id of our own. When the server is gone, the call is told so.</summary>
    public abstract ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope);

    /// <summary>Sends a notification or a response.</summary>
    public abstract ValueTask SendAsync(Splice message);

    /// <summary>Stops waiting for an answer; false when it has come already.</summary>
    public virtual bool Forget(PendingCall call)
    {
        lock (Gate) return pending.Remove(call.Id);
    }

    /// <summary>The call with this id of ours, while it waits for its answer.</summary>
    public PendingCall? Find(long id)
    {
        lock (Gate) return pending.GetValueOrDefault(id);
    }

    /// <summary>The only call that waits for its answer; null when there are none or several.</summary>
    internal PendingCall? FindOnly()
    {
        lock (Gate) return pending.Count == 1 ? pending.Values.First() : null;
    }

    /// <summary>
    /// The call that a log line belongs to, where the transport does not say it: the newest that asked for lines, but
    /// none when calls of several principals did, since a line about one's call is not for another's eyes.
    /// </summary>
    internal PendingCall? FindLogReader()
    {
        PendingCall? found = null;
        lock (Gate)
        {
            foreach (var call in pending.Values)
            {
                if (call.LogAudience is not { } audience) continue;
                if (found is not null && found.LogAudience != audience) return null;
                if (found is null || call.Id > found.Id) found = call;
            }
        }
        return found;
    }

    /// <summary>Whether the call still waits for its answer.</summary>
    protected bool IsPending(PendingCall call)
    {
        lock (Gate) return pending.ContainsKey(call.Id);
    }

    /// <summary>Gives the call its id and waits for its answer; the reason when the link has ended. Call with the gate held.</summary>
    protected string? Register(PendingCall call)
    {
        if (ended is not null) return ended;
        call.Id = ++lastId;
        pending.Add(call.Id, call);
        return null;
    }

    /// <summary>
    /// Takes a message of the server; false when it is none. <paramref name="related"/> is the call whose response
    /// stream carried it, where the transport says so.
    /// </summary>
    protected bool TryReceive(ReadOnlySpan<byte> message, PendingCall? related, out ValueTask handled)
    {
        handled = default;
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.ReadFromServer(message);
        }
        catch (JsonException)
        {
            return false;
        }
        switch (envelope.Kind)
        {
            case MessageKind.Response:
                handled = ReceiveResponse(message, envelope);
                return true;
            case MessageKind.Notification when envelope.Method == KnownMethod.Progress:
                PendingCall? running;
                lock (Gate) pending.TryGetValue(Envelope.ReadInteger(envelope.ProgressToken.Of(message)), out running);
                if (running is not null) handled = running.OnProgress(message, envelope); // late progress has no taker
                return true;
            case MessageKind.Request or MessageKind.Notification:
                if (Owner is { } owner) handled = owner.OnServerMessage(this, message, envelope, related);
                return true;
            case MessageKind.Batch:
                handled = ReceiveBatch(message.ToArray(), related);
                return true;
            default:
                return false;
        }
    }

    ValueTask ReceiveResponse(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        PendingCall? call;
        lock (Gate)
        {
            // JSON-RPC 2.0 §5: the id is null when the server could not read the request; with one call open it is that one.
            if (envelope.IdType == JsonTokenType.Null && pending.Count == 1) pending.Remove(pending.Keys.First(), out call);
            else pending.Remove(envelope.OwnId(message), out call);
        }
        return call is null ? default : call.OnAnswer(message, envelope);
    }

    async ValueTask ReceiveBatch(byte[] batch, PendingCall? related)
    {
        foreach (var part in EnvelopeReader.Split(batch))
        {
            if (batch[part.Start] == (byte)'{' && TryReceive(part.Of(batch), related, out var handled)) await handled;
        }
    }

    /// <summary>No more messages come: tells the owner and every call that waits. Only the first call counts.</summary>
    protected void End(string reason)
    {
        PendingCall[] left;
        IServerMessages? owner;
        lock (Gate)
        {
            if (ended is not null) return;
            owner = Owner;
            ended = reason;
            left = [.. pending.Values];
            pending.Clear();
        }
        owner?.OnLinkEnded(this, reason); // first, so that a client which hears of the end finds the session gone
        foreach (var call in left) call.OnLost(reason);
    }
}
