using System.Net;
using System.Net.Sockets;
using McpCan.Protocol.Links;

namespace McpCan.Gateway.Remote;

/// <summary>
/// Which addresses we connect to for users. Decided on the address that the socket is opened to, so neither a name that changes its
/// address nor a redirect gets around it. Link-local addresses (cloud metadata among them) are never called.
/// </summary>
internal sealed class EgressRules
{
    private static readonly IPNetwork[] Never = Parse(
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24", "100.100.100.200/32", "168.63.129.16/32",
        "::/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128", "100::/64");
    private static readonly IPNetwork[] Loopback = Parse("127.0.0.0/8", "::1/128");
    private static readonly IPNetwork[] Private = Parse("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7");

    private readonly IPNetwork[] _allowed;

    /// <summary>Rules with what the setting allows: <c>loopback</c>, <c>private</c> or networks.</summary>
    public EgressRules(IEnumerable<string> allowed) =>
        _allowed = [.. allowed.SelectMany(name => name.ToLowerInvariant() switch
        {
            "loopback" => Loopback,
            "private" => Private,
            _ => IPNetwork.TryParse(name, out var network) ? [network] : IPAddress.TryParse(name, out var one) ? [new IPNetwork(one, one.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)] : [],
        })];

    /// <summary>Why the address may not be called; null when it may.</summary>
    public string? WhyNot(IPAddress address)
    {
        address = Plain(address);
        if (In(Never, address)) return "the server's address may not be called: it is link-local, reserved or a cloud's metadata service";
        if (In(_allowed, address)) return null;
        if (In(Loopback, address)) return "the server's address may not be called: it is this machine; an administrator can allow that (MCPCAN_EGRESS_ALLOW=loopback)";
        if (In(Private, address)) return "the server's address may not be called: it lies in a private network; an administrator can allow that (MCPCAN_EGRESS_ALLOW=private, or the network)";
        return null;
    }

    /// <summary>Opens a connection to a host, to the first of its addresses that may be called and answers.</summary>
    public async ValueTask<Stream> ConnectAsync(DnsEndPoint host, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(host.Host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(host.Host, cancellationToken);
        Exception? failure = null;
        foreach (var address in addresses)
        {
            if (WhyNot(address) is { } reason)
            {
                failure ??= new RemoteException(RemoteFailure.Forbidden, reason);
                continue;
            }
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, host.Port), cancellationToken);
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true); // a quiet stream whose server is gone is noticed
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                failure = e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw failure ?? new SocketException((int)SocketError.HostNotFound);
    }

    // An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is judged as what it is.
    private static IPAddress Plain(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        if (bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0, 0x64, 0xff, 0x9b])) return new IPAddress(bytes.AsSpan(12, 4));
        if (bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x20, 0x02])) return new IPAddress(bytes.AsSpan(2, 4));
        var isCompatible = !bytes.AsSpan(0, 12).ContainsAnyExcept((byte)0) && bytes.AsSpan(12).ContainsAnyExcept((byte)0) && !address.Equals(IPAddress.IPv6Loopback);
        return isCompatible ? new IPAddress(bytes.AsSpan(12, 4)) : address;
    }

    private static bool In(IPNetwork[] networks, IPAddress address)
    {
        foreach (var network in networks)
        {
            if (network.Contains(address)) return true;
        }
        return false;
    }

    private static IPNetwork[] Parse(params string[] networks) => [.. networks.Select(network => IPNetwork.Parse(network))];
}
