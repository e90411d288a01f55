using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>
/// What a workload may not reach, as rules of its own network namespace. A helper with the right to do so
/// puts them there before the workload's first instruction; the workload has no right to change them.
/// </summary>
internal static class Firewall
{
    // Never: metadata of clouds, the machine's own neighbours by link, and what is not one address.
    private static readonly string[] Never = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "168.63.129.16/32", "100.100.100.200/32", "fe80::/10", "ff00::/8", "fd00:ec2::/32"];
    private static readonly string[] Private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7"];

    /// <summary>The rules, as the program <c>nft</c> takes them.</summary>
    /// <param name="network">The workload's own network: no other workload may be reached.</param>
    /// <param name="gateway">The engine's machine as that network sees it.</param>
    /// <param name="allow">The administrator's exceptions.</param>
    /// <param name="own">Addresses of the machine that MCPCAN runs on.</param>
    /// <param name="resolvers">Name servers.</param>
    /// <param name="only">The places beside which nothing may be reached, no name server either, since names can carry data; null for no such list.</param>
    public static string Rules(string network, string? gateway, IReadOnlyList<string> allow, IEnumerable<IPAddress> own, IEnumerable<IPAddress> resolvers, IReadOnlyList<EgressOpening>? only = null)
    {
        // An engine's own name server answers on loopback, and asks on behalf of the workload.
        var lines = new List<string> { "oif lo accept", "ct state established,related accept" };
        if (only is not null) lines.Insert(0, "ip daddr 127.0.0.11 reject");
        var names = resolvers.Where(r => !IPAddress.IsLoopback(r)).Select(r => r.ToString());
        if (only is null) foreach (var server in gateway is null ? names : names.Append(gateway)) lines.AddRange([$"{To(server)} udp dport 53 accept", $"{To(server)} tcp dport 53 accept"]);
        // The machine itself and other workloads: before any exception.
        lines.AddRange(own.Where(a => !IPAddress.IsLoopback(a)).Select(a => a.ToString()).Append(gateway).OfType<string>().Append(network).Distinct().Select(a => $"{To(a)} reject"));
        lines.AddRange(Never.Select(r => $"{To(r)} reject"));
        var open = only is null ? "accept" : "jump listed";
        lines.AddRange(allow.Where(a => a is not ("private" or "loopback" or "none")).Select(a => $"{To(a)} {open}"));
        if (!allow.Contains("private")) lines.AddRange(Private.Select(r => $"{To(r)} reject"));
        if (only is not null) lines.AddRange(["jump listed", "reject"]);
        // In one go, whether or not there were rules before.
        return $"table inet mcpcan\ndelete table inet mcpcan\ntable inet mcpcan {{\n chain listed {{\n{string.Concat((only ?? []).SelectMany(Lines))} }}\n chain out {{\n  type filter hook output priority 0; policy accept;\n  {string.Join("\n  ", lines)}\n }}\n}}\n";
    }

    private static IEnumerable<string> Lines(EgressOpening to) => to.Port is { } port
        ? [$"  {To(to.Network)} tcp dport {port} accept\n", $"  {To(to.Network)} udp dport {port} accept\n"]
        : [$"  {To(to.Network)} accept\n"];

    /// <summary>This machine's addresses.</summary>
    public static IEnumerable<IPAddress> OwnAddresses() => NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses)
        .Select(a => a.Address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPAddress(a.Address.GetAddressBytes()) : a.Address);

    /// <summary>The name servers that an engine may hand to its containers.</summary>
    public static IEnumerable<IPAddress> Resolvers() => new[] { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" }.Where(File.Exists).SelectMany(File.ReadLines)
        .Select(l => l.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Where(p => p is ["nameserver", _, ..])
        .Select(p => IPAddress.TryParse(p[1].Split('%')[0], out var address) ? address : null).OfType<IPAddress>().Distinct();

    private static string To(string address) => $"{(address.Contains(':', StringComparison.Ordinal) ? "ip6" : "ip")} daddr {address}";
}
