using System.Text;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Modern;

namespace McpCan.Protocol.Sessions;

/// <summary>Someone who is told of a shared server's changes.</summary>
interface ISharedListener
{
    /// <summary>A list has changed, or a resource that was subscribed to.</summary>
    ValueTask OnChange(ReadOnlySpan<byte> message, in Envelope envelope);
}

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
    readonly HashSet<ISharedListener> listeners = [];
    readonly Dictionary<string, HashSet<ISharedListener>> subscriptions = [];
    string? logLevel; // what a client asked for last
    byte[] initializeResult = [];
    TextRange versionInResult;
    McpRevision serverRevision;

    /// <summary>A server that is not connected yet.</summary>
    public SharedServer() => Tools = new(AskAsync, ListTools, TimeProvider.System);

    /// <summary>The link to the server, once it is initialised.</summary>
    public ServerLink? Link { get; private set; }

    internal ToolHeaders Tools { get; }

    /// <summary>The server's capabilities and name, as it gave them.</summary>
    internal ReadOnlySpan<byte> InitializeResult => initializeResult;

    /// <summary>What makes its results those of the modern era.</summary>
    internal ResultAdditions Additions { get; private set; } = new("{}"u8);

    /// <summary>Whether anybody uses the server now.</summary>
    public bool IsUsed
    {
        get
        {
            lock (gate)
            {
                if (sessions.Count + listeners.Count > 0) return true;
            }
            return Link is { PendingCount: > 0 };
        }
    }

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

    /// <summary>Initialises a (new) server and renews the log level and the subscriptions. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async Task ConnectAsync(ServerLink link, CancellationToken cancellationToken)
    {
        var call = new AwaitedCall();
        await link.SendRequestAsync(call, Initialize, EnvelopeReader.Read(Initialize));
        var answer = await call.Answer.WaitAsync(cancellationToken);
        var envelope = EnvelopeReader.Read(answer);
        if (!envelope.Result.IsPresent) throw new ServerUnavailableException("the server refused initialize: " + Encoding.UTF8.GetString(answer));
        var version = EnvelopeReader.FindProtocolVersion(answer, envelope.Result);
        serverRevision = McpRevisions.ParseJson(version.Of(answer));
        versionInResult = new(version.Start - envelope.Result.Start, version.Length);
        initializeResult = envelope.Result.Of(answer).ToArray();
        Additions = new(initializeResult);
        await link.SendAsync(new Splice(Initialized));
        string[] uris;
        string? level;
        lock (gate)
        {
            Link = link;
            level = logLevel;
            uris = [.. subscriptions.Keys];
        }
        if (level is not null) await Ask("logging/setLevel", "level", level);
        foreach (var uri in uris) await Subscribe("resources/subscribe", uri);
    }

    internal void Join(McpSession session)
    {
        lock (gate) sessions.Add(session);
    }

    internal void Join(ISharedListener listener)
    {
        lock (gate) listeners.Add(listener);
    }

    /// <summary>Subscribes a listener to a resource; the server is asked when it is the first.</summary>
    internal void Subscribe(ISharedListener listener, string uri)
    {
        bool isFirst;
        lock (gate) isFirst = AddSubscriber(listener, uri);
        if (isFirst) _ = Subscribe("resources/subscribe", uri);
    }

    bool AddSubscriber(ISharedListener listener, string uri)
    {
        if (!subscriptions.TryGetValue(uri, out var subscribers)) subscriptions[uri] = subscribers = [];
        return subscribers.Add(listener) && subscribers.Count == 1;
    }

    internal void Leave(ISharedListener session)
    {
        List<string> unused = [];
        lock (gate)
        {
            if (session is McpSession ended) sessions.Remove(ended);
            else listeners.Remove(session);
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
                lock (gate) AddSubscriber(session, uri);
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
            case KnownMethod.SetLevel when JsonText.Read(envelope.LogLevel.Of(message)) is { } level:
                lock (gate) logLevel = level;
                return false;
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
            if (envelope.Method != KnownMethod.Ping && link.FindOnly() is SharedCall call && MissingCapability(message, envelope) is { } capability)
                _ = call.OnMissingCapability(capability).AsTask();
            return link.SendAsync(new Splice(envelope.Method == KnownMethod.Ping
                ? RpcMessage.Result(id, "{}"u8)
                : RpcMessage.Error(id, McpErrors.MethodNotFound, "The client does not offer this: the server is shared by several clients")));
        }
        switch (envelope.Method)
        {
            case KnownMethod.ListChanged:
                Broadcast(All(), message, envelope);
                break;
            case KnownMethod.ResourceUpdated when Uri(message, envelope) is { } uri:
                Broadcast(Subscribers(uri), message, envelope);
                break;
            case KnownMethod.LogMessage:
                // A line about one client's call is not for another client's eyes.
                if (OnlyBusySession() is { } session) return session.SendRelated(new Splice(message));
                Log?.Invoke(Encoding.UTF8.GetString(message));
                break;
        }
        return default;
    }

    // With one call under way it is certain which call a request belongs to.
    static string? MissingCapability(ReadOnlySpan<byte> message, in Envelope envelope) => JsonText.Read(envelope.MethodName.Of(message)) switch
    {
        "sampling/createMessage" => "sampling",
        "elicitation/create" => "elicitation",
        "roots/list" => "roots",
        _ => null,
    };

    ISharedListener[] All()
    {
        lock (gate) return [.. sessions, .. listeners];
    }

    ISharedListener[] Subscribers(string uri)
    {
        lock (gate)
        {
            // The uri may be that of a part of the subscribed resource (spec: server/resources, Subscriptions).
            return [.. subscriptions.Where(s => uri.StartsWith(s.Key, StringComparison.Ordinal)).SelectMany(s => s.Value).Distinct()];
        }
    }

    static void Broadcast(ISharedListener[] receivers, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        foreach (var receiver in receivers) _ = receiver.OnChange(message, envelope).AsTask();
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

    Task Subscribe(string method, string uri) => Ask(method, "uri", uri);

    async Task Ask(string method, string name, string value)
    {
        if (Link is not { } link) return;
        var message = RpcMessage.Request(method, name, value);
        await link.SendRequestAsync(new AwaitedCall(), message, EnvelopeReader.Read(message));
    }

    async Task<byte[]> AskAsync(byte[] message, CancellationToken cancellationToken)
        => await AwaitedCall.AskAsync(Link ?? throw new ServerUnavailableException("the server is being restarted"), message, TimeSpan.FromSeconds(60), cancellationToken);

    static byte[] ListTools(string? cursor) => cursor is null
        ? [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":""tools/list"",""params"":{}}"u8]
        : RpcMessage.Request("tools/list", "cursor", cursor);
}
