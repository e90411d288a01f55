using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>Streams: resumption, server requests, cancellation, what comes before the GET.</summary>
public class BridgeStreamTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BrokenStream_OfARunningCall_IsResumed()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        string lastId;
        using (var response = await bed.PostAsync(session, BridgeBed.Call("1", "slow", new { steps = 4, seconds = 0.2 }, "1")))
        using (var events = await EventReader.OpenAsync(response))
        {
            Assert.Equal("", await events.NextAsync()); // the priming event
            Assert.Contains("\"progress\":1", await events.NextAsync());
            lastId = events.LastId!;
        }
        using var other = await bed.PostAsync(session, BridgeBed.Call("2", "slow", new { steps = 1, seconds = 0 }, "2"));
        await Task.Delay(300, Stop);
        using var resumed = await bed.GetAsync(session, lastId);
        Assert.Contains("\"progress\":2", await resumed.NextAsync());
        Assert.Contains("\"progress\":3", await resumed.NextAsync());
        Assert.Contains("\"progress\":4", await resumed.NextAsync());
        Assert.Contains("done after 4 steps", await resumed.NextAsync());
        Assert.Null(await resumed.NextAsync());
        using var again = await bed.GetAsync(session, lastId); // also when it is over
        Assert.Contains("\"progress\":2", await again.NextAsync());
    }

    [Fact]
    public async Task Stream_OfAnOlderRevision_HasNoPrimingEvent()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync("2025-06-18");
        using var response = await bed.PostAsync(session, BridgeBed.Call("1", "slow", new { steps = 1, seconds = 0.7 }));
        Assert.DoesNotContain("retry", await response.Content.ReadAsStringAsync(Stop));
    }

    [Fact]
    public async Task EventId_ThatIsUnknown_Is400()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        foreach (var id in (string[])["99.1", "x", "0.5", "1.-1"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/mcp") { Headers = { { "Mcp-Session-Id", session }, { "Last-Event-ID", id } } };
            Assert.Equal(HttpStatusCode.BadRequest, (await bed.Client.SendAsync(request, Stop)).StatusCode);
        }
    }

    [Fact]
    public async Task SlowCall_WithoutMessages_BecomesAStreamAfterHalfASecond()
    {
        await using var bed = await BridgeBed.StartAsync(new { keepAliveSeconds = 0.2 });
        var session = await bed.OpenAsync();
        var watch = Stopwatch.StartNew();
        using var response = await bed.PostAsync(session, BridgeBed.Call("1", "slow", new { steps = 1, seconds = 2 }));
        Assert.InRange(watch.ElapsedMilliseconds, 300, 1500);
        var body = await response.Content.ReadAsStringAsync(Stop);
        Assert.Contains(": keep-alive\n\n: keep-alive", body);
        Assert.Contains("done after", body);
    }

    [Fact]
    public async Task ServerRequest_IsAnsweredOnItsOwnSessionOnly()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        var other = await bed.OpenAsync();
        using var response = await bed.PostAsync(session, BridgeBed.Call("1", "sample", new { prompt = "hm" }));
        using var events = await EventReader.OpenAsync(response);
        var request = JsonNode.Parse(await events.NextMessageAsync())!;
        Assert.Equal("hm", (string?)request["params"]!["messages"]![0]!["content"]!["text"]);
        using var foreign = await bed.PostAsync(other, $$$"""{"jsonrpc":"2.0","id":{{{request["id"]}}},"result":{"model":"foreign"}}""");
        using var own = await bed.PostAsync(session, $$$"""{"jsonrpc":"2.0","id":{{{request["id"]}}},"result":{"model":"own"}}""");
        Assert.Equal(HttpStatusCode.Accepted, own.StatusCode);
        var answer = await events.NextMessageAsync();
        Assert.Contains("own", answer);
        Assert.DoesNotContain("foreign", answer);
    }

    [Fact]
    public async Task Cancellation_ReachesTheServer_AndEndsTheStream()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        using var response = await bed.PostAsync(session, BridgeBed.Call("\"long\"", "slow", new { steps = 1, seconds = 60 }));
        using var cancel = await bed.PostAsync(session, """{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"long"}}""");
        Assert.Equal(HttpStatusCode.Accepted, cancel.StatusCode);
        var watch = Stopwatch.StartNew();
        Assert.DoesNotContain("done", await response.Content.ReadAsStringAsync(Stop));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
        await bed.Until(async () => (await File.ReadAllTextAsync(Path.Combine(bed.LogFolder, "run-1.ndjson"), Stop)).Contains("cancelled", StringComparison.Ordinal));
        Assert.Equal(0, (int)(await bed.StatusAsync())["runningCalls"]!);
    }

    [Fact]
    public async Task Notifications_BeforeTheGet_AreKeptForIt()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        await bed.CallAsync(session, "change");
        string lastId;
        using (var events = await bed.GetAsync(session))
        {
            Assert.Contains("tools/list_changed", await events.NextMessageAsync());
            lastId = events.LastId!;
        }
        using var subscribe = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://one"}}""");
        await bed.CallAsync(session, "touch");
        using var again = await bed.GetAsync(session, lastId);
        Assert.Contains("test://one", await again.NextMessageAsync());
        await bed.CallAsync(session, "change");
        Assert.Contains("list_changed", await again.NextMessageAsync());
    }

    [Fact]
    public async Task TwoCalls_AtOnce_DoNotWaitForEachOther()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        var slow = bed.CallAsync(session, "slow", new { steps = 1, seconds = 2 });
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 20; i++) Assert.Contains($"text {i}", await bed.CallAsync(session, "echo", new { text = $"text {i}" }));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 1.9);
        Assert.Contains("done", await slow);
    }
}
