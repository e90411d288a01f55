using System.Text.Json;
using McpCan.Server.Instances;

namespace McpCan.UnitTests.Instances;

public sealed class ClientConfigTests
{
    private const string Url = "https://mcp.example.com/mcp-gateway/weather/mcp";
    private static readonly AddressView Address = new(Url, "https://mcp.example.com/mcp-gateway/weather/sse");

    [Fact]
    public void EveryClient_HasOne()
    {
        foreach (var client in ClientConfig.Clients)
        {
            foreach (var (required, token) in new[] { (true, (string?)null), (true, "mct_abc"), (false, null) })
            {
                var config = ClientConfig.For(client, Instance(required), Address, token)!;

                Assert.Contains(Url, config.Text, StringComparison.Ordinal);
                Assert.Equal(token is not null, config.Text.Contains("mct_abc", StringComparison.Ordinal));
                Assert.Equal(required && token is null && client is not "vscode", config.Text.Contains("MCPCAN_TOKEN", StringComparison.Ordinal));
                if (config.Format == "json") JsonDocument.Parse(config.Text);
                if (!required) Assert.DoesNotContain("Bearer", config.Text, StringComparison.Ordinal);
            }
        }
        Assert.Null(ClientConfig.For("abacus", Instance(true), Address));
    }

    [Theory]
    [InlineData("claude-code", "mcpServers", "url", "type", "http")]
    [InlineData("cursor", "mcpServers", "url", null, null)]
    [InlineData("windsurf", "mcpServers", "serverUrl", null, null)]
    [InlineData("gemini-cli", "mcpServers", "httpUrl", null, null)]
    [InlineData("cherry-studio", "mcpServers", "baseUrl", "type", "streamableHttp")]
    [InlineData("vscode", "servers", "url", "type", "http")]
    public void Json_HasTheClientsShape(string client, string root, string address, string? field, string? value)
    {
        var json = JsonDocument.Parse(ClientConfig.For(client, Instance(true), Address, "mct_abc")!.Text).RootElement;

        var entry = json.GetProperty(root).GetProperty("weather");
        Assert.Equal(Url, entry.GetProperty(address).GetString());
        Assert.Equal("Bearer mct_abc", entry.GetProperty("headers").GetProperty("Authorization").GetString());
        if (field is not null) Assert.Equal(value, entry.GetProperty(field).GetString());
    }

