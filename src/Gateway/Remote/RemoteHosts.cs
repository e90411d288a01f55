using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway.Remote;

/// <summary>The remote servers that are in use, one host for each instance and generation.</summary>
internal sealed class RemoteHosts(IOptions<GatewayOptions> options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(10);
    private readonly ConcurrentDictionary<string, RemoteHost> _hosts = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    public EgressRules Egress { get; } = new(options.Value.EgressAllow);

    /// <summary>The host of an instance's remote server. Throws <c>RemoteException</c> when its settings cannot be used.</summary>
    public RemoteHost Of(string instanceId, GatewayRemote remote)
    {
        if (_hosts.TryGetValue(instanceId, out var host) && host.Remote.Generation == remote.Generation)
        {
            host.Touch();
            return host;
        }
        lock (_gate)
        {
            if (_hosts.TryGetValue(instanceId, out host) && host.Remote.Generation >= remote.Generation) return host;
            var next = new RemoteHost(remote, Egress, options.Value, time);
            _hosts[instanceId] = next;
            host?.Dispose(); // sessions of former settings end: their ids are no longer good anyway
            return next;
        }
    }

    /// <summary>Lets go of hosts that nobody uses, and of those whose instance has gone.</summary>
    public void CloseIdle(Func<string, GatewayRoute?> find)
    {
        foreach (var (instance, host) in _hosts)
        {
            if (find(instance)?.Remote is not null && !host.IsIdle(IdleLimit)) continue;
            if (_hosts.TryRemove(new(instance, host))) host.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var host in _hosts.Values) host.Dispose();
        _hosts.Clear();
    }
}
