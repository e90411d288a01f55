using System.Collections.Concurrent;
using McpCan.Gateway.Remote;
using McpCan.Protocol;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Sleep;

/// <summary>
/// One instance that sleeps now and then: the engine for sessions that begin while it sleeps, and its definitions.
/// Such a session lives in this process and becomes one of the server's when it first needs it.
/// </summary>
internal sealed class SleepHost : IServerSource, IServerEras, IDisposable
{
    private const int MostSessions = 1000;

    private readonly string _instanceId;
    private readonly IRouteSource _routes;
    private readonly IWaker _waker;
    private readonly UpstreamPool _upstreams;
    private readonly Func<GatewayRoute, CancellationToken, Task> _renew;
    private readonly SharedSessions _shared;
    private readonly ConcurrentDictionary<SleeperLink, byte> _links = new();
    private readonly HostedServer _engine;
    private volatile PinnedDefinitions _definitions;
    private volatile SleepOffer _offer;
    private volatile GatewayUpstream? _upstream;
    private int _disposed;

    public SleepHost(
        GatewayRoute route, SleepOffer offer, PinnedDefinitions definitions, IRouteSource routes, IWaker waker, UpstreamPool upstreams, Func<GatewayRoute, CancellationToken, Task> renew, TimeProvider time)
    {
        (_instanceId, _offer, _definitions, _routes, _waker, _upstreams, _renew, Time) = (route.InstanceId, offer, definitions, routes, waker, upstreams, renew, time);
        _shared = new(Open, time);
        _engine = new(this, this, new SessionOptions { MaxMessageBytes = (int)Math.Min(route.MaxRequestBytes, int.MaxValue), IdleLimit = offer.SessionIdle, StartLimit = TimeSpan.FromMinutes(3) }, MostSessions, time);
    }

    public SleepOffer Offer => _offer;
    public PinnedDefinitions Definitions => _definitions;
    public TimeProvider Time { get; }

    /// <summary>Whether the definitions stand in for the server now.</summary>
    public bool IsAsleep => _routes.Find(_instanceId) is { IsAsleep: true, Upstream: null };

    /// <summary>It was seen not to take a revision older than its own.</summary>
    public bool SpeaksOnlyItsOwn { get; set; }

    /// <summary>The revision that the server would name for the one that a client asks for; unknown when only it can say.</summary>
    public McpRevision Negotiate(McpRevision asked)
    {
        var own = _definitions.Revision;
        // Older revisions are part of every SDK; whether that was right is seen when the server wakes.
        return asked == McpRevision.Unknown || asked >= own ? own : SpeaksOnlyItsOwn ? McpRevision.Unknown : asked;
    }

    /// <summary>The engine, for an exchange that comes while the server is where <paramref name="route"/> says.</summary>
    public HostedServer Enter(GatewayRoute route)
    {
        if (_upstream == route.Upstream) return _engine;
        _upstream = route.Upstream;
        // A session of a run that has ended: its client begins anew. One of a run that drains may end there.
        foreach (var link in _links.Keys.Where(link => link.Upstream is { } upstream && route.UpstreamOf(upstream.Generation) is null)) link.Stop();
        return _engine;
    }

    /// <summary>Takes over newer definitions.</summary>
    public void Renew(SleepOffer offer, PinnedDefinitions definitions)
    {
        (_definitions, _offer) = (definitions, offer);
        _shared.EndAll();
        foreach (var link in _links.Keys) link.TellChanges();
    }

    /// <summary>A session of its own at the server, which is woken for it. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async Task<WorkloadConnection> OpenAsync(string principal, CancellationToken cancellationToken)
    {
        var route = _routes.Find(_instanceId);
        if (route is { IsAsleep: true }) route = await _waker.WakeAsync(_instanceId, cancellationToken);
        if (route?.Upstream is not { } upstream) throw new ServerUnavailableException(route?.UnavailableReason ?? "the server no longer exists");
        await _renew(route, cancellationToken);
        return new WorkloadConnection(_upstreams, upstream, principal, Time);
    }

    /// <summary>A link has ended.</summary>
    public void Forget(SleeperLink link) => _links.TryRemove(link, out _);

    public ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken) => new(new ServerLease(Open(principal), null));

    // The definitions are those that it gives in the legacy era, in which every bridge speaks: the engine converts.
    public bool? SpeaksModern => false;

    public ValueTask<bool> DetectAsync(CancellationToken cancellationToken) => new(false);

    public ModernServer RentModern(string principal) => throw new ServerUnavailableException("a sleeping server is reached in the legacy era");

    public ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken) => new(Open(principal));

    public ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken) => _shared.RentAsync(principal, cancellationToken);

    private SleeperLink Open(string principal)
    {
        var link = new SleeperLink(this, principal);
        _links.TryAdd(link, 0);
        return link;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _shared.Dispose();
        _engine.Dispose();
    }
}
