using McpCan.Gateway;
using McpCan.Server.Hosting;

namespace McpCan.Server.Access;

/// <summary>Limits to set at the gateway; what is left out stays, null means none.</summary>
public sealed record TrafficLimitsInput
{
    private const int Most = 1_000_000;

    /// <summary>JSON-RPC requests a minute.</summary>
    public Patch<int?> RequestsPerMinute { get; init; }
    /// <summary>Calls under way at the same time.</summary>
    public Patch<int?> ConcurrentCalls { get; init; }
    /// <summary>Open sessions at the same time.</summary>
    public Patch<int?> Sessions { get; init; }

    internal TrafficLimits? Over(TrafficLimits? present)
    {
        var limits = new TrafficLimits(RequestsPerMinute.Or(present?.RequestsPerMinute), ConcurrentCalls.Or(present?.ConcurrentCalls), Sessions.Or(present?.Sessions));
        return limits == TrafficLimits.None ? null : limits;
    }

    internal static void Check(TrafficLimits? limits, Checks checks, string field)
    {
        checks.That(Fits(limits?.RequestsPerMinute), $"{field}.requestsPerMinute", Message)
            .That(Fits(limits?.ConcurrentCalls), $"{field}.concurrentCalls", Message)
            .That(Fits(limits?.Sessions), $"{field}.sessions", Message);
    }

    private static readonly string Message = FormattableString.Invariant($"Must be between 1 and {Most}, or null for no limit.");

    private static bool Fits(int? limit) => limit is null or (>= 1 and <= Most);
}
