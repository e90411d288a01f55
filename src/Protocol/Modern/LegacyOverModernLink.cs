using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>
/// A modern server as a legacy session sees it, so that legacy clients of either HTTP transport use it unchanged.
/// <code>
/// initialize: from server/discover                ping, logging/setLevel: answered here
/// a request: the same with the session's metadata
/// an input_required: requests to the client, then the request again with their answers (<see cref="InputRound"/>)
/// list changes and updates: one subscriptions/listen, opened anew when a subscription comes or goes
/// </code>
/// The server may be shared with others and may be restarted meanwhile: the session goes on.
/// </summary>
public sealed class LegacyOverModernLink : ServerLink, IServerConnection
{
    const int MaxServerRequests = 100;

    readonly ModernServer server;
    readonly ModernSubscription subscription;
    readonly Dictionary<long, InnerCall> running = [];                          // the session's id -> the call at the server
    readonly Dictionary<long, (InputRound Round, string Key)> asked = [];       // our id -> what the client was asked
    byte[] clientInfo = [.. @"{""name"":""mcpcan-bridge"",""version"":""0.1.0""}"u8], clientCapabilities = [.. "{}"u8], logLevel = [], meta = [];
    long lastAsked;

    /// <summary>A link for one session.</summary>
    public LegacyOverModernLink(ModernServer server)
    {
        this.server = server;
        subscription = new(this, server);
        RebuildMeta();
    }

    ServerLink IServerConnection.Link => this;

    /// <summary>Ends the session's part; the server stays.</summary>
    public void Stop()
    {
        subscription.Stop();
        End("the session has ended");
    }

    /// <summary>The session's metadata, as members of an object.</summary>
    internal ReadOnlySpan<byte> Meta => meta;

    internal string? LogAudience => logLevel.Length == 0 ? null : audience;

    readonly string audience = Guid.NewGuid().ToString("N");

