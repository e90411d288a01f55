using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Sessions;

/// <summary>
/// A client's legacy session (2024-11-05 to 2025-11-25): the calls under way, the streams with what can be
/// replayed, and the server's own requests that wait for the client.
/// </summary>
public sealed class McpSession : IServerMessages, ISharedListener
{
    readonly SessionOptions options;
    readonly SharedServer? shared;
    readonly ReplayBuffer replay;
    readonly List<ClientCall> calls = [];
    readonly Dictionary<int, EventStream> streams = [];
    readonly Dictionary<long, byte[]> serverRequests = []; // our id -> the server's, as written
    readonly Action<McpSession> ended;
    IServerConnection? own;
    long lastServerRequest;
    int lastStream;
    bool isEnded;

    internal McpSession(string id, string principal, bool overSse, ServerLease lease, SessionOptions options, Action<McpSession> ended)
    {
        (Id, Principal, OverSse, this.options, this.ended) = (id, principal, overSse, options, ended);
        (own, shared) = (lease.Own, lease.Shared);
        replay = new(options.ReplayBytes);
        Listen = new(Gate, replay, overSse ? -1 : 0, resumable: !overSse, blocks: shared is null);
        streams[0] = Listen;
        Touch();
    }

    internal Lock Gate { get; } = new();
    internal EventStream Listen { get; }
    internal string Principal { get; }
    internal bool OverSse { get; }
    internal SharedServer? Shared => shared;

    /// <summary>The id that the client sends with each request.</summary>
    public string Id { get; }

    /// <summary>The negotiated revision (until then the one that the client asked for).</summary>
    public McpRevision Revision { get; internal set; }

    internal Action? ServerAnswered { get; init; }

    /// <summary>Another server to try when the first one does not take initialize; it is asked once.</summary>
    internal Func<ValueTask<IServerConnection?>>? OtherEra { get; set; }
    internal Action? WatchCalls { get; init; }
    internal bool IsReady { get; private set; }
    internal long LastUsed { get; private set; }
    internal bool PrimesStreams => Revision >= McpRevision.R20251125;

    ServerLink? Link => own?.Link ?? shared?.Link;

    internal void Touch() => LastUsed = Environment.TickCount64;

    // ---- client to server

    /// <summary>Sends a request; the call says what becomes of the response.</summary>
    internal ValueTask StartAsync(ClientCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        lock (Gate) calls.Add(call);
        Touch();
        if (shared is not null && shared.TryAnswer(this, call, message, envelope, out var answered)) return answered;
        if (Link is { } link) return link.SendRequestAsync(call, message, envelope);
        call.OnLost("the server is being restarted; try again");
        return default;
    }

    /// <summary>Sends on a notification or a response of the client.</summary>
    internal ValueTask ForwardAsync(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        Touch();
        if (Link is not { } link) return default;
        Span<byte> space = stackalloc byte[20];
        if (envelope.Kind == MessageKind.Response)
        {
            byte[]? serverId;
            lock (Gate) serverRequests.Remove(envelope.OwnId(message), out serverId);
            return serverId is null ? default : link.SendAsync(new Splice(message, envelope.Id, serverId));
        }
        if (envelope.Method == KnownMethod.Cancelled)
        {
            var call = FindCall(envelope.RequestId.Of(message));
            if (call is null || call.Id == 0) return default;
            call.CancelledAt = Environment.TickCount64;
            WatchCalls?.Invoke();
            return link.SendAsync(new Splice(message, envelope.RequestId, Splice.Number(call.Id, space)));
        }
        // A shared server was initialised by us and knows of no roots or requests of its own.
        if (shared is not null && envelope.Method is KnownMethod.Initialized or KnownMethod.RootsChanged or KnownMethod.Progress) return default;
        return link.SendAsync(new Splice(message));
    }

    ClientCall? FindCall(ReadOnlySpan<byte> clientId)
    {
        lock (Gate)
        {
            foreach (var call in calls)
            {
                if (call.HasClientId(clientId)) return call;
            }
        }
        return null;
    }

