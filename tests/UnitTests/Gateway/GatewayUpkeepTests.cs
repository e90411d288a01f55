using System.Diagnostics.Metrics;
using System.Net;
using McpCan.Gateway;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewayUpkeepTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string Ping = """{"jsonrpc":"2.0","id":1,"method":"ping"}""";

    [Fact]
    public async Task Upstream_OverHttp_WorksToo()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = new(bed.HttpAddress + "/", 1) });
        using var response = await bed.SendAsync(bed.Post(Mcp, Ping));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        Assert.Equal("/mcp", seen.PathAndQuery);
    }

    [Fact]
    public void Pool_ClosesWhatNobodyUses_AndOpensItAgain()
    {
        var time = new FakeTimeProvider();
        using var pool = new UpstreamPool(Options.Create(new GatewayOptions()), time);
        var first = new GatewayUpstream("unix:/x", 1);
        var used = pool.Enter(first);
        var idle = pool.Enter(first with { Generation = 2 });
        Assert.NotSame(used, idle);
        idle.Leave();
        time.Advance(TimeSpan.FromMinutes(3));
        pool.CloseIdle();
        Assert.False(idle.TryEnter());
        Assert.Same(used, pool.Enter(first));
        Assert.NotSame(idle, pool.Enter(first with { Generation = 2 }));
    }

    [Fact]
    public async Task Exchanges_ManyAtOnce_LeaveNothingOpen()
    {
        await using var bed = await GatewayBed.StartAsync();
        var sessions = await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            using var opened = await bed.SendAsync(bed.Post(Mcp, """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"""));
            var session = opened.Headers.GetValues("Mcp-Session-Id").Single();
            for (var n = 0; n < 5; n++)
            {
                using var response = await bed.SendAsync(bed.Post(Mcp, Ping, session: session));
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            }
            return session;
        }));
        Assert.Equal(100, sessions.Distinct().Count());
        for (var n = 0; n < 600; n++) Assert.Equal(200, bed.NextRecord().Status);
        Assert.Equal(0, bed.Services.GetRequiredService<OpenExchanges>().Count);
    }

    [Fact]
    public async Task Metrics_CountRequestsErrorsAndStreams()
    {
        await using var bed = await GatewayBed.StartAsync();
        var sums = new System.Collections.Concurrent.ConcurrentDictionary<string, long>();
        using var listener = new MeterListener();
        var factory = bed.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "McpCan.Gateway" && ReferenceEquals(instrument.Meter.Scope, factory)) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var key = instrument.Name["mcpcan.gateway.".Length..] + string.Concat(tags.ToArray().Select(tag => $" {tag.Value}"));
            sums.AddOrUpdate(key, value, (_, sum) => sum + value);
        });
        listener.Start();
        using (await bed.SendAsync(bed.Post(Mcp, Ping))) bed.NextRecord();
        using (await bed.SendAsync(bed.Post(Mcp, Ping, "mct_wrong"))) bed.NextRecord();
        using var stream = await bed.SendAsync(bed.Get(Mcp));
        Assert.Equal(1, sums["streams"]);
        Assert.Equal((1, 1, 1), (sums["requests mcp 2xx"], sums["requests mcp 4xx"], sums["errors token"]));
    }
}
