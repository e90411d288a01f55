using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class EgressTargetTests
{
    [Theory]
    [InlineData("api.example.com", "api.example.com", null, null)]
    [InlineData("API.example.com:443", "api.example.com", null, 443)]
    [InlineData("localhost", "localhost", null, null)]
    [InlineData("192.0.2.7", null, "192.0.2.7/32", null)]
    [InlineData("192.0.2.7:53", null, "192.0.2.7/32", 53)]
    [InlineData("10.1.0.0/16:5432", null, "10.1.0.0/16", 5432)]
    [InlineData("10.1.2.3/8", null, "10.0.0.0/8", null)]
    [InlineData("2001:db8::1", null, "2001:db8::1/128", null)]
    [InlineData("[2001:db8::/32]:443", null, "2001:db8::/32", 443)]
    public void Place_IsUnderstood(string text, string? host, string? network, int? port)
    {
        var target = EgressTarget.Parse(text)!;

        Assert.Equal((host, network, port), (target.Host, target.Network?.ToString(), target.Port));
    }

    [Theory]
    [InlineData("")]
    [InlineData("*.example.com")]
    [InlineData("https://example.com")]
    [InlineData("example.com:0")]
    [InlineData("example.com:65536")]
    [InlineData("example.com:https")]
    [InlineData("10.1")] // what looks like an address must be one
    [InlineData("10.0.0.300")]
    [InlineData("[2001:db8::1")]
    [InlineData("a b")]
    [InlineData("a.example;reject")]
    [InlineData("example.com\n10.0.0.1 evil")]
    public void AnythingElse_IsRefused(string text) => Assert.Null(EgressTarget.Parse(text));
}
