using System.Globalization;
using System.Net;
using System.Net.Sockets;
using McpCan.Server.Hosting;

namespace McpCan.Server.Access;

/// <summary>Client addresses as people write them: single ones, or networks in CIDR form. IPv4 in IPv6's clothes counts as IPv4.</summary>
internal static class AddressRules
{
    private const int Most = 200;

    /// <summary>The list in its plain form: without blanks and doubles, networks by their first address.</summary>
    public static List<string> Read(IReadOnlyList<string>? addresses, Checks checks)
    {
        if (addresses is null) return [];
        checks.That(addresses.Count <= Most, "addresses", $"At most {Most} addresses; name a network in their place, for example 192.0.2.0/24.");
        var read = new List<string>();
        foreach (var text in addresses.Take(Most))
        {
            var network = Parse(text?.Trim() ?? "");
            checks.That(network is not null, "addresses", $"'{(text?.Length > 60 ? text[..60] : text)}' is neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32.");
            if (network is { } known) read.Add(Write(known));
        }
        return [.. read.Distinct(StringComparer.Ordinal)];
    }

    public static IPNetwork? Parse(string text)
    {
        var slash = text.IndexOf('/');
        var host = slash < 0 ? text : text[..slash];
        if (host.Contains('%') || !IPAddress.TryParse(host, out var address)) return null;
        // "10.1" or "010.0.0.1" mean something else to each reader.
        if (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != host) return null;
        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = bits;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out prefix) || prefix > bits)) return null;
        if (address.IsIPv4MappedToIPv6 && prefix >= 96) (address, prefix) = (address.MapToIPv4(), prefix - 96);
        var bytes = address.GetAddressBytes();
        for (var i = 0; i < bytes.Length; i++) bytes[i] &= (byte)(0xFF00 >> Math.Clamp(prefix - (8 * i), 0, 8));
        return new IPNetwork(new IPAddress(bytes), prefix);
    }

    private static string Write(IPNetwork network) =>
        network.PrefixLength == network.BaseAddress.GetAddressBytes().Length * 8 ? network.BaseAddress.ToString() : network.ToString();
}
