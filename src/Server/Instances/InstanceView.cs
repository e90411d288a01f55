using McpCan.Gateway;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>An instance as the API shows it; secrets are never part of it.</summary>
public sealed record InstanceView(
    string Id, string Name, string Slug, string Mode, string Environment, InstanceSource? Source, RemoteView? Remote, VirtualServer? Virtual, IReadOnlyDictionary<string, EnvInput> Env, string Processes,
    WorkloadLimits Limits, IsolationLevel? MinimumIsolation, EgressPolicy Egress, RegistryView? Registry, AccessView Access, TrafficView Traffic, AddressView Address, InstanceStatus Status, Rollout? Rollout, int? ToolCount, string? ServerInfo,
    string? ProtocolVersion, long Revision, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, string? CreatedBy)
{
    internal static InstanceView Of(Instance i, string publicAddress) => new(
        i.Id, i.Name, i.Slug, i.Mode, i.Environment, i.Source, RemoteView.Of(i.Remote), i.Virtual, i.Env.OrderBy(e => e.Key, StringComparer.Ordinal).ToDictionary(e => e.Key, e => new EnvInput(e.Value.Secret ? null : e.Value.Value, e.Value.Secret)),
        i.Processes, i.Limits, i.MinimumIsolation, i.Egress, i.Registry is { } r ? new(r.UserName) : null, new AccessView(i.TokenRequired, i.QueryTokenAllowed, i.TrafficLimits), new TrafficView(i.Capture), AddressView.Of(i, publicAddress), i.Status, i.Rollout, i.ToolCount,
        i.ServerInfo, i.ProtocolVersion, i.Revision, i.CreatedAt, i.UpdatedAt, i.CreatedBy);
}

/// <summary>Credentials of a private image registry; the password is never shown.</summary>
public sealed record RegistryView(string UserName);

/// <summary>Who may call an instance.</summary>
/// <param name="TokenRequired">Whether clients must present a token.</param>
/// <param name="QueryToken">Whether <c>?token=</c> is accepted from clients that cannot send headers.</param>
/// <param name="Limits">Limits on all of the instance's traffic; null for none.</param>
public sealed record AccessView(bool TokenRequired, bool QueryToken, TrafficLimits? Limits);

/// <summary>What is kept of an instance's traffic besides access records and counts.</summary>
/// <param name="Capture">How payloads are kept; null for not at all.</param>
public sealed record TrafficView(CaptureSettings? Capture);

/// <summary>Where clients reach an instance.</summary>
/// <param name="StreamableHttp">For clients that speak Streamable HTTP.</param>
/// <param name="Sse">For clients that speak the older HTTP+SSE.</param>
public sealed record AddressView(string StreamableHttp, string Sse)
{
    /// <summary>The addresses under <paramref name="publicAddress"/> (no trailing slash).</summary>
    public static AddressView Of(Instance instance, string publicAddress) =>
        new($"{publicAddress}/mcp-gateway/{instance.Slug}/mcp", $"{publicAddress}/mcp-gateway/{instance.Slug}/sse");
}

/// <summary>Something that happened to an instance.</summary>
/// <param name="Kind">created, updated, started, running, stopped, failed, restarted, crashed, adopted, degraded, recovered, files-changed, not-watched, deleting.</param>
/// <param name="Actor">User or API key that caused it; null for the platform.</param>
public sealed record EventView(long Id, DateTimeOffset Time, string Kind, string? Actor, string? Detail)
{
    internal static EventView Of(InstanceEvent e) => new(e.Id, e.Time, e.Kind, e.Actor, e.Detail);
}
