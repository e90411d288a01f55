using System.Collections.Concurrent;
using McpCan.Gateway.Remote;

namespace McpCan.Gateway.Virtual;

/// <summary>The virtual servers that are in use, one host for each instance and generation.</summary>
internal sealed class VirtualHosts(IRouteSource routes, IWaker waker, UpstreamPool upstreams, RemoteHosts remotes, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, VirtualHost> _hosts = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    /// <summary>What is sealed into the session ids of a virtual server; apart from the numbers of workloads.</summary>
    public static long Generation(VirtualOffer offer) => long.MinValue + offer.Generation;

    /// <summary>Lets go of those that were switched off, changed or deleted.</summary>
    public void CloseGone()
    {
        foreach (var (id, host) in _hosts)
        {
            if (routes.Find(id)?.Virtual?.Generation != host.Offer.Generation && _hosts.TryRemove(new(id, host))) host.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var host in _hosts.Values) host.Dispose();
        _hosts.Clear();
    }

    /// <summary>The host of a virtual server.</summary>
    public VirtualHost Of(GatewayRoute route, VirtualOffer offer)
    {
        if (_hosts.TryGetValue(route.InstanceId, out var host) && host.Offer.Generation == offer.Generation) return host;
        lock (_gate)
        {
            if (_hosts.TryGetValue(route.InstanceId, out host) && host.Offer.Generation >= offer.Generation) return host;
            var next = new VirtualHost(route, offer, routes, waker, upstreams, remotes, time);
            _hosts[route.InstanceId] = next;
            host?.Dispose();
            return next;
        }
    }
}
