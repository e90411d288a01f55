using McpCan.Server.Hosting;
using Microsoft.Extensions.Configuration;

namespace McpCan.UnitTests;

public sealed class ConfigurationTests
{
    [Fact]
    public void Options_ComeFromFileEnvironmentAndCommandLine_LastOneWins()
    {
        var options = Read(
            file: new() { ["MCPCAN:Port"] = "1", ["MCPCAN:AccessLogDays"] = "7", ["MCPCAN:AllowedHosts:0"] = "a.example", ["MCPCAN:AllowedHosts:1"] = "b.example" },
            environment: new() { ["MCPCAN_PORT"] = "2", ["MCPCAN_HOST"] = "::1", ["MCPCAN_PUBLIC_URL"] = "https://mcp.example.com", ["MCPCAN_BRIDGEPATH"] = "/bridge", ["MCPCAN_KNOWN_PROXIES"] = "10.0.0.0/8, 192.0.2.1", ["MCPCAN_API_KEY"] = "for toolkits" },
            commandLine: new() { ["Port"] = "3", ["Host"] = null });

        Assert.Equal((3, "::1", 7, "https://mcp.example.com", "/bridge"), (options.Port, options.Host, options.AccessLogDays, options.PublicUrl, options.BridgePath));
        Assert.Equal(["a.example", "b.example"], options.AllowedHosts);
        Assert.Equal(["10.0.0.0/8", "192.0.2.1"], options.KnownProxies);
        Assert.Equal(Path.GetFullPath("data"), options.Data);
    }

    [Fact]
    public void WrongSettings_AreReportedAllAtOnceByKey()
    {
        var error = Assert.Throws<StartException>(() => Read(environment: new()
        {
            ["MCPCAN_PORT"] = "70000",
            ["MCPCAN_HOST"] = "no address",
            ["MCPCAN_PUBLIC_URL"] = "ftp://x",
            ["MCPCAN_PATH_BASE"] = "mcp/",
            ["MCPCAN_ALLOWED_ORIGINS"] = "https://a.example/path",
            ["MCPCAN_DATABASE"] = "mysql://x",
            ["MCPCAN_MINIMUM_ISOLATION"] = "some",
            ["MCPCAN_ACCESS_LOG_DAYS"] = "0",
        }));

        foreach (var key in new[] { "MCPCAN_PORT", "MCPCAN_HOST", "MCPCAN_PUBLIC_URL", "MCPCAN_PATH_BASE", "MCPCAN_ALLOWED_ORIGINS", "MCPCAN_DATABASE", "MCPCAN_MINIMUM_ISOLATION", "MCPCAN_ACCESS_LOG_DAYS" })
            Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MCPCAN:Port", "seven")]
    [InlineData("MCPCAN:Port", "7.5")]
    [InlineData("MCPCAN:Port", "99999999999")]
    [InlineData("MCPCAN:Prot", "7300")]
    [InlineData("MCPCAN:Data:Folder", "x")]
    public void WrongKeysAndTypes_AreNamed(string key, string value) =>
        Assert.Contains(key.Split(':')[1], Assert.Throws<StartException>(() => Read(file: new() { [key] = value })).Message, StringComparison.Ordinal);

    [Fact]
    public void WrongDatabase_DoesNotShowItsPassword() =>
        Assert.DoesNotContain("pa55", Assert.Throws<StartException>(() => Read(environment: new() { ["MCPCAN_DATABASE"] = "Hots=x;Password=pa55" })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("127.0.0.1", null, null, null, "loopback private")]
    [InlineData("localhost", null, null, null, "loopback private")]
    [InlineData("*", null, null, null, "")]
    [InlineData("10.0.0.5", null, null, null, "")]
    [InlineData("127.0.0.1", "https://mcp.example.com", null, null, "")]
    [InlineData("127.0.0.1", null, "127.0.0.1", null, "")]
    [InlineData("127.0.0.1", null, null, "none", "")]
    [InlineData("*", null, null, "loopback,10.1.0.0/16", "loopback 10.1.0.0/16")]
    public void RemoteServersNearby_AreOpenOnlyWhereNobodyElseReachesUs(string host, string? publicUrl, string? proxies, string? egress, string open)
    {
        var environment = new Dictionary<string, string> { ["MCPCAN_HOST"] = host };
        if (publicUrl is not null) environment["MCPCAN_PUBLIC_URL"] = publicUrl;
        if (proxies is not null) environment["MCPCAN_KNOWN_PROXIES"] = proxies;
        if (egress is not null) environment["MCPCAN_EGRESS_ALLOW"] = egress;
        Assert.Equal(open, string.Join(' ', Read(environment: environment).Egress));
    }

    private static McpCanOptions Read(Dictionary<string, string?>? file = null, Dictionary<string, string>? environment = null, Dictionary<string, string?>? commandLine = null)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(file ?? []);
        configuration.AddMcpCan(environment ?? [], commandLine ?? []);
        return Configuration.Read(configuration.Build());
    }
}