    [Fact]
    public void ClaudeDesktop_GoesThroughMcpRemote()
    {
        var entry = JsonDocument.Parse(ClientConfig.For("claude-desktop", Instance(true), Address)!.Text).RootElement.GetProperty("mcpServers").GetProperty("weather");

        Assert.Equal("npx", entry.GetProperty("command").GetString());
        Assert.Equal(["-y", "mcp-remote", Url, "--header", "Authorization:${AUTHORIZATION}"], entry.GetProperty("args").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal("Bearer ${MCPCAN_TOKEN}", entry.GetProperty("env").GetProperty("AUTHORIZATION").GetString());
    }

    [Fact]
    public void VsCode_AsksForTheToken()
    {
        var json = JsonDocument.Parse(ClientConfig.For("vscode", Instance(true), Address)!.Text).RootElement;

        Assert.True(json.GetProperty("inputs")[0].GetProperty("password").GetBoolean());
        Assert.Equal("Bearer ${input:mcpcan-token}", json.GetProperty("servers").GetProperty("weather").GetProperty("headers").GetProperty("Authorization").GetString());
    }

    [Fact]
    public void Codex_IsToml()
    {
        Assert.Equal($"[mcp_servers.weather]\nurl = \"{Url}\"\nbearer_token_env_var = \"MCPCAN_TOKEN\"\n", ClientConfig.For("codex", Instance(true), Address)!.Text);
        Assert.Equal($"[mcp_servers.weather]\nurl = \"{Url}\"\nhttp_headers = {{ \"Authorization\" = \"Bearer mct_abc\" }}\n", ClientConfig.For("codex", Instance(true), Address, "mct_abc")!.Text);
    }

    [Fact]
    public void Direct_GivesTheServersOwnAddress_WithPlaceholdersForSecrets()
    {
        var instance = Direct(new RemoteServer
        {
            ProtectedUrl = "protected",
            Url = "https://remote.example.com/mcp?api_key=***",
            Headers = new Dictionary<string, EnvValue> { ["X-Api-Key"] = new("protected", true), ["X-Team"] = new("bl\"ue") },
        });

        foreach (var client in ClientConfig.Clients)
        {
            var config = ClientConfig.For(client, instance, Address)!;
            Assert.DoesNotContain("protected", config.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("***", config.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("mcp-gateway", config.Text, StringComparison.Ordinal);
            Assert.Contains("https://remote.example.com/mcp?api_key=", config.Text, StringComparison.Ordinal);
            if (config.Format == "json") JsonDocument.Parse(config.Text);
        }
        var entry = JsonDocument.Parse(ClientConfig.For("claude-code", instance, Address)!.Text).RootElement.GetProperty("mcpServers").GetProperty("weather");
        Assert.Equal("https://remote.example.com/mcp?api_key=${API_KEY}", entry.GetProperty("url").GetString());
        Assert.Equal("${X_API_KEY}", entry.GetProperty("headers").GetProperty("X-Api-Key").GetString());
        Assert.Equal("bl\"ue", entry.GetProperty("headers").GetProperty("X-Team").GetString());
        Assert.Contains("env_http_headers = { \"X-Api-Key\" = \"X_API_KEY\" }", ClientConfig.For("codex", instance, Address)!.Text, StringComparison.Ordinal);
        Assert.Contains("os.environ['X_API_KEY']", ClientConfig.For("python", instance, Address)!.Text, StringComparison.Ordinal);
        Assert.Contains("\"${input:x-api-key}\"", ClientConfig.For("vscode", instance, Address)!.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("claude-code", "type", "sse")]
    [InlineData("vscode", "type", "sse")]
    [InlineData("cherry-studio", "type", "sse")]
    [InlineData("gemini-cli", "url", "https://remote.example.com/sse")]
    [InlineData("claude-desktop", "command", "npx")]
    public void Direct_OverSse_HasTheClientsShape(string client, string field, string value)
    {
        var json = JsonDocument.Parse(ClientConfig.For(client, Direct(new RemoteServer { ProtectedUrl = "", Url = "https://remote.example.com/sse" }), Address)!.Text).RootElement;

        Assert.Equal(value, json.GetProperty(client == "vscode" ? "servers" : "mcpServers").GetProperty("weather").GetProperty(field).GetString());
    }

    [Fact]
    public void Direct_OfACommand_GivesTheCommand()
    {
        var instance = Direct(null);
        instance.Source = new CommandSource("npx", ["-y", "weather mcp"]);
        instance.Env = new() { ["API_KEY"] = new("protected", true), ["MODE"] = new("fast") };

        foreach (var client in ClientConfig.Clients)
        {
            var config = ClientConfig.For(client, instance, Address)!;
            Assert.Contains("npx", config.Text, StringComparison.Ordinal);
            Assert.Contains("weather mcp", config.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("protected", config.Text, StringComparison.Ordinal);
            if (config.Format == "json") JsonDocument.Parse(config.Text);
        }
        var entry = JsonDocument.Parse(ClientConfig.For("vscode", instance, Address)!.Text).RootElement.GetProperty("servers").GetProperty("weather");
        Assert.Equal("stdio", entry.GetProperty("type").GetString());
        Assert.Equal("${input:api-key}", entry.GetProperty("env").GetProperty("API_KEY").GetString());
        Assert.Equal("API_KEY=\"${API_KEY}\" MODE='fast' npx -y 'weather mcp'\n", ClientConfig.For("curl", instance, Address)!.Text);
    }

    private static Instance Direct(RemoteServer? remote) => new() { Id = "i-1", Name = "Weather", Slug = "weather", Mode = "direct", Remote = remote };

    private static Instance Instance(bool tokenRequired) => new() { Id = "i-1", Name = "Weather", Slug = "weather", Mode = "managed", TokenRequired = tokenRequired };
}
