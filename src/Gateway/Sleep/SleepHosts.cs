using System.Collections.Concurrent;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway.Sleep;

/// <summary>The instances that were spoken to while they slept, one host for each instance and generation.</summary>
internal sealed class SleepHosts(IPinnedDefinitions pinned, IRouteSource routes, IWaker waker, UpstreamPool upstreams, SessionSeal seal, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, SleepHost> _hosts = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _loading = new(1, 1);

    /// <summary>What is sealed into the ids of sessions that began while the server slept; apart from the numbers of workloads and of virtual servers.</summary>
    public static long Generation(SleepOffer offer) => long.MinValue / 2 + offer.Generation;

    /// <summary>Whether an exchange belongs to a session that began while the server slept, or begins one, or needs no more than a sleeping server's definitions.</summary>
    public bool Takes(GatewayExchange exchange, GatewayRoute route)
    {
        if (route.Sleep is not { } offer) return false;
        var request = exchange.Context.Request;
        var named = exchange.Endpoint == GatewayEndpoint.Message ? request.Query["sessionId"] : request.Headers[HeaderRules.Session];
        if (named is [{ Length: > 0 } id]) return seal.Open(id)?.Generation == Generation(offer);
        if (!route.IsAsleep) return false;
        if (exchange.Endpoint == GatewayEndpoint.Sse) return true;
        if (!HttpMethods.IsPost(request.Method)) return false;
        if (request.Headers["MCP-Protocol-Version"] is not [{ } version] || McpRevisions.Parse(version) is not (McpRevision.Unknown or >= McpRevision.R20260728)) return true; // initialize
        return request.Headers["Mcp-Method"] is [{ } method] && (method == "server/discover" || PinnedDefinitions.Lists.ContainsKey(method));
    }

    /// <summary>The host of an instance that <see cref="Takes"/> said yes for; null when its definitions are not there.</summary>
    public async ValueTask<SleepHost?> OfAsync(GatewayRoute route, CancellationToken cancellationToken)
    {
        var offer = route.Sleep!;
        if (_hosts.TryGetValue(route.InstanceId, out var host) && host.Offer == offer) return host;
        await _loading.WaitAsync(cancellationToken);
        try
        {
            if (_hosts.TryGetValue(route.InstanceId, out host) && host.Offer == offer) return host;
            if (await pinned.FindAsync(route.InstanceId, cancellationToken) is not { } definitions || definitions.Generation != offer.Generation) return null;
            if (host is not null && host.Offer.Generation == offer.Generation)
            {
                host.Renew(offer, definitions);
                return host;
            }
            var next = new SleepHost(route, offer, definitions, routes, waker, upstreams, RenewAsync, time);
            _hosts[route.InstanceId] = next;
            host?.Dispose();
            return next;
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>The server is up again: sessions that began before hear of what is different now.</summary>
    public async Task RenewAsync(GatewayRoute route, CancellationToken cancellationToken)
    {
        if (route.Sleep is not null && _hosts.ContainsKey(route.InstanceId)) await OfAsync(route, cancellationToken);
    }

    /// <summary>Lets go of those whose instance was changed, switched off or deleted, and renews the others.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        foreach (var (id, host) in _hosts)
        {
            if (routes.Find(id) is { Sleep: { } offer } route && offer.Generation == host.Offer.Generation) await OfAsync(route, cancellationToken);
            else if (_hosts.TryRemove(new(id, host))) host.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var host in _hosts.Values) host.Dispose();
        _hosts.Clear();
        _loading.Dispose();
    }
}
