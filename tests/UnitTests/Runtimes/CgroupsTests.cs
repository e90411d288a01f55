using System.Globalization;
using System.Net.NetworkInformation;
using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class CgroupsTests : IDisposable
{
    private readonly string _group = Directory.CreateTempSubdirectory("mcpcan-").FullName;

    public void Dispose() => Directory.Delete(_group, recursive: true);

    [Fact]
    public void Network_OfAGroup_IsWhatItsFirstProcessSees_WithoutLoopback()
    {
        File.WriteAllText(Path.Combine(_group, "cgroup.procs"), Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        var interfaces = NetworkInterface.GetAllNetworkInterfaces().Where(i => i.NetworkInterfaceType != NetworkInterfaceType.Loopback).ToList();
        var before = interfaces.Sum(i => i.GetIPStatistics().BytesReceived);

        var (received, sent) = Cgroups.Network([_group]);

        Assert.Equal(interfaces.Count == 0, received is null);
        Assert.Equal(interfaces.Count == 0, sent is null);
        Assert.True(received is null || received >= before, $"{received} < {before}");
    }

    [Fact]
    public void Network_OfAnEmptyGroup_IsNotKnown() => Assert.Equal((null, null), Cgroups.Network([_group, Path.Combine(_group, "gone")]));
}
