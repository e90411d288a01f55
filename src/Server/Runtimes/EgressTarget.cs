using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace McpCan.Server.Runtimes;

/// <summary>One place that a workload may connect to: a host's name, an address or a network, on one port or on all.</summary>
/// <param name="Host">Name; null for an address or a network.</param>
/// <param name="Network">Address or network; null for a name.</param>
/// <param name="Port">TCP and UDP port; null for everything there.</param>
public sealed partial record EgressTarget(string? Host, IPNetwork? Network, int? Port)
{
    /// <summary>How one is written, for people.</summary>
    public const string Form = "Must be a host name without wildcards, an address or a network, with or without a port: 'api.example.com:443', '192.0.2.7', '10.1.0.0/16:5432', '[2001:db8::1]:443'.";

    /// <summary>Reads one; null when it is none.</summary>
    public static EgressTarget? Parse(string? text)
    {
        if (text is not { Length: > 0 and <= 300 } || text.Contains('%', StringComparison.Ordinal)) return null; // a zone names a link of this machine
        var (place, port) = (text, (string?)null);
        if (text[0] == '[')
        {
            var end = text.IndexOf(']', StringComparison.Ordinal);
            if (end < 0 || end + 1 < text.Length && text[end + 1] != ':') return null;
            (place, port) = (text[1..end], end + 1 < text.Length ? text[(end + 2)..] : null);
        }
        else if (text.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && text.IndexOf(':', colon + 1) < 0)
        {
            (place, port) = (text[..colon], text[(colon + 1)..]);
        }
        int? number = null;
        if (port is not null)
        {
            if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var n) || n is < 1 or > 65535) return null;
            number = n;
        }
        if (IPAddress.TryParse(place, out var address) && (place.Contains(':', StringComparison.Ordinal) || place.Count('.') == 3)) return new(null, One(address), number);
        if (place.Contains('/', StringComparison.Ordinal)) return IPNetwork.TryParse(place, out var network) ? new(null, network, number) : null;
        return place.Length <= 253 && HostName().IsMatch(place) ? new(place.ToLowerInvariant(), null, number) : null;
    }

    /// <summary>The network that is one address.</summary>
    public static IPNetwork One(IPAddress address) => new(address, address.GetAddressBytes().Length * 8);

    // A name with a letter in its last part: what looks like an address must be one.
    [GeneratedRegex(@"^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex HostName();
}
