using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>
/// One server of the modern era behind any number of users, which need not know each other: each request says all
/// that the server must know. A server that has gone is connected anew by the next request.
/// </summary>
public sealed class ModernServer : IServerMessages
{
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60), DiscoverAge = TimeSpan.FromMinutes(5);

    readonly Lock gate = new();
    readonly Func<CancellationToken, Task<ServerLink>> connect;
    readonly TimeProvider time;
    ServerLink? link;
    Task<ServerLink>? connecting;
    Task<byte[]>? discovering;
    long discoveredAt;

    /// <summary>A server that is reached by <paramref name="connect"/> when it is first needed. It may throw <see cref="ServerUnavailableException"/>.</summary>
    public ModernServer(Func<CancellationToken, Task<ServerLink>> connect, TimeProvider time)
    {
        this.connect = connect;
        this.time = time;
        Tools = new(AskAsync, ModernMessage.ListTools, time);
    }

    /// <summary>Receives log lines of the server that cannot be given to one call.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Called when the server has gone.</summary>
    public Action<string>? Ended { get; init; }

    /// <summary>The link to the server while there is one.</summary>
    public ServerLink? Link => Volatile.Read(ref link);

    /// <summary>Requests that wait for their answer.</summary>
    public int PendingCount => Link?.PendingCount ?? 0;

    internal ToolHeaders Tools { get; }

    /// <summary>The link to the server, connected now if need be. Throws <see cref="ServerUnavailableException"/>.</summary>
    public ValueTask<ServerLink> LinkAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (link is not null) return new(link);
            if (connecting is null or { IsCompleted: true }) connecting = Task.Run(ConnectAsync, CancellationToken.None);
            return new(connecting.WaitAsync(cancellationToken));
        }
    }

    async Task<ServerLink> ConnectAsync()
    {
        var connected = await connect(CancellationToken.None);
        if (connected is StreamableHttpLink http) http.ParameterHeaders = Tools.MirrorAsync;
        lock (gate) link = connected;
        connected.Adopt(this); // a link that has ended meanwhile says so here
        return connected;
    }

    /// <summary>The result of server/discover, read once and again from time to time. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async Task<byte[]> DiscoverAsync(CancellationToken cancellationToken)
    {
        Task<byte[]> task;
        lock (gate)
        {
            var isOld = discovering is { IsCompleted: true } && time.GetElapsedTime(discoveredAt) > DiscoverAge;
            if (discovering is null or { IsFaulted: true } || isOld)
            {
                discoveredAt = time.GetTimestamp();
                discovering = Task.Run(ReadDiscoverAsync, CancellationToken.None);
            }
            task = discovering;
        }
        return await task.WaitAsync(cancellationToken);
    }

    async Task<byte[]> ReadDiscoverAsync()
    {
        var answer = await AskAsync(ModernMessage.Discover(), CancellationToken.None);
        var result = JsonEdit.Member(answer, "result"u8);
        return result.IsEmpty ? throw new ServerUnavailableException("the server refused server/discover") : result.ToArray();
    }

    /// <summary>The versions that the server says it speaks.</summary>
    internal async Task<IReadOnlyList<string>> VersionsAsync(CancellationToken cancellationToken)
        => JsonEdit.Strings(JsonEdit.Member(await DiscoverAsync(cancellationToken), "supportedVersions"u8));

    internal async Task<byte[]> AskAsync(byte[] message, CancellationToken cancellationToken)
        => await AwaitedCall.AskAsync(await LinkAsync(cancellationToken), message, AnswerLimit, cancellationToken);

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        if (envelope.Kind == MessageKind.Request)
        {
            // A modern server must not send requests (basic/transports/stdio, Receiving Messages).
            var id = envelope.Id.Of(message);
            return link.SendAsync(new Splice(envelope.Method == KnownMethod.Ping
                ? RpcMessage.Result(id, "{}"u8)
                : RpcMessage.Error(id, McpErrors.MethodNotFound, "Requests of the server are not part of this protocol revision")));
        }
        if (envelope.SubscriptionId.IsPresent)
        {
            return link.Find(Envelope.ReadInteger(envelope.SubscriptionId.Of(message)))?.OnNotification(message, envelope) ?? default;
        }
        if (envelope.Method == KnownMethod.Cancelled)
        {
            if (link.Find(Envelope.ReadInteger(envelope.RequestId.Of(message))) is { } ended && link.Forget(ended)) ended.OnEnded();
            return default;
        }
        if (related is not null) return related.OnNotification(message, envelope);
        if (envelope.Method != KnownMethod.LogMessage) return default;
        if (link.FindLogReader() is { } reader) return reader.OnNotification(message, envelope);
        Log?.Invoke(System.Text.Encoding.UTF8.GetString(message));
        return default;
    }

    void IServerMessages.OnLinkEnded(ServerLink link, string reason)
    {
        lock (gate)
        {
            if (this.link != link) return;
            this.link = null;
            discovering = null;
        }
        Ended?.Invoke(reason);
    }
}
