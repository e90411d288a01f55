using System.Collections.Immutable;
using McpCan.Gateway;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>The gateway's routes: an immutable table by slug and id, swapped whole at each change.</summary>
public sealed class InstanceRoutes(McpCanOptions options) : IRouteSource
{
    private readonly Lock _gate = new();
    private volatile ImmutableDictionary<string, GatewayRoute> _table = ImmutableDictionary.Create<string, GatewayRoute>(StringComparer.Ordinal);

    /// <inheritdoc/>
    public GatewayRoute? Find(string slugOrId) => _table.GetValueOrDefault(slugOrId);

    /// <summary>Takes over an instance's settings and state; where its workload is stays as it was.</summary>
    internal void Set(Instance instance)
    {
        lock (_gate) Swap(instance.Id, Route(instance, _table.GetValueOrDefault(instance.Id)?.Upstream));
    }

    /// <summary>Takes over an instance's settings and state, and says where its workload is now; null means that it has none.</summary>
    internal void Set(Instance instance, GatewayUpstream? upstream)
    {
        lock (_gate) Swap(instance.Id, Route(instance, upstream));
    }

    internal void Remove(string instanceId)
    {
        lock (_gate) Swap(instanceId, null);
    }

    private void Swap(string id, GatewayRoute? route)
    {
        var table = _table;
        // The slug may have changed, and somebody else may have taken the old one.
        if (table.GetValueOrDefault(id) is { } old && table.GetValueOrDefault(old.Slug)?.InstanceId == id) table = table.Remove(old.Slug);
        _table = route is null ? table.Remove(id) : table.SetItem(id, route).SetItem(route.Slug, route);
    }

    private GatewayRoute Route(Instance instance, GatewayUpstream? upstream) => new()
    {
        InstanceId = instance.Id,
        Slug = instance.Slug,
        Name = instance.Name,
        Upstream = instance.ShouldRun && !instance.Deleting ? upstream : null,
        UnavailableReason = Why(instance),
        TokenRequired = instance.TokenRequired,
        QueryTokenAllowed = instance.QueryTokenAllowed,
        MaxRequestBytes = options.MaxMcpRequestBytes,
    };

    // For clients: no details of the failure, which only people of this platform may see.
    private static string Why(Instance instance) => instance.Status.State switch
    {
        InstanceStates.Starting => $"The server '{instance.Name}' is starting. Try again in a moment.",
        InstanceStates.Failed => $"The server '{instance.Name}' failed to run. Its operator can see why in the MCPCAN console.",
        InstanceStates.Stopping or InstanceStates.Stopped => $"The server '{instance.Name}' is stopped.",
        InstanceStates.Deleting => $"The server '{instance.Name}' is being deleted.",
        _ => $"The server '{instance.Name}' is not available now.",
    };
}
