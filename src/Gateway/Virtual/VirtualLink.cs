using System.Text.Json;
using McpCan.Protocol;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Virtual;

/// <summary>Opens a way to one of the instances behind a virtual server, for one client session.</summary>
public delegate ValueTask<IServerConnection> OpenMember(string instanceId, CancellationToken cancellationToken);

/// <summary>
/// Several servers as one (legacy) server: lists are merged, calls go to the server that has the tool, what the
/// servers send of their own accord goes to the client. To the session above it is a link like any other.
/// <code>
///  session ──► VirtualLink ──► names ──► member 1 ──► its own session at instance 1
///                                  └───► member 2 ──► its own session at instance 2
/// </code>
/// </summary>
internal sealed class VirtualLink : ServerLink, IServerConnection, IDisposable
{
    private static readonly TimeSpan ListLimit = TimeSpan.FromSeconds(30);

    private readonly VirtualOffer _offer;
    private readonly string _name;
    private readonly VirtualNames _names;
    private readonly MemberLink[] _members;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<long, Relay> _relays = [];                     // by our id
    private readonly Dictionary<long, (MemberLink Member, byte[] Id)> _asked = []; // requests of the servers, by our id
    private long _lastAsked;
    private bool _isStopped;

    /// <summary>A link that opens its members when the client initialises.</summary>
    public VirtualLink(VirtualOffer offer, string name, OpenMember open)
    {
        (_offer, _name, Stopped) = (offer, name, _stop.Token);
        _members = [.. offer.Members.Select((member, index) => new MemberLink(this, member, index, open))];
        _names = new(_members);
    }

    ServerLink IServerConnection.Link => this;

