namespace McpCan.Gateway;

/// <summary>Where one instance's traffic goes. Immutable; the whole table is swapped at once.</summary>
public sealed record GatewayRoute
{
    /// <summary>Opaque id of the instance (<c>i-…</c>).</summary>
    public required string InstanceId { get; init; }
    /// <summary>Name in the address; the id works in its place.</summary>
    public required string Slug { get; init; }
    /// <summary>Display name, used in error texts for people.</summary>
    public required string Name { get; init; }
    /// <summary>The workload that serves the instance now, or null when none does.</summary>
    public GatewayUpstream? Upstream { get; init; }
    /// <summary>Whether it sleeps, or is on its way up for a call: <see cref="IWaker"/> brings it back, and callers wait for that.</summary>
    public bool IsAsleep { get; init; }
    /// <summary>Earlier workloads whose sessions may end there; new sessions go to <see cref="Upstream"/>.</summary>
    public IReadOnlyList<GatewayUpstream> Draining { get; init; } = [];
    /// <summary>The definitions that stand in for it while it sleeps; null when there are none, or when it never sleeps.</summary>
    public Sleep.SleepOffer? Sleep { get; init; }
    /// <summary>Proxy mode: the remote server; null in every other mode.</summary>
    public GatewayRemote? Remote { get; init; }
    /// <summary>Direct mode: nothing is forwarded, clients speak to the server themselves; every request is answered by 409 with <see cref="UnavailableReason"/>.</summary>
    public bool DirectOnly { get; init; }
    /// <summary>Virtual server: what it offers of which instances; null for every other instance.</summary>
    public VirtualOffer? Virtual { get; init; }
    /// <summary>Limits on all of the instance's traffic, whoever calls.</summary>
    public TrafficLimits Limits { get; init; } = TrafficLimits.None;
    /// <summary>Whether payloads are kept with the access records, and how much of them. Null (the default): none.</summary>
    public PayloadCapture? Capture { get; init; }
    /// <summary>One sentence that says why <see cref="Upstream"/> is null, shown to clients (no secrets, no addresses).</summary>
    public string? UnavailableReason { get; init; }
    /// <summary>Whether a token must be presented. Closed by default.</summary>
    public bool TokenRequired { get; init; } = true;
    /// <summary>Whether <c>?token=</c> is accepted for SSE clients that cannot send headers. Off by default.</summary>
    public bool QueryTokenAllowed { get; init; }
    /// <summary>Largest request body in bytes; above it 413 is answered.</summary>
    public long MaxRequestBytes { get; init; } = 64L << 20;

    /// <summary>The workload that a session belongs to, among those that serve or may end.</summary>
    internal GatewayUpstream? UpstreamOf(long generation)
    {
        if (Upstream?.Generation == generation) return Upstream;
        foreach (var upstream in Draining)
        {
            if (upstream.Generation == generation) return upstream;
        }
        return null;
    }
}

/// <summary>The HTTP endpoint of a workload's bridge.</summary>
/// <param name="Address">Either <c>unix:/path/to/bridge.sock</c> or <c>http://host:port</c>.</param>
/// <param name="Generation">Number of the workload's run; sealed in session ids, so that ids of an earlier run are answered by 404.</param>
public sealed record GatewayUpstream(string Address, long Generation);
