using System.Globalization;
using System.Text;
using McpCan.Protocol;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Sleep;

/// <summary>
/// The server of a session that began while it slept. What the definitions answer is answered from them; the first other request wakes
/// the server, and from then on everything passes.
/// <code>
///  initialize, lists, ping ──► definitions
///  anything else ──► wake ──► the client's own initialize, again ──► a session at the bridge ──► list_changed, when lists differ
/// </code>
/// </summary>
internal sealed class SleeperLink : ServerLink, IServerConnection, IServerMessages, IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90), FirstWord = TimeSpan.FromSeconds(1), NextWords = TimeSpan.FromSeconds(5);
    private static readonly byte[] Initialized = [.. @"{""jsonrpc"":""2.0"",""method"":""notifications/initialized""}"u8];

    private readonly SleepHost _host;
    private readonly string _principal;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped;
    private readonly Dictionary<long, Relay> _relays = []; // by our id
    private byte[] _initialize = [];
    private PinnedDefinitions? _told;
    private McpRevision _revision;
    private Task<ServerLink>? _waking;
    private volatile WorkloadConnection? _connection;
    private bool _isStopped;

    /// <summary>A link that is asleep until it is needed.</summary>
    public SleeperLink(SleepHost host, string principal) => (_host, _principal, _stopped) = (host, principal, _stop.Token);

    ServerLink IServerConnection.Link => this;

    /// <summary>The run that the session was taken to; null while it has needed none.</summary>
    public GatewayUpstream? Upstream => _connection?.Upstream;

    /// <inheritdoc/>
    public void Stop()
    {
        lock (Gate)
        {
            if (_isStopped) return;
            _isStopped = true;
        }
        _stop.Cancel();
        _host.Forget(this);
        _connection?.Stop();
        End("the session was ended");
        _stop.Dispose();
    }

    void IDisposable.Dispose() => Stop();

    // ---- client to server

    /// <inheritdoc/>
    public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        string? reason;
        lock (Gate) reason = Register(call);
        if (reason is not null) call.OnLost(reason);
        else _ = AnswerAsync(call, message.ToArray(), envelope);
        return default;
    }

    private async Task AnswerAsync(PendingCall call, byte[] message, Envelope envelope)
    {
        try
        {
            if (FromDefinitions(call, message, envelope) is { } answer)
            {
                await GiveAsync(answer);
                return;
            }
            var waking = WakeAsync();
            if (envelope.ProgressToken.IsPresent) await TellWakingAsync(call, waking);
            var link = await waking.WaitAsync(_stopped);
            if (!IsPending(call)) return; // cancelled meanwhile
            var relay = new Relay(this, call);
            lock (Gate) _relays[call.Id] = relay;
            await link.SendRequestAsync(relay, message, envelope);
        }
        catch (Exception e) when (e is ServerUnavailableException or OperationCanceledException)
        {
            await GiveAsync(RpcMessage.Error(IdOf(call), McpErrors.ServerUnavailable, e is ServerUnavailableException ? e.Message : "the session was ended"));
        }
    }

    private byte[]? FromDefinitions(PendingCall call, byte[] message, in Envelope envelope)
    {
        lock (Gate)
        {
            if (_waking is not null || !_host.IsAsleep) return null;
            var definitions = _host.Definitions;
            if (envelope.Method == KnownMethod.Initialize)
            {
                var revision = _host.Negotiate(McpRevisions.ParseJson(envelope.ProtocolVersion.Of(message)));
                if (revision == McpRevision.Unknown) return null;
                (_initialize, _told, _revision) = (message, definitions, revision);
                return RpcMessage.Result(IdOf(call), definitions.HelloIn(revision));
            }
            if (_told is null) return null;
            if (envelope.Method == KnownMethod.Ping) return RpcMessage.Result(IdOf(call), "{}"u8);
            if (JsonText.Read(envelope.MethodName.Of(message)) is not { } method || !PinnedDefinitions.Lists.ContainsKey(method)) return null;
            if (JsonSeek.Member(message, JsonSeek.Member(message, new(0, message.Length), "params"u8), "cursor"u8).IsPresent) return null;
            _told = definitions;
            return definitions.Results.TryGetValue(method, out var result) ? RpcMessage.Result(IdOf(call), result) : RpcMessage.Error(IdOf(call), McpErrors.MethodNotFound, "Method not found");
        }
    }

    private Task<ServerLink> WakeAsync()
    {
        lock (Gate)
        {
            if (_waking is null or { IsCompleted: true, IsCompletedSuccessfully: false }) _waking = ConnectAsync();
            return _waking;
        }
    }

    private async Task<ServerLink> ConnectAsync()
    {
        await Task.Yield(); // the caller holds the gate
        var connection = await _host.OpenAsync(_principal, _stopped);
        try
        {
            connection.Link.Adopt(this);
            if (_told is not null)
            {
                var hello = await AwaitedCall.AskAsync(connection.Link, _initialize, StartLimit, _stopped);
                var version = JsonSeek.Text(hello, JsonSeek.Member(hello, new(0, hello.Length), "result"u8), "protocolVersion"u8);
                if (McpRevisions.Parse(version) != _revision)
                {
                    _host.SpeaksOnlyItsOwn = true;
                    throw new ServerUnavailableException("the server does not take this version of the protocol any more; initialize again");
                }
                await connection.Link.SendAsync(new Splice(Initialized));
                TellChanges();
            }
            lock (Gate)
            {
                if (_isStopped) throw new ServerUnavailableException("the session was ended");
                _connection = connection;
            }
            return connection.Link;
        }
        catch
        {
            connection.Stop();
            throw;
        }
    }

    // A client that sees progress waits longer. The numbers must rise, and leave room for the server's own.
    private async Task TellWakingAsync(PendingCall call, Task waking)
    {
        var pause = FirstWord;
        for (var n = 0; ; n++, pause = NextWords)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stopped);
            var done = await Task.WhenAny(waking, Task.Delay(pause, _host.Time, stop.Token)) == waking;
            await stop.CancelAsync();
            if (done || _stopped.IsCancellationRequested) return;
            var progress = (n * 0.000001).ToString("0.######", CultureInfo.InvariantCulture);
            await GiveAsync(Encoding.UTF8.GetBytes($$$"""{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{{{call.Id}}},"progress":{{{progress}}},"message":"The server is waking up"}}"""));
        }
    }

    /// <inheritdoc/>
    public override bool Forget(PendingCall call)
    {
        Relay? relay;
        lock (Gate) _relays.Remove(call.Id, out relay);
        if (relay is not null) _connection?.Link.Forget(relay);
        return base.Forget(call);
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message)
    {
        // Before the server is there, nobody has asked the client anything, and a change of roots is told by the answer to the question for them.
        if (_connection is not { } connection) return default;
        var bytes = new byte[message.Length];
        message.CopyTo(bytes, oneLine: false);
        var envelope = EnvelopeReader.Read(bytes);
        if (envelope.Method == KnownMethod.Initialized && _told is not null) return default; // said already
        if (envelope.Method != KnownMethod.Cancelled) return connection.Link.SendAsync(new Splice(bytes));
        Relay? relay;
        lock (Gate) _relays.TryGetValue(Envelope.ReadInteger(envelope.RequestId.Of(bytes)), out relay);
        Span<byte> space = stackalloc byte[20];
        return relay is null ? default : connection.Link.SendAsync(new Splice(bytes, envelope.RequestId, Splice.Number(relay.Id, space)));
    }

    // ---- server to client

    /// <summary>Tells the client which lists are no longer what it was given.</summary>
    public void TellChanges()
    {
        List<string> kinds;
        lock (Gate)
        {
            var now = _host.Definitions;
            // With a session at the server, that tells its changes itself.
            if (_told is null || _told == now || _connection is not null) return;
            kinds = [.. _told.Differs(now)];
            _told = now;
        }
        foreach (var kind in kinds) _ = GiveAsync(Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","method":"notifications/{{kind}}/list_changed"}"""));
    }

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related) =>
        Owner?.OnServerMessage(this, message, envelope, (related as Relay)?.Call) ?? default;

    void IServerMessages.OnLinkEnded(ServerLink link, string reason)
    {
        _host.Forget(this);
        End(reason);
    }

    private async Task GiveAsync(byte[] message)
    {
        if (TryReceive(message, related: null, out var handled)) await handled;
    }

    private static byte[] IdOf(PendingCall call)
    {
        Span<byte> space = stackalloc byte[20];
        return Splice.Number(call.Id, space).ToArray();
    }

    /// <summary>A client's call on its way to the server.</summary>
    private sealed class Relay(SleeperLink link, PendingCall call) : PendingCall
    {
        public PendingCall Call => call;

        public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope) => link.Close(call) ? call.OnAnswer(message, envelope) : default;

        public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => call.OnProgress(message, envelope);

        public override void OnLost(string reason)
        {
            if (link.Close(call)) call.OnLost(reason);
        }
    }

    private bool Close(PendingCall call)
    {
        lock (Gate) _relays.Remove(call.Id);
        return base.Forget(call);
    }
}
