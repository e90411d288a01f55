using McpCan.Server.Runtimes.Docker;

namespace McpCan.UnitTests.Runtimes;

public sealed class EngineAddressTests
{
    [Theory]
    [InlineData("unix:///var/run/docker.sock", true)]
    [InlineData(" tcp://engine.example:2376 ", false)]
    public void Address_WellFormed_IsTaken(string text, bool socket)
    {
        var address = EngineAddress.Parse(text, null, out var problem);

        Assert.Null(problem);
        Assert.Equal(socket, address!.IsSocket);
        using var client = EngineClient.Open(address);
    }

    [Theory]
    [InlineData("")]
    [InlineData("docker.sock")]
    [InlineData("unix://run/docker.sock")]
    [InlineData("https://host:2376")]
    [InlineData("tcp://host")]
    [InlineData("tcp://user@host:2376")]
    [InlineData("tcp://host:2376/path")]
    public void Address_Malformed_SaysWhy(string text)
    {
        Assert.Null(EngineAddress.Parse(text, null, out var problem));
        Assert.EndsWith(".", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Certificates_Unreadable_SayWhy_AndAreNeverShown()
    {
        var address = new EngineAddress(new Uri("tcp://host:2376"), new EngineTls(null, "certificate-text", "key-text"));

        Assert.Contains("PEM", Assert.Throws<ArgumentException>(() => EngineClient.Open(address)).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("key-text", $"{address} {address.Tls}", StringComparison.Ordinal);
    }
}
