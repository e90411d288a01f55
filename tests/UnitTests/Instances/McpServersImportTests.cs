using McpCan.Server.Hosting;
using McpCan.Server.Instances;

namespace McpCan.UnitTests.Instances;

public sealed class McpServersImportTests
{
    [Theory]
    [InlineData("""{"mcpServers":{"a":{"command":"npx","args":["-y","x"]}}}""")]
    [InlineData("""{"servers":{"a":{"type":"stdio","command":"npx","args":["-y","x"]}}}""")]
    [InlineData("""{"mcp":{"servers":{"a":{"command":"npx","args":["-y","x"]}}}}""")]
    [InlineData("""{"mcp.servers":{"a":{"command":"npx","args":["-y","x"]}}}""")]
    [InlineData("""{"a":{"command":"npx","args":["-y","x"]}}""")]
    [InlineData("""[{"name":"a","command":"npx","args":["-y","x"]}]""")]
    [InlineData("""{"servers":[{"name":"a","transport":{"type":"stdio","command":"npx","args":["-y","x"]}}]}""")]
    [InlineData("""{"name":"a","command":"npx -y x"}""")]
    [InlineData("/* c */ {\"mcpServers\":{\"a\":{\"command\":\"npx\",\"args\":[\"-y\",\"x\",],},},} // end")]
    public void Parse_AllShapes_AreOneServer(string text)
    {
        var server = Assert.Single(McpServersImport.Parse(text));

        Assert.Equal("a", server.Name);
        Assert.Equal("npx -y x", server.Summary);
        Assert.Equal("npx", server.Input!.Source!.Command.Value);
        Assert.Equal(["-y", "x"], server.Input.Source.Args.Value!);
    }

    [Fact]
    public void Parse_Variables_SecretsByName_PlaceholdersMissing()
    {
        var server = Assert.Single(McpServersImport.Parse("""
            {"mcpServers":{"a":{"command":"npx","args":["--dir","${HOME_DIR}"],"env":{"GITHUB_TOKEN":"ghp","API_KEY":"${input:key}","MODE":"fast","EMPTY":"","PORT":8080,"BAD":{}}}}}
            """));

        Assert.Equal(["args[1]", "API_KEY", "EMPTY"], server.Missing);
        Assert.True(server.Input!.Env!["GITHUB_TOKEN"].Secret);
        Assert.True(server.Input.Env["API_KEY"].Secret);
        Assert.False(server.Input.Env["MODE"].Secret);
        Assert.Equal("8080", server.Input.Env["PORT"].Value);
        Assert.False(server.Input.Env.ContainsKey("BAD"));
        Assert.False(server.Input.Start);
        Assert.Contains(server.Notes, n => n.Contains("BAD", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"mcpServers":{"a":{"url":"https://h/mcp"}}}""")]
    [InlineData("""{"mcpServers":{"a":{"serverUrl":"https://h/mcp?key=abc"}}}""")]
    [InlineData("""{"mcpServers":{"a":{"command":"npx","args":["-y","mcp-remote@latest","https://h/mcp","--header","Authorization:abc"]}}}""")]
    [InlineData("""{"mcpServers":{"a":{"command":"npx","args":["-y","supergateway","--sse","https://h/mcp"]}}}""")]
    public void Parse_RemoteServers_AreReportedNotMade(string text)
    {
        var server = Assert.Single(McpServersImport.Parse(text));

        Assert.Null(server.Input);
        Assert.StartsWith("https://h/mcp", server.Summary, StringComparison.Ordinal);
        Assert.DoesNotContain("abc", server.Summary, StringComparison.Ordinal);
        Assert.Contains("remote", Assert.Single(server.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"disabled":true}""")]
    [InlineData("""{"isActive":false}""")]
    [InlineData("""{"enabled":false}""")]
    public void Parse_SwitchedOff_IsNotStarted(string more)
    {
        var server = Assert.Single(McpServersImport.Parse($$$"""{"mcpServers":{"a":{"command":"x",{{{more[1..^1]}}} } } }"""));

        Assert.False(server.Start);
        Assert.False(server.Input!.Start);
    }

    [Fact]
    public void Parse_ABadEntry_DoesNotHideTheOthers()
    {
        var servers = McpServersImport.Parse("""{"mcpServers":{"a":7,"b":{},"c":{"command":"x"},"d":{"command":5}}}""");

        Assert.Equal([false, false, true, false], servers.Select(s => s.Input is not null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("npx -y x")]
    [InlineData("{\"mcpServers\":{}}")]
    [InlineData("{\"name\":{\"name\":1}}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"mcpServers\":{\"a\":{\"command\":\"x\"}}")]
    public void Parse_Nonsense_SaysSo(string text) => Assert.Equal(400, Assert.Throws<ProblemException>(() => McpServersImport.Parse(text)).Status);
}
