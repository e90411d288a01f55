using System.Text;

namespace McpCan.Protocol;

/// <summary>The protocol revisions, oldest first, so that they compare.</summary>
public enum McpRevision
{
    /// <summary>Not a revision that we know.</summary>
    Unknown,
    /// <summary>HTTP+SSE.</summary>
    R20241105,
    /// <summary>Streamable HTTP, the only one with batches.</summary>
    R20250326,
    /// <summary>Version header, elicitation, no batches.</summary>
    R20250618,
    /// <summary>Priming events and polling (SEP-1699).</summary>
    R20251125,
    /// <summary>The modern era: no initialize, no sessions.</summary>
    R20260728,
}

/// <summary>Names of the revisions.</summary>
public static class McpRevisions
{
    /// <summary>The revisions with <c>initialize</c> and sessions.</summary>
    public static IReadOnlyList<string> Legacy { get; } = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

    /// <summary>The newest legacy revision.</summary>
    public const string NewestLegacy = "2025-11-25";

    /// <summary>The newest modern revision.</summary>
    public const string NewestModern = "2026-07-28";

    /// <summary>Whether a version string is a date of the modern era, also of a revision that we do not know.</summary>
    public static bool IsModernDate(string version) => version.Length == 10 && string.CompareOrdinal(version, NewestModern) >= 0;

    /// <summary>The revision of a version string.</summary>
    public static McpRevision Parse(string? version) => version switch
    {
        "2024-10-07" or "2024-11-05" => McpRevision.R20241105,
        "2025-03-26" => McpRevision.R20250326,
        "2025-06-18" => McpRevision.R20250618,
        "2025-11-25" => McpRevision.R20251125,
        "2026-07-28" => McpRevision.R20260728,
        _ => McpRevision.Unknown,
    };

    /// <summary>The revision of a JSON string value (with its quotes).</summary>
    public static McpRevision ParseJson(ReadOnlySpan<byte> value)
        => value.Length == 12 ? Parse(Encoding.ASCII.GetString(value[1..^1])) : McpRevision.Unknown;

    /// <summary>The version string of a revision.</summary>
    public static string Name(this McpRevision revision) => revision switch
    {
        McpRevision.R20241105 => "2024-11-05",
        McpRevision.R20250326 => "2025-03-26",
        McpRevision.R20250618 => "2025-06-18",
        McpRevision.R20260728 => "2026-07-28",
        _ => NewestLegacy,
    };
}