    /// <summary>Cancelled at the end of the session.</summary>
    internal CancellationToken Stopped { get; }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (Gate)
        {
            if (_isStopped) return;
            _isStopped = true;
        }
        _stop.Cancel();
        foreach (var member in _members) member.Stop();
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
        if (reason is not null)
        {
            call.OnLost(reason);
            return default;
        }
        return new(AnswerAsync(call, message.ToArray(), envelope));
    }

    private async Task AnswerAsync(PendingCall call, byte[] message, Envelope envelope)
    {
        try
        {
            var method = JsonText.Read(envelope.MethodName.Of(message));
            var task = method switch
            {
                "initialize" => InitializeAsync(call, message),
                "ping" => ResultAsync(call, "{}"u8.ToArray()),
                "tools/list" => ListAsync(call, Offered.Tools),
                "prompts/list" => ListAsync(call, Offered.Prompts),
                "resources/list" => ListAsync(call, Offered.Resources),
                "resources/templates/list" => ListAsync(call, Offered.Templates),
                "tools/call" => CallAsync(call, message, envelope, Offered.Tools, envelope.Name, "tool"),
                "prompts/get" => CallAsync(call, message, envelope, Offered.Prompts, envelope.Name, "prompt"),
                "resources/read" or "resources/subscribe" or "resources/unsubscribe" => ReadAsync(call, message, envelope),
                "completion/complete" => CompleteAsync(call, message, envelope),
                "logging/setLevel" => SetLevelAsync(call, message),
                _ => ErrorAsync(call, McpErrors.MethodNotFound, "Method not found"),
            };
            await task;
        }
        catch (ServerUnavailableException e)
        {
            await ErrorAsync(call, McpErrors.ServerUnavailable, e.Message);
        }
        catch (OperationCanceledException)
        {
            await ErrorAsync(call, McpErrors.ServerUnavailable, "a server behind this address did not answer in time");
        }
        catch (JsonException)
        {
            await ErrorAsync(call, McpErrors.InternalError, "a server behind this address sent something that is no MCP message");
        }
    }

    private async Task InitializeAsync(PendingCall call, byte[] message)
    {
        var results = await Task.WhenAll(_members.Select(member => member.TryConnectAsync(message, Stopped)));
        if (!results.Any(result => result))
        {
            var why = _members.Length == 0 ? "this virtual server has no members" : $"none of the servers behind this address is available: {_members[0].Failure}";
            throw new ServerUnavailableException(why);
        }
        await ResultAsync(call, VirtualHandshake.Result(_offer, _name, _members));
    }

    private async Task ListAsync(PendingCall call, Offered kind)
    {
        using var limit = Limit();
        await ResultAsync(call, await _names.ListAsync(kind, limit.Token));
    }

    private async Task CallAsync(PendingCall call, byte[] message, Envelope envelope, Offered kind, TextRange at, string word)
    {
        var shown = JsonText.Read(at.Of(message)) ?? "";
        using var limit = Limit();
        if (await _names.FindAsync(kind, shown, limit.Token) is not var (member, original))
        {
            await ErrorAsync(call, McpErrors.InvalidParams, $"Unknown {word}: {shown}");
            return;
        }
        await RelayAsync(call, member, original == shown ? message : Replace(message, at, original));
    }

    private async Task ReadAsync(PendingCall call, byte[] message, Envelope envelope)
    {
        var uri = JsonText.Read(envelope.Uri.Of(message)) ?? "";
        using var limit = Limit();
        if (await _names.OwnerOfAsync(uri, limit.Token) is not { } member)
        {
            await ErrorAsync(call, McpErrors.ResourceNotFound, $"Resource not found: {uri}");
            return;
        }
        await RelayAsync(call, member, message);
    }

    private async Task CompleteAsync(PendingCall call, byte[] message, Envelope envelope)
    {
        var at = JsonSeek.Member(message, JsonSeek.Member(message, new(0, message.Length), "params"u8), "ref"u8);
        using var limit = Limit();
        if (JsonSeek.Text(message, at, "name"u8) is { } name && await _names.FindAsync(Offered.Prompts, name, limit.Token) is var (member, original))
        {
            await RelayAsync(call, member, Replace(message, JsonSeek.Member(message, at, "name"u8), original));
        }
        else if (JsonSeek.Text(message, at, "uri"u8) is { } uri && await _names.OwnerOfAsync(uri, limit.Token) is { } owner)
        {
            await RelayAsync(call, owner, message);
        }
        else
        {
            await ErrorAsync(call, McpErrors.InvalidParams, "Unknown prompt or resource template");
        }
    }

    private async Task SetLevelAsync(PendingCall call, byte[] message)
    {
        using var limit = Limit();
        foreach (var member in _members.Where(m => m.IsUp && m.Has("logging"u8))) await AwaitedCall.AskAsync(member.Link, message, limit.Token);
        await ResultAsync(call, "{}"u8.ToArray());
    }

    private async Task RelayAsync(PendingCall call, MemberLink member, byte[] message)
    {
        var link = await member.ReadyAsync(Stopped);
        var relay = new Relay(this, call, member);
        lock (Gate) _relays[call.Id] = relay;
        await link.SendRequestAsync(relay, message, EnvelopeReader.Read(message));
    }

    /// <inheritdoc/>
    public override bool Forget(PendingCall call)
    {
        Relay? relay;
        lock (Gate) _relays.Remove(call.Id, out relay);
        relay?.Member.Current?.Forget(relay);
        return base.Forget(call);
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message)
    {
        var bytes = new byte[message.Length];
        message.CopyTo(bytes, oneLine: false);
        var envelope = EnvelopeReader.Read(bytes);
        if (envelope.Kind == MessageKind.Response)
        {
            (MemberLink Member, byte[] Id) asked;
            lock (Gate)
            {
                if (!_asked.Remove(envelope.OwnId(bytes), out asked)) return default;
            }
            return asked.Member.Current?.SendAsync(new Splice(bytes, envelope.Id, asked.Id)) ?? default;
        }
        if (envelope.Method == KnownMethod.Cancelled)
        {
            Relay? relay;
            lock (Gate) _relays.TryGetValue(Envelope.ReadInteger(envelope.RequestId.Of(bytes)), out relay);
            Span<byte> space = stackalloc byte[20];
            return relay?.Member.Current?.SendAsync(new Splice(bytes, envelope.RequestId, Splice.Number(relay.Id, space))) ?? default;
        }
        return new(ToAllAsync(bytes));
    }

    private async Task ToAllAsync(byte[] message)
    {
        foreach (var member in _members.Where(m => m.IsUp)) await member.Link.SendAsync(new Splice(message));
    }

    // ---- server to client

    /// <summary>A message that a member's server sent of its own accord.</summary>
    internal ValueTask OnMemberMessage(MemberLink member, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        if (envelope.Method == KnownMethod.ListChanged) _names.Forget();
        if (Owner is not { } owner) return default;
        var call = (related as Relay)?.Call;
        Span<byte> space = stackalloc byte[20];
        switch (envelope)
        {
            case { Kind: MessageKind.Request }:
                long id;
                lock (Gate) _asked[id = ++_lastAsked] = (member, envelope.Id.Of(message).ToArray());
                return Pass(owner, new Splice(message, envelope.Id, Splice.Number(id, space)), call);
            case { Method: KnownMethod.Cancelled }:
                var ours = AskedId(member, envelope.RequestId.Of(message));
                return ours == 0 ? default : Pass(owner, new Splice(message, envelope.RequestId, Splice.Number(ours, space)), call);
            case { Method: KnownMethod.ResourceUpdated } when JsonText.Read(envelope.Uri.Of(message)) is { } uri && !member.OffersResource(uri):
                return default;
            default:
                return owner.OnServerMessage(this, message, envelope, call);
        }
    }

    private ValueTask Pass(IServerMessages owner, Splice message, PendingCall? call)
    {
        var bytes = new byte[message.Length];
        message.CopyTo(bytes, oneLine: false);
        return owner.OnServerMessage(this, bytes, EnvelopeReader.Read(bytes), call);
    }

    private long AskedId(MemberLink member, ReadOnlySpan<byte> serverId)
    {
        lock (Gate)
        {
            foreach (var (ours, asked) in _asked)
            {
                if (asked.Member == member && serverId.SequenceEqual(asked.Id)) return ours;
            }
        }
        return 0;
    }

    /// <summary>A member's server came back, perhaps with other tools.</summary>
    internal async ValueTask OnMemberBackAsync()
    {
        _names.Forget();
        foreach (var kind in (string[])["tools", "prompts", "resources"])
        {
            byte[] changed = [.. @"{""jsonrpc"":""2.0"",""method"":""notifications/"u8, .. System.Text.Encoding.ASCII.GetBytes(kind), .. @"/list_changed""}"u8];
            if (VirtualHandshake.Offers(_members, kind) && Owner is { } owner) await owner.OnServerMessage(this, changed, EnvelopeReader.Read(changed), null);
        }
    }

    // ---- answers of our own

    private CancellationTokenSource Limit()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(Stopped);
        limit.CancelAfter(ListLimit);
        return limit;
    }

    private Task ResultAsync(PendingCall call, byte[] result) => GiveAsync(RpcMessage.Result(IdOf(call), result));

    private Task ErrorAsync(PendingCall call, int code, string text) => GiveAsync(RpcMessage.Error(IdOf(call), code, text));

    private static byte[] IdOf(PendingCall call)
    {
        Span<byte> space = stackalloc byte[20];
        return Splice.Number(call.Id, space).ToArray();
    }

    private async Task GiveAsync(byte[] answer)
    {
        if (TryReceive(answer, related: null, out var handled)) await handled;
    }

    private static byte[] Replace(byte[] message, TextRange at, string text)
    {
        var splice = new Splice(message, at, JsonSerializer.SerializeToUtf8Bytes(text, VirtualJson.Default.String));
        var bytes = new byte[splice.Length];
        splice.CopyTo(bytes, oneLine: false);
        return bytes;
    }

    /// <summary>A client's call on its way to one member.</summary>
    internal sealed class Relay(VirtualLink link, PendingCall call, MemberLink member) : PendingCall
    {
        public PendingCall Call => call;
        public MemberLink Member => member;

        public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope) =>
            link.Close(call) ? call.OnAnswer(message, envelope) : default;

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
