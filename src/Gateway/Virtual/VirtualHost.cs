using McpCan.Gateway.Remote;
using McpCan.Protocol.Links;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Virtual;

/// <summary>
/// One virtual server as it is configured now: the engine that clients of every transport and era speak to, and the
/// way to the members. A change of its settings makes another one, and ends the sessions.
/// </summary>
internal sealed class VirtualHost : IServerSource, IServerEras, IDisposable
{
    private const int MostSessions = 1000;

    private readonly string _name;
    private readonly IRouteSource _routes;
    private readonly IWaker _waker;
    private readonly UpstreamPool _upstreams;
    private readonly RemoteHosts _remotes;
    private readonly TimeProvider _time;
    private readonly SharedSessions _shared;
    private int _disposed;

    public VirtualHost(GatewayRoute route, VirtualOffer offer, IRouteSource routes, IWaker waker, UpstreamPool upstreams, RemoteHosts remotes, TimeProvider time)
    {
        (Offer, _name, _routes, _waker, _upstreams, _remotes, _time) = (offer, route.Slug, routes, waker, upstreams, remotes, time);
        _shared = new(Open, time);
        Engine = new(this, this, new SessionOptions { MaxMessageBytes = (int)Math.Min(route.MaxRequestBytes, int.MaxValue) }, MostSessions, time);
    }

    public VirtualOffer Offer { get; }
    public HostedServer Engine { get; }

    /// <summary>A legacy session gets its own sessions at the members, so that what they ask reaches the right client.</summary>
    public ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken) => new(new ServerLease(Open(principal), null));

    // To modern clients it is a legacy server, whatever its members are: the engine converts.
    public bool? SpeaksModern => false;

    public ValueTask<bool> DetectAsync(CancellationToken cancellationToken) => new(false);

    public ModernServer RentModern(string principal) => throw new ServerUnavailableException("a virtual server is reached in the legacy era");

    public ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken) => new(Open(principal));

    public ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken) => _shared.RentAsync(principal, cancellationToken);

    private VirtualLink Open(string principal) => new(Offer, _name, (instanceId, cancellationToken) => OpenMemberAsync(instanceId, principal, cancellationToken));

    private async ValueTask<IServerConnection> OpenMemberAsync(string instanceId, string principal, CancellationToken cancellationToken)
    {
        var route = _routes.Find(instanceId);
        if (route is { IsAsleep: true }) route = await _waker.WakeAsync(instanceId, cancellationToken);
        if (route?.Remote is { } remote)
        {
            try
            {
                return await _remotes.Of(route.InstanceId, remote).Eras.OpenAsync(principal, cancellationToken);
            }
            catch (RemoteException e)
            {
                throw new ServerUnavailableException(e.Sentence);
            }
        }
        if (route?.Upstream is not { } upstream) throw new ServerUnavailableException(route?.UnavailableReason ?? "A server behind this address no longer exists.");
        return new WorkloadConnection(_upstreams, upstream, principal, _time);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _shared.Dispose();
        Engine.Dispose();
    }
}