    void RebuildMeta()
    {
        byte[] level = logLevel.Length == 0 ? [] : [.. @",""io.modelcontextprotocol/logLevel"":"u8, .. logLevel];
        meta = [.. @"""io.modelcontextprotocol/protocolVersion"":""2026-07-28"",""io.modelcontextprotocol/clientInfo"":"u8, .. clientInfo,
            .. @",""io.modelcontextprotocol/clientCapabilities"":"u8, .. clientCapabilities, .. level];
    }

    // ---- from the session

    /// <inheritdoc/>
    public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        string? reason;
        lock (Gate) reason = Register(call);
        if (reason is not null)
        {
            call.OnLost(reason);
            return default;
        }
        switch (envelope.Method)
        {
            case KnownMethod.Initialize:
                if (envelope.ClientInfo.Of(message) is [(byte)'{', ..] info) clientInfo = info.ToArray();
                if (envelope.ClientCapabilities.Of(message) is [(byte)'{', ..] capabilities) clientCapabilities = capabilities.ToArray();
                RebuildMeta();
                return new(InitializeAsync(call, McpRevisions.ParseJson(envelope.ProtocolVersion.Of(message))));
            case KnownMethod.Ping:
                return Answer(call, "{}"u8);
            case KnownMethod.SetLevel:
                logLevel = envelope.LogLevel.Of(message) is [(byte)'"', ..] level ? level.ToArray() : [];
                RebuildMeta();
                return Answer(call, "{}"u8);
            case KnownMethod.Subscribe or KnownMethod.Unsubscribe:
                return new(SubscribeAsync(call, JsonText.Read(envelope.Uri.Of(message)), envelope.Method == KnownMethod.Subscribe));
        }
        subscription.Renew();
        var request = ModernRequest.From(message, envelope, meta, out var at);
        return Send(new InnerCall(this, call, request, at));
    }

    /// <summary>Sends a request, or the same again with the client's inputs, to the server.</summary>
    internal ValueTask Send(InnerCall inner)
    {
        lock (Gate)
        {
            if (Find(inner.Outer.Id) != inner.Outer) return default; // cancelled meanwhile
            running[inner.Outer.Id] = inner;
        }
        if (server.Link is { } link) return inner.SendAsync(link);
        return new(ConnectAndSendAsync(inner));
    }

    async Task ConnectAndSendAsync(InnerCall inner)
    {
        try
        {
            await inner.SendAsync(await server.LinkAsync(CancellationToken.None));
        }
        catch (ServerUnavailableException e)
        {
            inner.OnLost(e.Message);
        }
    }

    async Task InitializeAsync(PendingCall call, McpRevision revision)
    {
        try
        {
            var discovered = await server.DiscoverAsync(CancellationToken.None);
            subscription.Capabilities = JsonEdit.Member(discovered, "capabilities"u8).ToArray();
            if (revision is McpRevision.Unknown or > McpRevision.R20251125) revision = McpRevision.R20251125;
            await Answer(call, InitializeResult(discovered, revision));
        }
        catch (ServerUnavailableException e)
        {
            if (base.Forget(call)) call.OnLost(e.Message);
        }
    }

    static byte[] InitializeResult(ReadOnlySpan<byte> discovered, McpRevision revision)
    {
        var info = JsonEdit.Member(JsonEdit.Member(discovered, "_meta"u8), "io.modelcontextprotocol/serverInfo"u8);
        if (info.IsEmpty) info = JsonEdit.Member(discovered, "serverInfo"u8);
        if (info.IsEmpty) info = @"{""name"":""server"",""version"":""0""}"u8;
        var capabilities = JsonEdit.Member(discovered, "capabilities"u8);
        var instructions = JsonEdit.Member(discovered, "instructions"u8);
        return [.. @"{""protocolVersion"":"""u8, .. System.Text.Encoding.ASCII.GetBytes(revision.Name()), .. @""",""capabilities"":"u8, .. capabilities.IsEmpty ? "{}"u8 : capabilities,
            .. @",""serverInfo"":"u8, .. info, .. instructions.IsEmpty ? default : @",""instructions"":"u8, .. instructions, (byte)'}'];
    }

    async Task SubscribeAsync(PendingCall call, string? uri, bool on)
    {
        try
        {
            if (uri is null) await Fail(call, McpErrors.InvalidParams, "Invalid params: uri must be a string");
            else if (await subscription.ChangeAsync(uri, on)) await Answer(call, "{}"u8.ToArray());
            else await Fail(call, McpErrors.InvalidParams, "The server does not take the subscription");
        }
        catch (ServerUnavailableException e)
        {
            if (base.Forget(call)) call.OnLost(e.Message);
        }
    }

    /// <summary>Answers a call in place of the server.</summary>
    ValueTask Answer(PendingCall call, ReadOnlySpan<byte> result) => Deliver(call, RpcMessage.Result("0"u8, result));

    internal ValueTask Fail(PendingCall call, int code, string message) => Deliver(call, RpcMessage.Error("0"u8, code, message));

    ValueTask Deliver(PendingCall call, byte[] answer) => Take(call) ? call.OnAnswer(answer, EnvelopeReader.Read(answer)) : default;

    /// <summary>Takes a call out of those that wait; false when it is none of them any more.</summary>
    internal bool Take(PendingCall call)
    {
        lock (Gate) running.Remove(call.Id);
        return base.Forget(call);
    }

    /// <inheritdoc/>
    public override bool Forget(PendingCall call)
    {
        Cancel(call.Id);
        return base.Forget(call);
    }

    void Cancel(long id)
    {
        InnerCall? inner;
        lock (Gate)
        {
            running.Remove(id, out inner);
            foreach (var (key, (round, _)) in asked)
            {
                if (round.Call.Outer.Id == id) asked.Remove(key);
            }
        }
        inner?.Cancel();
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message)
    {
        var bytes = new byte[message.Length];
        message.CopyTo(bytes, oneLine: false);
        var envelope = EnvelopeReader.Read(bytes);
        if (envelope.Kind == MessageKind.Response) return OnClientAnswer(bytes, envelope);
        switch (envelope.Method)
        {
            case KnownMethod.Initialized:
                subscription.Start();
                break;
            case KnownMethod.Cancelled:
                Cancel(Envelope.ReadInteger(envelope.RequestId.Of(bytes)));
                break;
        }
        return default; // the modern era has no other notifications from clients
    }

    // ---- to the session

    /// <summary>Asks the client something in the name of a call.</summary>
    internal ValueTask Ask(InputRound round, string key, ReadOnlySpan<byte> input)
    {
        long id;
        lock (Gate)
        {
            if (asked.Count >= MaxServerRequests) return default;
            asked[id = ++lastAsked] = (round, key);
        }
        var start = System.Text.Encoding.ASCII.GetBytes($"{{\"jsonrpc\":\"2.0\",\"id\":{id},");
        byte[] request = [.. start, .. input.TrimStart(" \t\r\n"u8)[1..]];
        return Owner?.OnServerMessage(this, request, EnvelopeReader.Read(request), round.Call.Outer) ?? default;
    }

    ValueTask OnClientAnswer(byte[] message, in Envelope envelope)
    {
        (InputRound Round, string Key) waiting;
        lock (Gate)
        {
            if (!asked.Remove(envelope.OwnId(message), out waiting)) return default;
        }
        return waiting.Round.OnAnswer(waiting.Key, message, envelope);
    }

    /// <summary>Gives the session a notification of the server.</summary>
    internal ValueTask Notify(ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
        => Owner?.OnServerMessage(this, message, envelope, related) ?? default;
}
