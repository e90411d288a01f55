using System.Text;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Links;

namespace McpCan.Protocol.Sessions;

/// <summary>
/// One server behind several sessions. It is initialised once, without sampling, elicitation and roots: a legacy
/// stdio server does not say whose call its requests belong to. Each client is answered from the stored result.
/// </summary>
public sealed class SharedServer : IServerMessages
{
    static readonly byte[] Initialize =
        [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":""initialize"",""params"":{""protocolVersion"":""2025-11-25"",""capabilities"":{},""clientInfo"":{""name"":""mcpcan-bridge"",""version"":""0.1.0""}}}"u8];
    static readonly byte[] Initialized = [.. @"{""jsonrpc"":""2.0"",""method"":""notifications/initialized""}"u8];

    readonly Lock gate = new();
    readonly HashSet<McpSession> sessions = [];
    readonly Dictionary<string, HashSet<McpSession>> subscriptions = [];
    byte[] initializeResult = [];
    TextRange versionInResult;
    McpRevision serverRevision;

    /// <summary>The link to the server, once it is initialised.</summary>
    public ServerLink? Link { get; private set; }

    /// <summary>Called when the server has gone.</summary>
    public Action<string>? Ended { get; init; }

    /// <summary>Receives log messages of the server that cannot be given to one client.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Sessions that use the server.</summary>
    public int SessionCount
    {
        get
        {
            lock (gate) return sessions.Count;
        }
    }

    /// <summary>Initialises a (new) server and renews the subscriptions. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async Task ConnectAsync(ServerLink link, CancellationToken cancellationToken)
    {
        var call = new OwnCall();
        await link.SendRequestAsync(call, Initialize, EnvelopeReader.Read(Initialize));
        var answer = await call.Answer.WaitAsync(cancellationToken);
        var envelope = EnvelopeReader.Read(answer);
        if (!envelope.Result.IsPresent) throw new ServerUnavailableException("the server refused initialize: " + Encoding.UTF8.GetString(answer));
        var version = EnvelopeReader.FindProtocolVersion(answer, envelope.Result);
        serverRevision = McpRevisions.ParseJson(version.Of(answer));
        versionInResult = new(version.Start - envelope.Result.Start, version.Length);
        initializeResult = envelope.Result.Of(answer).ToArray();
        await link.SendAsync(new Splice(Initialized));
        string[] uris;
        lock (gate)
        {
            Link = link;
            uris = [.. subscriptions.Keys];
        }
        foreach (var uri in uris) await Subscribe("resources/subscribe", uri);
    }

    internal void Join(McpSession session)
    {
        lock (gate) sessions.Add(session);
    }

    internal void Leave(McpSession session)
    {
        List<string> unused = [];
        lock (gate)
        {
            sessions.Remove(session);
            foreach (var (uri, subscribers) in subscriptions)
            {
                if (subscribers.Remove(session) && subscribers.Count == 0) unused.Add(uri);
            }
            foreach (var uri in unused) subscriptions.Remove(uri);
        }
        foreach (var uri in unused) _ = Subscribe("resources/unsubscribe", uri);
    }

    /// <summary>Answers what the server must not see once for each client.</summary>
    internal bool TryAnswer(McpSession session, ClientCall call, ReadOnlySpan<byte> message, in Envelope envelope, out ValueTask answered)
    {
        answered = default;
        switch (envelope.Method)
        {
            case KnownMethod.Initialize:
                answered = AnswerInitialize(session, call);
                return true;
            case KnownMethod.Subscribe when Uri(message, envelope) is { } uri:
                lock (gate)
                {
                    if (!subscriptions.TryGetValue(uri, out var subscribers)) subscriptions[uri] = subscribers = [];
                    subscribers.Add(session);
                }
                return false;
            case KnownMethod.Unsubscribe when Uri(message, envelope) is { } uri:
                lock (gate)
                {
                    if (!subscriptions.TryGetValue(uri, out var subscribers) || !subscribers.Remove(session)) return false;
                    if (subscribers.Count == 0)
                    {
                        subscriptions.Remove(uri);
                        return false;
                    }
                }
                answered = call.FinishWith("{}"u8); // others still listen
                return true;
            default:
                return false;
        }
    }

