using System.Net;
using System.Net.Sockets;
using System.Text;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>An opening in a workload's network.</summary>
/// <param name="Network">Address or network.</param>
/// <param name="Port">TCP and UDP port; null for everything there.</param>
internal sealed record EgressOpening(string Network, int? Port);

/// <summary>A name and where it was found.</summary>
/// <param name="Name">Host's name.</param>
/// <param name="Addresses">Its addresses, in order.</param>
internal sealed record FoundHost(string Name, IReadOnlyList<string> Addresses);

/// <summary>
/// The places that a workload may connect to, with the addresses of their names as they were last looked up. We look them up and give
/// them to the workload in its hosts file: it asks no name server, which could carry anything anywhere.
/// </summary>
/// <param name="Targets">As configured.</param>
/// <param name="Found">Names among them, looked up.</param>
/// <param name="Before">How they were looked up before: what a program remembers still works.</param>
internal sealed record EgressList(IReadOnlyList<string> Targets, IReadOnlyList<FoundHost> Found, IReadOnlyList<FoundHost>? Before = null)
{
    /// <summary>The workload's own name, which its hosts file knows.</summary>
    public const string HostName = "workload";

    /// <summary>Looks the names up. Throws <see cref="IOException"/>, naming the one that was not found.</summary>
    public static async Task<EgressList> ResolveAsync(IReadOnlyList<string> targets, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellationToken)
    {
        var found = new List<FoundHost>();
        foreach (var name in Parsed(targets).Select(t => t.Host).OfType<string>().Distinct())
        {
            IPAddress[] addresses;
            try
            {
                addresses = await resolve(name, cancellationToken);
            }
            catch (SocketException e)
            {
                throw new IOException($"The host '{name}' of the egress allow-list was not found: {e.Message}.", e);
            }
            // A workload's network speaks IPv4; other addresses would only be waited for.
            var usable = addresses.Where(a => a.AddressFamily == AddressFamily.InterNetwork).DefaultIfEmpty(addresses.FirstOrDefault()).OfType<IPAddress>();
            found.Add(new(name, [.. usable.Select(a => a.ToString()).Distinct().Order(StringComparer.Ordinal)]));
        }
        return new(targets, found);
    }

    /// <summary>The same list after its names were looked up again; null when they are where they were.</summary>
    public async Task<EgressList?> RenewedAsync(Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellationToken)
    {
        var now = await ResolveAsync(Targets, resolve, cancellationToken);
        return now.HostsFile() == HostsFile() ? null : now with { Before = Found };
    }

    /// <summary>What the workload finds in <c>/etc/hosts</c>.</summary>
    public string HostsFile()
    {
        var text = new StringBuilder($"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {HostName}\n");
        foreach (var host in Found)
        {
            foreach (var address in host.Addresses) text.Append(address).Append(' ').Append(host.Name).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>What is open by it.</summary>
    public IReadOnlyList<EgressOpening> Openings() => [.. Parsed(Targets).SelectMany(t => t.Network is { } network
        ? [new EgressOpening($"{network}", t.Port)]
        : Found.Concat(Before ?? []).Where(f => f.Name == t.Host).SelectMany(f => f.Addresses).Select(a => new EgressOpening(a, t.Port))).Distinct()];

    private static IEnumerable<EgressTarget> Parsed(IReadOnlyList<string> targets) => targets.Select(EgressTarget.Parse).OfType<EgressTarget>();
}
