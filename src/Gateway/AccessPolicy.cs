using System.Collections.Frozen;
using System.Net;

namespace McpCan.Gateway;

/// <summary>What a token may do at the instances that it opens. Immutable; equal when it says the same.</summary>
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

    /// <summary>Whether it closes any tool, prompt or resource: then messages are looked into.</summary>
    public bool HasRules => Tools is not null || Prompts is not null || Resources is not null;

    /// <summary>Whether the token is good from this address. IPv4 in IPv6's clothes counts as IPv4; who has no address comes from nowhere.</summary>
    public bool OpenTo(IPAddress? client)
    {
        if (Addresses.Count == 0) return true;
        if (client is null) return false;
        if (client.IsIPv4MappedToIPv6) client = client.MapToIPv4();
        foreach (var network in Addresses)
        {
            if (network.Contains(client)) return true;
        }
        return false;
    }

    /// <inheritdoc/>
    public bool Equals(AccessPolicy? other) =>
        other is not null && Tools == other.Tools && Prompts == other.Prompts && Resources == other.Resources && Limits == other.Limits
        && Addresses.SequenceEqual(other.Addresses);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Tools, Prompts, Resources, Limits, Addresses.Count);
}

/// <summary>
/// Which names are open: those allowed (null: all) without those denied. A name may hold <c>*</c> for any characters; names are compared exactly.
/// </summary>
/// <param name="Allowed">Open names; null for all.</param>
/// <param name="Denied">Names that stay closed although allowed.</param>
public sealed record NameRule(IReadOnlyList<string>? Allowed, IReadOnlyList<string> Denied)
{
    private readonly Names? _allowed = Allowed is null ? null : new(Allowed);
    private readonly Names _denied = new(Denied);

    /// <summary>Whether this name is open.</summary>
    public bool Opens(string name) => _allowed?.Have(name) != false && !_denied.Have(name);

    /// <inheritdoc/>
    public bool Equals(NameRule? other) =>
        other is not null && Allowed is null == other.Allowed is null && (Allowed ?? []).SequenceEqual(other.Allowed ?? []) && Denied.SequenceEqual(other.Denied);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Allowed?.Count, Denied.Count);

    private sealed class Names(IReadOnlyList<string> names)
    {
        private readonly FrozenSet<string> _plain = names.Where(n => !n.Contains('*')).ToFrozenSet(StringComparer.Ordinal);
        private readonly string[] _patterns = [.. names.Where(n => n.Contains('*'))];

        public bool Have(string name)
        {
            if (_plain.Contains(name)) return true;
            foreach (var pattern in _patterns)
            {
                if (Fits(pattern, name)) return true;
            }
            return false;
        }

        // Goes back to the last star only: never more than pattern × name steps.
        private static bool Fits(string pattern, string name)
        {
            int p = 0, n = 0, star = -1, mark = 0;
            while (n < name.Length)
            {
                if (p < pattern.Length && pattern[p] == '*') (star, mark) = (p++, n);
                else if (p < pattern.Length && pattern[p] == name[n]) (p, n) = (p + 1, n + 1);
                else if (star >= 0) (p, n) = (star + 1, ++mark);
                else return false;
            }
            while (p < pattern.Length && pattern[p] == '*') p++;
            return p == pattern.Length;
        }
    }
}

/// <summary>Limits answered by 429 with Retry-After; null means none.</summary>
/// <param name="RequestsPerMinute">JSON-RPC requests a minute.</param>
/// <param name="ConcurrentCalls">Requests under way at the same time.</param>
/// <param name="Sessions">Open sessions at the same time.</param>
public sealed record TrafficLimits(int? RequestsPerMinute, int? ConcurrentCalls, int? Sessions)
{
    /// <summary>No limit at all.</summary>
    public static readonly TrafficLimits None = new(null, null, null);

    internal bool Any => RequestsPerMinute is not null || ConcurrentCalls is not null || Sessions is not null;
}

/// <summary>How payloads are kept with access records.</summary>
/// <param name="MaxBytes">Bytes kept of each side.</param>
/// <param name="RedactedFields">JSON member names whose values are replaced, besides those that look like secrets anyway.</param>
public sealed record PayloadCapture(int MaxBytes, IReadOnlyList<string> RedactedFields);