    internal void OnInitializeAnswered(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (!envelope.Result.IsPresent)
        {
            End("initialize was refused");
            return;
        }
        var version = McpRevisions.ParseJson(EnvelopeReader.FindProtocolVersion(message, envelope.Result).Of(message));
        if (version != McpRevision.Unknown) Revision = version;
        IsReady = true;
        ServerAnswered?.Invoke();
    }

    /// <summary>Tries initialize at a server of the other era; if there is none, <paramref name="otherwise"/> goes on. False when that was tried already.</summary>
    internal bool TryOtherEra(ClientCall call, byte[] initialize, Action otherwise)
    {
        Func<ValueTask<IServerConnection?>>? rent;
        lock (Gate)
        {
            rent = OtherEra;
            OtherEra = null;
            if (isEnded) rent = null;
        }
        if (rent is null) return false;
        _ = TryOtherEraAsync(rent, call, initialize, otherwise);
        return true;
    }

    async Task TryOtherEraAsync(Func<ValueTask<IServerConnection?>> rent, ClientCall call, byte[] initialize, Action otherwise)
    {
        IServerConnection? other = null;
        try
        {
            other = await rent();
        }
        catch (ServerUnavailableException)
        {
            // then the first server's word stands
        }
        if (other is null)
        {
            otherwise();
            return;
        }
        IServerConnection? former;
        lock (Gate)
        {
            former = own;
            if (!isEnded) own = other;
        }
        (own == other ? former : other)?.Stop();
        if (own != other) return;
        other.Link.Adopt(this);
        await other.Link.SendRequestAsync(call, initialize, EnvelopeReader.Read(initialize));
    }

    internal void OnInitialized(McpRevision revision)
    {
        Revision = revision;
        IsReady = true;
    }

    internal void Closed(ClientCall call)
    {
        calls.Remove(call);
        Touch();
    }

