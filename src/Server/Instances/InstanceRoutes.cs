using System.Collections.Immutable;
using McpCan.Gateway;
using McpCan.Gateway.Sleep;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>The gateway's routes: an immutable table by slug and id, swapped whole at each change.</summary>
public sealed class InstanceRoutes(McpCanOptions options, RemoteSettings remotes) : IRouteSource
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _revisions = [];
    private volatile ImmutableDictionary<string, GatewayRoute> _table = ImmutableDictionary.Create<string, GatewayRoute>(StringComparer.Ordinal);

    /// <inheritdoc/>
    public GatewayRoute? Find(string slugOrId) => _table.GetValueOrDefault(slugOrId);

    /// <summary>Takes over an instance's settings and state; where its workload is stays as it was.</summary>
    internal void Set(Instance instance)
    {
        lock (_gate)
        {
            var known = _table.GetValueOrDefault(instance.Id);
            if (IsNews(instance)) Swap(instance.Id, Route(instance, known?.Upstream, known?.Draining ?? [], known?.Remote));
        }
    }

    /// <summary>Takes over an instance as it was read some time ago: only when its settings are newer, since what is observed changes with each moment and is said by who observes.</summary>
    internal void SetIfNewer(Instance instance)
    {
        lock (_gate)
        {
            if (_revisions.TryGetValue(instance.Id, out var known) && known >= instance.Revision) return;
            Set(instance);
        }
    }

    /// <summary>Takes over an instance's settings and state, and says where its workload is now; null means that it has none.</summary>
    internal void Set(Instance instance, GatewayUpstream? upstream) => Set(instance, upstream, []);

    /// <summary>The same, with earlier runs whose sessions may end.</summary>
    internal void Set(Instance instance, GatewayUpstream? upstream, IReadOnlyList<GatewayUpstream> draining)
    {
        lock (_gate)
        {
            if (IsNews(instance)) Swap(instance.Id, Route(instance, upstream, draining, _table.GetValueOrDefault(instance.Id)?.Remote));
        }
    }

    /// <summary>Takes over an instance as another process stored it.</summary>
    internal void Follow(Instance instance) =>
        Set(instance, instance.Place is { } place && place.Generation == instance.Generation ? new GatewayUpstream(place.Address, place.Run) : null, instance.Place?.Draining ?? []);

    internal void Remove(string instanceId)
    {
        lock (_gate)
        {
            _revisions.Remove(instanceId);
            Swap(instanceId, null);
        }
    }

    // Who read before a change and comes after it is late.
    private bool IsNews(Instance instance)
    {
        if (_revisions.TryGetValue(instance.Id, out var known) && known > instance.Revision) return false;
        _revisions[instance.Id] = instance.Revision;
        return true;
    }

    private void Swap(string id, GatewayRoute? route)
    {
        var table = _table;
        // The slug may have changed, and somebody else may have taken the old one.
        if (table.GetValueOrDefault(id) is { } old && table.GetValueOrDefault(old.Slug)?.InstanceId == id) table = table.Remove(old.Slug);
        _table = route is null ? table.Remove(id) : table.SetItem(id, route).SetItem(route.Slug, route);
    }

    private GatewayRoute Route(Instance instance, GatewayUpstream? upstream, IReadOnlyList<GatewayUpstream> draining, GatewayRemote? known) => new()
    {
        InstanceId = instance.Id,
        Slug = instance.Slug,
        Name = instance.Name,
        Upstream = instance is { Mode: InstanceModes.Managed, ShouldRun: true, Deleting: false } ? upstream : null,
        IsAsleep = instance is { Mode: InstanceModes.Managed, ShouldRun: true, Deleting: false, Limits.SleepSeconds: > 0, Status.State: InstanceStates.Sleeping or InstanceStates.Starting },
        Draining = instance is { Mode: InstanceModes.Managed, ShouldRun: true, Deleting: false } ? draining : [],
        Sleep = instance is { Mode: InstanceModes.Managed, ShouldRun: true, Deleting: false, Limits.SleepSeconds: > 0, Pinned: { } pinned } && pinned.Generation == instance.Generation
            ? new SleepOffer(pinned.Generation, pinned.Hash, TimeSpan.FromSeconds(instance.Limits.SessionIdleSeconds)) : null,
        Remote = instance is { Mode: InstanceModes.Proxy, ShouldRun: true, Deleting: false, Remote: { } remote } ? Open(remote, known) : null,
        Virtual = instance is { Mode: InstanceModes.Virtual, ShouldRun: true, Deleting: false } ? instance.Virtual?.Offer(instance.Generation) : null,
        DirectOnly = instance is { Mode: InstanceModes.Direct, Deleting: false },
        UnavailableReason = Why(instance),
        TokenRequired = instance.TokenRequired,
        QueryTokenAllowed = instance.QueryTokenAllowed,
        Capture = instance.Capture is { } capture ? new PayloadCapture(capture.MaxBytes, capture.Redact ?? []) : null,
        Limits = instance.TrafficLimits ?? TrafficLimits.None,
        MaxRequestBytes = options.MaxMcpRequestBytes,
    };

    // Opened once a change, not at each new state. What cannot be read has no route; the reconciler says why.
    private GatewayRemote? Open(RemoteServer remote, GatewayRemote? known)
    {
        if (known?.Generation == remote.Generation) return known;
        try
        {
            return remotes.Open(remote);
        }
        catch (ProblemException)
        {
            return null;
        }
    }

    // For clients: no details of the failure, which only people of this platform may see.
    private static string Why(Instance instance) => instance.Status.State switch
    {
        _ when instance is { Mode: InstanceModes.Direct, Deleting: false } => $"The server '{instance.Name}' is kept on file only: connect to it with its own address or command.",
        InstanceStates.Stopping or InstanceStates.Stopped when instance.Mode is InstanceModes.Proxy or InstanceModes.Virtual => $"The server '{instance.Name}' is switched off.",
        InstanceStates.Starting or InstanceStates.Sleeping => $"The server '{instance.Name}' is starting. Try again in a moment.",
        InstanceStates.Failed => $"The server '{instance.Name}' failed to run. Its operator can see why in the MCPCAN console.",
        InstanceStates.Stopping or InstanceStates.Stopped => $"The server '{instance.Name}' is stopped.",
        InstanceStates.Deleting => $"The server '{instance.Name}' is being deleted.",
        _ => $"The server '{instance.Name}' is not available now.",
    };
}
