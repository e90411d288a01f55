using System.Net;

namespace McpCan.Gateway;

/// <summary>What a token may do at the instances that it opens. Immutable.</summary>
public sealed record AccessPolicy
{
    /// <summary>Tools, by name.</summary>
    public NameRule? Tools { get; init; }
    /// <summary>Prompts, by name.</summary>
    public NameRule? Prompts { get; init; }
    /// <summary>Resources and resource templates, by URI.</summary>
    public NameRule? Resources { get; init; }
    /// <summary>Client addresses from which the token is good; empty for all.</summary>
    public IReadOnlyList<IPNetwork> Addresses { get; init; } = [];
    /// <summary>Limits on the token's traffic over all instances.</summary>
    public TrafficLimits Limits { get; init; } = TrafficLimits.None;
}

/// <summary>
/// Which names are open: those allowed (null: all) without those denied. A name may hold <c>*</c> for any characters.
/// </summary>
/// <param name="Allowed">Open names; null for all.</param>
/// <param name="Denied">Names that stay closed although allowed.</param>
public sealed record NameRule(IReadOnlyList<string>? Allowed, IReadOnlyList<string> Denied);

/// <summary>Limits answered by 429 with Retry-After; null means none.</summary>
/// <param name="RequestsPerMinute">JSON-RPC requests a minute.</param>
/// <param name="ConcurrentCalls">Requests under way at the same time.</param>
/// <param name="Sessions">Open sessions at the same time.</param>
public sealed record TrafficLimits(int? RequestsPerMinute, int? ConcurrentCalls, int? Sessions)
{
    /// <summary>No limit at all.</summary>
    public static readonly TrafficLimits None = new(null, null, null);
}

/// <summary>How payloads are kept with access records.</summary>
/// <param name="MaxBytes">Bytes kept of each side.</param>
/// <param name="RedactedFields">JSON member names whose values are replaced, besides those that look like secrets anyway.</param>
public sealed record PayloadCapture(int MaxBytes, IReadOnlyList<string> RedactedFields);
