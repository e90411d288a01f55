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
    [InlineData("""{"url":"https://h/mcp"}""", "https://h/mcp", "auto", "")]
    [InlineData("""{"serverUrl":"https://h/mcp?key=abc"}""", "https://h/mcp?key=abc", "auto", "")]
    [InlineData("""{"httpUrl":"https://h/mcp"}""", "https://h/mcp", "streamable-http", "")]
    [InlineData("""{"baseUrl":"https://h/x","type":"streamableHttp"}""", "https://h/x", "streamable-http", "")]
    [InlineData("""{"url":"https://h/x","transport":"streamable_http","headers":{"X-Api-Key":"abc"}}""", "https://h/x", "streamable-http", "X-Api-Key=abc*")]
    [InlineData("""{"transport":{"type":"sse","url":"https://h/x"}}""", "https://h/x", "sse", "")]
    [InlineData("""{"url":"https://h/sse"}""", "https://h/sse", "sse", "")]
    [InlineData("""{"url":"https://h/x","requestInit":{"headers":{"Accept-Language":"de"}}}""", "https://h/x", "auto", "Accept-Language=de")]
    [InlineData("""{"url":"https://h/x","bearer_token_env_var":"TOK"}""", "https://h/x", "auto", "Authorization=Bearer ${TOK}*")]
    [InlineData("""{"command":"npx","args":["-y","mcp-remote@latest","https://h/mcp","--header","Authorization:${AUTH}","--transport","sse-only"],"env":{"AUTH":"Bearer abc"}}""", "https://h/mcp", "sse", "Authorization=Bearer abc*")]
    [InlineData("""{"command":"npx","args":["-y","supergateway","--sse","https://h/mcp","--oauth2Bearer","abc"]}""", "https://h/mcp", "sse", "Authorization=Bearer abc*")]
    [InlineData("""{"command":"supergateway","args":["--streamableHttp","https://h/mcp","--header","X-Team: blue"]}""", "https://h/mcp", "streamable-http", "X-Team=blue")]
    public void Parse_RemoteServers_AreProxied(string entry, string url, string transport, string headers)
    {
        var server = Assert.Single(McpServersImport.Parse($$$"""{"mcpServers":{"a":{{{entry}}} } }"""));

        Assert.Equal("proxy", server.Input!.Mode);
        Assert.Equal(url, server.Input.Remote!.Url.Value);
        Assert.Equal(transport, server.Input.Remote.Transport.Value);
        Assert.Equal(headers, string.Join(';', server.Input.Remote.Headers.Value!.Select(h => $"{h.Key}={h.Value!.Value}{(h.Value.Secret ? "*" : "")}")));
        Assert.DoesNotContain("abc", server.Summary, StringComparison.Ordinal);
        Assert.Equal(headers.Contains('$', StringComparison.Ordinal) ? ["headers.Authorization"] : [], server.Missing);
        Assert.Equal(server.Missing.Count == 0, server.Input.Start);
    }

    [Fact]
    public void Parse_ForFile_MakesEverythingDirect()
    {
        var servers = McpServersImport.Parse("""{"mcpServers":{"a":{"url":"https://h/mcp"},"b":{"command":"npx","args":["x"]}}}""", "direct");

        Assert.All(servers, s => Assert.Equal("direct", s.Input!.Mode));
    }

    [Theory]
    [InlineData("https://user:abc@h/mcp")]
    [InlineData("/mcp?abc")]
    [InlineData("${HOST}/mcp?key=abc")]
    public void Parse_AddressesThatCannotBeUsed_SayWhy(string url)
    {
        var server = Assert.Single(McpServersImport.Parse($$$"""{"mcpServers":{"a":{"url":"{{{url}}}"} } }"""));

        Assert.Null(server.Input);
        Assert.Contains("address", Assert.Single(server.Notes), StringComparison.Ordinal);
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
