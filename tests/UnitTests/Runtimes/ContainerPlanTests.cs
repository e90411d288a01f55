using System.Net;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.UnitTests.Runtimes;

public sealed class ContainerPlanTests
{
    private static readonly ContainerPlan.Order Order = new()
    {
        Name = "n",
        Image = "i",
        Command = ["/opt/mcpcan/mcpcan-bridge"],
        Environment = new Dictionary<string, string>(),
        Mounts = [new("/data/run", "/run/mcpcan", true), new("/opt", "/opt/mcpcan")],
        Labels = new Dictionary<string, string>(),
        Limits = new() { MemoryBytes = 1 << 20, Cpus = 0.5, Pids = 7 },
        Network = "none",
        User = "10001:10001",
    };

    [Fact]
    public void Container_GetsNothingMoreThanItNeeds()
    {
        var made = ContainerPlan.Create(Order);
        var host = made.HostConfig!;

        Assert.Equal(["ALL"], host.CapDrop);
        Assert.Null(host.CapAdd);
        Assert.Equal(["no-new-privileges"], host.SecurityOpt);
        Assert.True(host.ReadonlyRootfs);
        Assert.False(host.Privileged);
        Assert.Equal("10001:10001", made.User);
        Assert.Equal((1L << 20, 1L << 20, 500_000_000L, 7L), (host.Memory, host.MemorySwap, host.NanoCPUs, host.PidsLimit));
        Assert.Equal(["/opt/mcpcan"], host.Mounts!.Where(m => m.ReadOnly == true).Select(m => m.Target));
        Assert.Null(host.PortBindings);
    }

    [Fact]
    public void Rules_CloseMachineAndMetadata_BeforeAnyException()
    {
        var rules = Firewall.Rules("172.20.0.0/16", "172.20.0.1", ["private", "10.1.0.0/16"], [IPAddress.Loopback, IPAddress.Parse("192.0.2.7")], [IPAddress.Parse("10.0.0.53"), IPAddress.Loopback]);

        var lines = rules.Split('\n', StringSplitOptions.TrimEntries);
        var allowed = Array.IndexOf(lines, "ip daddr 10.1.0.0/16 accept");
        foreach (var closed in (string[])["ip daddr 172.20.0.1 reject", "ip daddr 172.20.0.0/16 reject", "ip daddr 192.0.2.7 reject", "ip daddr 169.254.0.0/16 reject", "ip6 daddr fe80::/10 reject"])
            Assert.InRange(Array.IndexOf(lines, closed), 0, allowed);
        Assert.Contains("ip daddr 10.0.0.53 udp dport 53 accept", lines);
        Assert.DoesNotContain("127.0.0.1", rules, StringComparison.Ordinal);
        Assert.DoesNotContain("ip daddr 10.0.0.0/8 reject", lines);
        Assert.Contains("ip daddr 10.0.0.0/8 reject", Firewall.Rules("172.20.0.0/16", null, [], [], []), StringComparison.Ordinal);
    }
}
