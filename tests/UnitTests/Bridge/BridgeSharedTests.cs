using System.Net;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>One process for several sessions.</summary>
public class BridgeSharedTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sessions_OfASharedServer_AreKeptApart()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" });
        var one = await bed.OpenAsync();
        var two = await bed.OpenAsync("2025-06-18");
        Assert.Single(bed.Processes());
        var calls = Enumerable.Range(0, 40).Select(i => bed.CallAsync(i % 2 == 0 ? one : two, "echo", new { text = $"text {i}." }, id: "1")).ToArray();
        for (var i = 0; i < calls.Length; i++) Assert.Contains($"text {i}.", await calls[i]);
        Assert.Contains("does not offer this", await bed.CallAsync(one, "sample"));
    }

    [Fact]
    public async Task Initialize_OfASharedServer_NegotiatesForEachClient()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" });
        foreach (var (asked, given) in ((string, string)[])[("2025-11-25", "2025-11-25"), ("2025-03-26", "2025-03-26"), ("1999-01-01", "2025-11-25")])
        {
            using var response = await bed.PostAsync(null, $$$"""{"jsonrpc":"2.0","id":"q","method":"initialize","params":{"protocolVersion":"{{{asked}}}","capabilities":{"sampling":{} } } }""");
            var body = await response.Content.ReadAsStringAsync(Stop);
            Assert.Contains("\"result\"", body);
            var answer = JsonNode.Parse(body)!;
            Assert.Equal(("q", given), ((string?)answer["id"], (string?)answer["result"]!["protocolVersion"]));
            Assert.Equal("{}", answer["result"]!["_capabilitiesSeen"]!.ToJsonString());
        }
    }

    [Fact]
    public async Task Notifications_GoToThoseWhomTheyConcern()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" });
        var one = await bed.OpenAsync();
        var two = await bed.OpenAsync();
        using var toOne = await bed.GetAsync(one);
        using var toTwo = await bed.GetAsync(two);
        using var subscribe = await bed.PostAsync(two, """{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://one"}}""");
        await bed.CallAsync(one, "touch");
        await bed.CallAsync(one, "change");
        Assert.Contains("list_changed", await toOne.NextMessageAsync());
        Assert.Contains("test://one", await toTwo.NextMessageAsync());
        Assert.Contains("list_changed", await toTwo.NextMessageAsync());
    }

    [Fact]
    public async Task Crash_OfASharedServer_LeavesSessionsUsable()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" });
        var one = await bed.OpenAsync();
        var two = await bed.OpenAsync();
        using var subscribe = await bed.PostAsync(two, """{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://one"}}""");
        using var level = await bed.PostAsync(one, """{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}""");
        Assert.Contains("code 3", await bed.CallAsync(one, "crash"));
        await bed.Until(async () => (string?)(await bed.StatusAsync())["state"] == "ready");
        Assert.Contains("hello", await bed.CallAsync(two, "echo", new { text = "hello" }));
        Assert.Contains("test://one", await bed.CallAsync(two, "touch"));
        Assert.Contains("debug", await bed.CallAsync(two, "environment"));
    }

    [Fact]
    public async Task SharedServer_ThatExitsAtOnce_IsExplained()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "shared" }, "--exit", "7");
        await bed.Until(async () => (string?)(await bed.StatusAsync())["state"] == "failed");
        using var response = await bed.PostAsync(null, """{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}""");
        Assert.Contains("code 7: cannot start: no configuration", await response.Content.ReadAsStringAsync(Stop));
    }

    [Fact]
    public async Task Principals_HaveAProcessEach()
    {
        await using var bed = await BridgeBed.StartAsync(new { processes = "per-principal" });
        var ann = await bed.OpenAsync(principal: "ann");
        await bed.OpenAsync(principal: "ann");
        await bed.OpenAsync(principal: "bob");
        Assert.Equal(2, bed.Processes().Length);
        using var foreign = await bed.PostAsync(ann, """{"jsonrpc":"2.0","id":1,"method":"ping"}""", principal: "bob");
        Assert.Equal(HttpStatusCode.NotFound, foreign.StatusCode);
        Assert.Contains("hi", await bed.CallAsync(ann, "echo", new { text = "hi" }, principal: "ann"));
    }
}
