using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>A server that listens by itself: a second bridge on a TCP port, with tests/Servers/echo.py behind it.</summary>
public sealed class BridgeHttpProgramTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("bed-http-").FullName;

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("/mcp", "auto")]
    [InlineData("/mcp", "streamable-http")]
    [InlineData("/sse", "sse")]
    [InlineData("/sse", "auto")]
    public async Task LegacyClient_HasASessionOfItsOwnThere_WithRequestsBothWays(string path, string transport)
    {
        await using var bed = await StartAsync(path, transport);
        var (one, two) = (await bed.OpenAsync(), await bed.OpenAsync());
        Assert.Contains("hello", await bed.CallAsync(one, "echo", new { text = "hello" }));
        Assert.Contains("there", await bed.CallAsync(two, "echo", new { text = "there" }));

        using var response = await bed.PostAsync(one, BridgeBed.Call("7", "sample"));
        using var events = await EventReader.OpenAsync(response);
        var asked = JsonNode.Parse(await events.NextMessageAsync())!;
        Assert.Equal("sampling/createMessage", (string?)asked["method"]);
        using var _ = await bed.PostAsync(one, $$$"""{"jsonrpc":"2.0","id":{{{asked["id"]!.ToJsonString()}}},"result":{"role":"assistant","model":"m","content":{"type":"text","text":"from the client"} } }""");
        Assert.Contains("from the client", await events.NextMessageAsync());
    }

    [Fact]
    public async Task ModernClient_IsServedByConversion()
    {
        await using var bed = await StartAsync("/mcp", "auto", era: "legacy");
        var discover = await new ModernRequest("server/discover").ResultAsync(bed);

        Assert.Equal("echo", (string?)discover["_meta"]!["io.modelcontextprotocol/serverInfo"]!["name"]);
        var result = await ModernRequest.Tool("echo", new { text = "hello" }).ResultAsync(bed);
        Assert.Equal("hello", (string?)result["content"]![0]!["text"]);
    }

    [Fact]
    public async Task ServerThatEnds_IsStartedAgain_AndItsLastWordsAreKnown()
    {
        await using var bed = await StartAsync("/mcp", "auto");
        await bed.OpenAsync();
        var server = bed.Processes().First(p => File.ReadAllText($"/proc/{p}/cmdline").Contains(folder, StringComparison.Ordinal));

        System.Diagnostics.Process.GetProcessById(server).Kill();

        await bed.Until(async () => (int)(await bed.StatusAsync())["restarts"]! == 1 && (string?)(await bed.StatusAsync())["state"] == "ready");
        Assert.Equal("SIGKILL", (string?)(await bed.StatusAsync())["lastExit"]!["signal"]);
        Assert.Contains("again", await bed.CallAsync(await bed.OpenAsync(), "echo", new { text = "again" }));
    }

    [Fact]
    public async Task ServerThatDoesNotListen_IsNamed_WithItsPort()
    {
        var port = FreePort();
        await using var bed = await BridgeBed.StartAsync(new { command = new[] { "sleep", "600" }, startSeconds = 1, http = new { port } });

        using var response = await bed.PostAsync(null, """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bed","version":"1"} } }""");

        Assert.Contains($"did not listen on port {port} within 1 seconds", await response.Content.ReadAsStringAsync(Stop));
    }

    async Task<BridgeBed> StartAsync(string path, string transport, string era = "auto")
    {
        var port = FreePort();
        var inner = Path.Combine(folder, "inner.json");
        await File.WriteAllTextAsync(inner, new JsonObject
        {
            ["listen"] = $"http://127.0.0.1:{port}",
            ["command"] = new JsonArray("python3", BridgeBed.EchoServer),
            ["era"] = era,
        }.ToJsonString(), Stop);
        return await BridgeBed.StartAsync(new { command = new[] { Path.Combine(AppContext.BaseDirectory, "mcpcan-bridge"), "--config", inner }, http = new { port, path, transport } });
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