    // Version negotiation: what the client asked for, unless the server is older.
    ValueTask AnswerInitialize(McpSession session, ClientCall call)
    {
        var revision = session.Revision is McpRevision.Unknown || session.Revision > serverRevision && serverRevision != McpRevision.Unknown
            ? serverRevision : session.Revision;
        session.OnInitialized(revision);
        if (!versionInResult.IsPresent) return call.FinishWith(initializeResult);
        var version = Encoding.ASCII.GetBytes($"\"{revision.Name()}\"");
        var splice = new Splice(initializeResult, versionInResult, version);
        var result = new byte[splice.Length];
        splice.CopyTo(result, oneLine: false);
        return call.FinishWith(result);
    }

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        if (envelope.Kind == MessageKind.Request)
        {
            var id = envelope.Id.Of(message);
            return link.SendAsync(new Splice(envelope.Method == KnownMethod.Ping
                ? RpcMessage.Result(id, "{}"u8)
                : RpcMessage.Error(id, McpErrors.MethodNotFound, "The client does not offer this: the server is shared by several clients")));
        }
        switch (envelope.Method)
        {
            case KnownMethod.ListChanged:
                Broadcast(All(), message);
                break;
            case KnownMethod.ResourceUpdated when Uri(message, envelope) is { } uri:
                Broadcast(Subscribers(uri), message);
                break;
            case KnownMethod.LogMessage:
                // A line about one client's call is not for another client's eyes.
                if (OnlyBusySession() is { } session) return session.SendRelated(new Splice(message));
                Log?.Invoke(Encoding.UTF8.GetString(message));
                break;
        }
        return default;
    }

    McpSession[] All()
    {
        lock (gate) return [.. sessions];
    }

    McpSession[] Subscribers(string uri)
    {
        lock (gate)
        {
            // The uri may be that of a part of the subscribed resource (spec: server/resources, Subscriptions).
            return [.. subscriptions.Where(s => uri.StartsWith(s.Key, StringComparison.Ordinal)).SelectMany(s => s.Value).Distinct()];
        }
    }

    static void Broadcast(McpSession[] receivers, ReadOnlySpan<byte> message)
    {
        foreach (var session in receivers) _ = session.SendUnrelated(new Splice(message)).AsTask();
    }

    McpSession? OnlyBusySession()
    {
        McpSession? only = null;
        lock (gate)
        {
            foreach (var session in sessions)
            {
                var count = session.CallCount;
                if (count == 0) continue;
                if (count > 1 || only is not null) return null;
                only = session;
            }
        }
        return only;
    }

    void IServerMessages.OnLinkEnded(ServerLink link, string reason)
    {
        lock (gate)
        {
            if (Link == link) Link = null;
        }
        Ended?.Invoke(reason);
    }

    static string? Uri(ReadOnlySpan<byte> message, in Envelope envelope) => JsonText.Read(envelope.Uri.Of(message));

    async Task Subscribe(string method, string uri)
    {
        if (Link is not { } link) return;
        var message = RpcMessage.Request(method, "uri", uri);
        await link.SendRequestAsync(new OwnCall(), message, EnvelopeReader.Read(message));
    }

    sealed class OwnCall : PendingCall
    {
        readonly TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<byte[]> Answer => answer.Task;

        public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
        {
            answer.TrySetResult(message.ToArray());
            return default;
        }

        public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => default;

        public override void OnLost(string reason)
        {
            answer.TrySetException(new ServerUnavailableException(reason));
            _ = answer.Task.Exception; // nobody waits for the answer to an unsubscribe
        }
    }
}
