using System.IO.Enumeration;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Virtual;

/// <summary>One server behind a virtual server: its connection, made again when it was lost, and what it says of itself.</summary>
internal sealed class MemberLink(VirtualLink owner, VirtualMember offer, int index, OpenMember open) : IServerMessages
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(60);
    private static readonly byte[] Initialized = [.. @"{""jsonrpc"":""2.0"",""method"":""notifications/initialized""}"u8];

    private const int PauseMs = 5000;

    private readonly Lock _gate = new();
    private byte[] _initialize = [];
    private Task<ServerLink>? _connecting;
    private long _failedAt;
    private volatile IServerConnection? _connection;
    private bool _stopped;

    public VirtualMember Offer => offer;
    public int Index => index;

    /// <summary>Why it could not be reached the last time.</summary>
    public string? Failure { get; private set; }

    /// <summary>Its answer to initialize, once there is one.</summary>
    public byte[] Hello { get; private set; } = [];

    public ServerLink? Current => _connection?.Link;
    public bool IsUp => _connection is { Link.EndReason: null };
    public ServerLink Link => Current ?? throw new ServerUnavailableException(Failure ?? "a server behind this address is not available");

    /// <summary>Whether its server has a capability.</summary>
    public bool Has(ReadOnlySpan<byte> capability) => Capability(capability).IsPresent;

    /// <summary>Where a capability stands in <see cref="Hello"/>.</summary>
    public TextRange Capability(ReadOnlySpan<byte> name)
    {
        if (Hello.Length == 0) return default;
        var result = JsonSeek.Member(Hello, new(0, Hello.Length), "result"u8);
        return JsonSeek.Member(Hello, JsonSeek.Member(Hello, result, "capabilities"u8), name);
    }

    public bool OffersResource(string uri) =>
        offer.Resources is null || offer.Resources.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, uri, ignoreCase: false));

    /// <summary>Connects with the client's own initialize; false when that fails, with the reason in <see cref="Failure"/>.</summary>
    public async Task<bool> TryConnectAsync(byte[] initialize, CancellationToken cancellationToken)
    {
        _initialize = initialize;
        try
        {
            await ConnectAsync(cancellationToken);
            _failedAt = 0;
            return true;
        }
        catch (Exception e) when (e is ServerUnavailableException or OperationCanceledException)
        {
            Failure = e is ServerUnavailableException ? e.Message : "a server behind this address did not answer in time";
            _failedAt = Environment.TickCount64;
            return false;
        }
    }

    /// <summary>The link, connected again when it was lost. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async ValueTask<ServerLink> ReadyAsync(CancellationToken cancellationToken)
    {
        if (IsUp) return Link;
        Task<ServerLink> connecting;
        lock (_gate)
        {
            if (_connecting is null or { IsCompleted: true })
            {
                // A server that is down is not asked again and again.
                if (_failedAt != 0 && Environment.TickCount64 - _failedAt < PauseMs) throw new ServerUnavailableException(Failure ?? "a server behind this address is not available");
                _connecting = AgainAsync();
            }
            connecting = _connecting;
        }
        return await connecting.WaitAsync(cancellationToken);
    }

    private async Task<ServerLink> AgainAsync()
    {
        if (!await TryConnectAsync(_initialize, owner.Stopped)) throw new ServerUnavailableException(Failure!);
        await Link.SendAsync(new Splice(Initialized));
        await owner.OnMemberBackAsync();
        return Link;
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ConnectLimit);
        var connection = await open(offer.InstanceId, limit.Token);
        try
        {
            connection.Link.Adopt(this);
            var hello = await AwaitedCall.AskAsync(connection.Link, _initialize, limit.Token);
            if (!JsonSeek.Member(hello, new(0, hello.Length), "result"u8).IsPresent) throw new ServerUnavailableException("a server behind this address refused initialize");
            Hello = hello;
            _connection = connection;
            if (_stopped) connection.Stop();
        }
        catch
        {
            connection.Stop();
            throw;
        }
    }

    public void Stop()
    {
        _stopped = true;
        _connection?.Stop();
    }

    ValueTask IServerMessages.OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related) =>
        owner.OnMemberMessage(this, message, envelope, related);

    void IServerMessages.OnLinkEnded(ServerLink link, string reason) => Failure = reason;
}
