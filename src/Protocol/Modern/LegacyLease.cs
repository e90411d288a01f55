using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>A legacy server that serves one call of a modern client at a time, initialised with that client's capabilities.</summary>
sealed class LegacyLease(IServerConnection connection, string key) : IServerMessages
{
    const int MaxEarly = 16;
    readonly Lock gate = new();
    readonly List<byte[]> early = [];
    string? level;

    public IServerConnection Connection => connection;
    public string Key => key;
    public long IdleSince { get; set; }
    public bool IsBroken { get; private set; }
    public Conversation? Current { get; set; }
    public ResultAdditions Additions { get; private set; } = null!;

    public async Task InitializeAsync(byte[] capabilities, byte[] clientInfo, TimeSpan limit, CancellationToken cancellationToken)
    {
        connection.Link.Adopt(this);
        if (clientInfo.Length == 0) clientInfo = [.. @"{""name"":""mcpcan-bridge"",""version"":""0.1.0""}"u8];
        byte[] initialize = [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":""initialize"",""params"":{""protocolVersion"":""2025-11-25"",""capabilities"":"u8, .. capabilities, .. @",""clientInfo"":"u8, .. clientInfo, .. "}}"u8];
        var answer = await AwaitedCall.AskAsync(connection.Link, initialize, limit, cancellationToken);
        var result = JsonEdit.Member(answer, "result"u8);
        if (result.IsEmpty) throw new ServerUnavailableException("the server refused initialize");
        Additions = new(result);
        await connection.Link.SendAsync(new Splice(@"{""jsonrpc"":""2.0"",""method"":""notifications/initialized""}"u8));
    }

    /// <summary>Sets the log level that the call asks for, unless it is set; the answer does not matter.</summary>
    public ValueTask SetLevelAsync(string wanted)
    {
        if (wanted == level) return default;
        level = wanted;
        var message = RpcMessage.Request("logging/setLevel", "level", wanted);
        return connection.Link.SendRequestAsync(new AwaitedCall(), message, EnvelopeReader.Read(message));
    }

    /// <summary>Takes what the server asked for while no call could carry it on.</summary>
    public byte[][] TakeEarly()
    {
        lock (gate)
        {
            byte[][] all = [.. early];
            early.Clear();
            return all;
        }
    }

    /// <summary>Keeps a request of the server for the next call that can carry it on.</summary>
    public bool Keep(ReadOnlySpan<byte> request)
    {
        lock (gate)
        {
            if (early.Count >= MaxEarly) return false;
            early.Add(request.ToArray());
            return true;
        }
    }

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        if (envelope.Kind == MessageKind.Request)
        {
            if (envelope.Method == KnownMethod.Ping) return link.SendAsync(new Splice(RpcMessage.Result(envelope.Id.Of(message), "{}"u8)));
            if (Current is { } current) return current.OnServerRequest(message, envelope);
            if (Keep(message)) return default;
            return Refuse(link, envelope.Id.Of(message));
        }
        return envelope.Method switch
        {
            KnownMethod.LogMessage => Current?.OnLog(message) ?? default,
            KnownMethod.Cancelled => Current?.OnServerCancelled(envelope.RequestId.Of(message)) ?? default,
            _ => default, // changes are told by the shared server's subscriptions
        };
    }

    public static ValueTask Refuse(ServerLink link, ReadOnlySpan<byte> id)
        => link.SendAsync(new Splice(RpcMessage.Error(id, McpErrors.MethodNotFound, "The client does not offer this")));

    void IServerMessages.OnLinkEnded(ServerLink link, string reason) => IsBroken = true;
}
