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
    private const int MostSessions = 1000, MostPrincipals = 200;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();
    private readonly string _name;
    private readonly IRouteSource _routes;
    private readonly IWaker _waker;
    private readonly UpstreamPool _upstreams;
    private readonly RemoteHosts _remotes;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, Shared> _shared = [];
    private bool _isDisposed;

    public VirtualHost(GatewayRoute route, VirtualOffer offer, IRouteSource routes, IWaker waker, UpstreamPool upstreams, RemoteHosts remotes, TimeProvider time)
    {
        (Offer, _name, _routes, _waker, _upstreams, _remotes, _time) = (offer, route.Slug, routes, waker, upstreams, remotes, time);
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

    public async ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken)
    {
        Shared shared;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_shared.TryGetValue(principal, out shared!) || shared.IsOver)
            {
                if (_shared.Count >= MostPrincipals) DropUnused();
                _shared[principal] = shared = new(Open(principal));
                shared.Connecting = ConnectAsync(shared);
            }
        }
        await shared.Connecting.WaitAsync(cancellationToken);
        return shared.Server;
    }

    private async Task ConnectAsync(Shared shared)
    {
        await Task.Yield(); // the caller holds the gate
        using var limit = new CancellationTokenSource(ConnectLimit, _time);
        try
        {
            shared.Link.Adopt(shared.Server);
            await shared.Server.ConnectAsync(shared.Link, limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ServerUnavailableException)
        {
            shared.Link.Stop();
            throw e as ServerUnavailableException ?? new ServerUnavailableException("the servers behind this address did not answer in time");
        }
    }

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
        var client = _upstreams.Enter(upstream);
        var server = new RemoteServer(client.Http, client.Mcp, [KeyValuePair.Create(HeaderRules.Principal, principal)]) { Time = _time };
        return new WorkloadConnection(server.OpenStreamable(modern: false), client);
    }

    private void DropUnused()
    {
        foreach (var (principal, shared) in _shared.Where(entry => entry.Value.IsOver || entry.Value.Connecting.IsCompleted && !entry.Value.Server.IsUsed).ToArray())
        {
            _shared.Remove(principal);
            shared.Link.Stop();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (var shared in _shared.Values) shared.Link.Stop();
            _shared.Clear();
        }
        Engine.Dispose();
    }

    /// <summary>The sessions at the members that the modern calls of one principal share.</summary>
    private sealed class Shared(VirtualLink link)
    {
        public VirtualLink Link => link;
        public SharedServer Server { get; } = new();
        public Task Connecting { get; set; } = Task.CompletedTask;
        public bool IsOver => Connecting.IsCompleted && Server.Link is null;
    }

    /// <summary>A session at the bridge of a workload.</summary>
    private sealed class WorkloadConnection(StreamableHttpLink link, UpstreamClient client) : IServerConnection
    {
        private int _stopped;

        public ServerLink Link => link;

        public void Stop()
        {
            if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
            link.Stop();
            client.Leave();
        }
    }
}