    // ---- server to client

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        Span<byte> space = stackalloc byte[20];
        if (envelope.Kind == MessageKind.Request)
        {
            long id;
            lock (Gate) serverRequests[id = ++lastServerRequest] = envelope.Id.Of(message).ToArray();
            return SendRelated(new Splice(message, envelope.Id, Splice.Number(id, space)), related);
        }
        switch (envelope.Method)
        {
            case KnownMethod.Cancelled:
                var ours = FindServerRequest(envelope.RequestId.Of(message));
                return ours == 0 ? default : SendRelated(new Splice(message, envelope.RequestId, Splice.Number(ours, space)), related);
            case KnownMethod.ListChanged or KnownMethod.ResourceUpdated:
                return SendUnrelated(new Splice(message));
            default:
                return SendRelated(new Splice(message), related);
        }
    }

    long FindServerRequest(ReadOnlySpan<byte> serverId)
    {
        lock (Gate)
        {
            foreach (var (ours, id) in serverRequests)
            {
                if (serverId.SequenceEqual(id)) return ours;
            }
        }
        return 0;
    }

    // Legacy stdio does not say which request a message belongs to: the newest call is the best guess.
    internal ValueTask SendRelated(Splice message, PendingCall? related = null)
    {
        if (related is ClientCall known) return known.Send(message);
        lock (Gate)
        {
            for (var i = calls.Count - 1; i >= 0; i--)
            {
                if (calls[i].Method is not (KnownMethod.Initialize or KnownMethod.Ping) && calls[i].CancelledAt == 0) return calls[i].Send(message);
            }
            return Listen.Add(message);
        }
    }

    internal ValueTask SendUnrelated(Splice message)
    {
        lock (Gate) return Listen.Add(message);
    }

    ValueTask ISharedListener.OnChange(ReadOnlySpan<byte> message, in Envelope envelope) => SendUnrelated(new Splice(message));

    void IServerMessages.OnLinkEnded(ServerLink link, string reason)
    {
        lock (Gate)
        {
            if (link != Link) return; // a former server
            // The call to initialize is told next, and may find another server.
            if (OtherEra is not null && calls.Exists(call => call.Method == KnownMethod.Initialize)) return;
        }
        End(reason);
    }

    // ---- streams

    internal EventStream NewStream()
    {
        lock (Gate)
        {
            if (OverSse) return Listen;
            var stream = new EventStream(Gate, replay, ++lastStream, resumable: true, blocks: shared is null);
            return streams[lastStream] = stream;
        }
    }

    /// <summary>The stream that an event id belongs to, and the event's place in it.</summary>
    internal EventStream? FindStream(ReadOnlySpan<char> eventId, out long sequence)
    {
        sequence = 0;
        var dot = eventId.IndexOf('.');
        if (dot < 0 || !int.TryParse(eventId[..dot], out var number) || !long.TryParse(eventId[(dot + 1)..], out sequence)) return null;
        lock (Gate) return streams.TryGetValue(number, out var stream) && stream.Knows(sequence) ? stream : null;
    }

    internal Task ListenAsync(HttpContext http, long? after, EventStream stream)
        => stream.PumpAsync(http, after, prime: after is null && PrimesStreams && !OverSse, options);

    // ---- time and end

    /// <summary>Calls under way.</summary>
    internal int CallCount
    {
        get
        {
            lock (Gate) return calls.Count;
        }
    }

    /// <summary>Turns held responses into streams, ends cancelled calls, forgets old streams. True while anything is held.</summary>
    internal bool Tick(long now)
    {
        var anyHeld = false;
        lock (Gate)
        {
            for (var i = calls.Count - 1; i >= 0; i--)
            {
                var call = calls[i];
                if (call.CancelledAt != 0 && now - call.CancelledAt > options.CancelGrace.TotalMilliseconds)
                {
                    Link?.Forget(call);
                    call.Abandon();
                    continue;
                }
                if (call.CancelledAt != 0) anyHeld = true;
                if (call.Stream is not null) continue;
                // An answer to initialize is waited for longer: it decides whether there is a session id to give.
                var hold = call.Method == KnownMethod.Initialize ? options.Hold * 10 : options.Hold;
                if (now - call.StartedAt >= hold.TotalMilliseconds) call.BecomeStream();
                else anyHeld = true;
            }
        }
        return anyHeld;
    }

    /// <summary>Looks at what takes long. True when the session is to end, with the reason.</summary>
    internal bool IsOver(long now, out string reason)
    {
        reason = "";
        lock (Gate)
        {
            foreach (var stream in streams.Values)
            {
                if (stream == Listen || !stream.IsComplete || stream.IsAttached) continue;
                if (stream.EndedAt == 0) stream.EndedAt = now;
                if (now - stream.EndedAt < options.ReplayAge.TotalMilliseconds) continue;
                stream.Clear();
                streams.Remove(stream.Number);
            }
            if (!IsReady)
            {
                reason = $"the server did not answer initialize within {options.StartLimit.TotalSeconds:0} seconds";
                return now - LastUsed > options.StartLimit.TotalMilliseconds;
            }
            foreach (var stream in streams.Values)
            {
                if (stream.IsAttached) return false;
            }
            reason = "the session was idle";
            return calls.Count == 0 && now - LastUsed > options.IdleLimit.TotalMilliseconds;
        }
    }

    /// <summary>Ends the session, and its server unless others use it.</summary>
    public void End(string reason)
    {
        ClientCall[] left;
        lock (Gate)
        {
            if (isEnded) return;
            isEnded = true;
            left = [.. calls];
        }
        ended(this);
        foreach (var call in left)
        {
            Link?.Forget(call);
            call.OnLost(reason);
        }
        lock (Gate)
        {
            foreach (var stream in streams.Values) stream.Complete();
        }
        shared?.Leave(this);
        own?.Stop();
    }
}
