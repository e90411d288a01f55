using System.Net;
using McpCan.Gateway.Remote;
using McpCan.Protocol.Links;

namespace McpCan.UnitTests.Gateway;

public sealed class EgressRulesTests
{
    [Theory]
    [InlineData("169.254.169.254")]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("fe80::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("64:ff9b::a9fe:a9fe")]
    [InlineData("2002:a9fe:a9fe::1")]
    [InlineData("255.255.255.255")]
    public void Address_NeverCallable_StaysSoWhateverIsAllowed(string address)
        => Assert.NotNull(new EgressRules(["loopback", "private", "0.0.0.0/0", "::/0"]).WhyNot(IPAddress.Parse(address)));

    [Theory]
    [InlineData("127.0.0.1", "loopback")]
    [InlineData("::1", "loopback")]
    [InlineData("::ffff:127.0.0.1", "loopback")]
    [InlineData("10.2.3.4", "private")]
    [InlineData("172.31.0.1", "private")]
    [InlineData("192.168.1.1", "private")]
    [InlineData("100.64.0.1", "private")]
    [InlineData("fd12::1", "private")]
    [InlineData("10.2.3.4", "10.2.0.0/16")]
    [InlineData("10.2.3.4", "10.2.3.4")]
    public void Address_NotPublic_CallableOnlyWhenAllowed(string address, string allowed)
    {
        Assert.Contains("MCPCAN_EGRESS_ALLOW", new EgressRules([]).WhyNot(IPAddress.Parse(address)));
        Assert.Null(new EgressRules([allowed]).WhyNot(IPAddress.Parse(address)));
    }

    [Theory]
    [InlineData("93.184.216.34")]
    [InlineData("2606:2800:220:1::1")]
    public void Address_Public_Callable(string address) => Assert.Null(new EgressRules([]).WhyNot(IPAddress.Parse(address)));

    [Fact]
    public async Task Connect_NameOfAClosedAddress_Refused()
    {
        var failure = await Assert.ThrowsAsync<RemoteException>(async () => await new EgressRules([]).ConnectAsync(new DnsEndPoint("localhost", 1), TestContext.Current.CancellationToken));
        Assert.Equal(RemoteFailure.Forbidden, failure.Failure);
    }
}
