using System.Net;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Gateway.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewayLimitTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string Ping = """{"jsonrpc":"2.0","id":1,"method":"ping"}""";
    private const string Initialize = """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RequestsAMinute_AboveTheLimit_Are429WithRetryAfter()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(3, null, null) });
        for (var n = 0; n < 3; n++) await ExpectAsync(bed, bed.Post(Mcp, Ping), 200);
        for (var n = 0; n < 5; n++) await ExpectAsync(bed, bed.Post(Mcp, """{"jsonrpc":"2.0","method":"notifications/initialized"}"""), 200);
        await ExpectAsync(bed, bed.Post(Mcp, """{"jsonrpc":"2.0","id":7,"result":{}}"""), 200);
        using var response = await bed.SendAsync(bed.Post("/mcp-gateway/beta/mcp", Ping)); // the token's limit holds over all instances
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 62);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(1, json.RootElement.GetProperty("id").GetInt32());
        Assert.Contains("3 requests a minute (requestsPerMinute)", json.RootElement.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        await ExpectAsync(bed, bed.Post(Mcp, Ping, GatewayBed.Other), 200);
    }

    [Fact]
    public async Task Batch_CountsEachOfItsRequests()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(3, null, null) });
        await ExpectAsync(bed, bed.Post(Mcp, $$"""[{{Ping}},{{Ping}},{"method":"notifications/initialized"}]"""), 200);
        await ExpectAsync(bed, bed.Post(Mcp, $"[{Ping},{Ping}]"), 429);
    }

    [Fact]
    public async Task InstanceLimit_HoldsForEveryone_AndGivesTheTokensCountBack()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { Limits = new(1, null, null), TokenRequired = false });
        bed.SetPolicy(new() { Limits = new(2, null, null) });
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 200);
        await ExpectAsync(bed, bed.Post(Mcp, Ping, token: null), 429);
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 429);
        await ExpectAsync(bed, bed.Post("/mcp-gateway/beta/mcp", Ping), 200);
        await ExpectAsync(bed, bed.Post("/mcp-gateway/beta/mcp", Ping), 429);
    }

    [Fact]
    public async Task ConcurrentCalls_AboveTheLimit_AreRefusedUntilOneEnds()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(null, 2, null) });
        using var go = new SemaphoreSlim(0);
        bed.Server = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            await go.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync("{}");
        };
        var (one, two) = (bed.SendAsync(bed.Post(Mcp, Ping)), bed.SendAsync(bed.Post(Mcp, Ping)));
        await GatewayPolicyTests.Until(() => bed.SeenUpstream.Count == 2);
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 429);
        go.Release(2);
        (await one).Dispose();
        (await two).Dispose();
        for (var n = 0; n < 2; n++) Assert.Equal(200, Drain(bed, 200).Status);
        go.Release();
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 200);
    }

    [Fact]
    public async Task ConcurrentCalls_OfClientsThatLeave_AreGivenBack()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(null, 1, null) });
        bed.Server = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        using (var leaving = new CancellationTokenSource())
        {
            var call = bed.Client.SendAsync(bed.Post(Mcp, Ping), leaving.Token);
            await GatewayPolicyTests.Until(() => bed.SeenUpstream.Count == 1);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        }
        bed.NextRecord();
        bed.Server = GatewayBed.AnswerLikeABridge;
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 200);
    }

    [Fact]
    public async Task Sessions_AboveTheLimit_AreRefusedUntilOneIsDeleted()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(null, null, 2) });
        var n = 0;
        bed.Server = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            if (!context.Request.Headers.ContainsKey("Mcp-Session-Id")) context.Response.Headers["Mcp-Session-Id"] = $"s-{Interlocked.Increment(ref n)}";
            await context.Response.WriteAsync("{}");
        };
        var first = await bed.InitializeAsync();
        var second = await bed.InitializeAsync();
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 429);
        await ExpectAsync(bed, bed.Post(Mcp, Ping, session: second), 200);
        await ExpectAsync(bed, bed.Get("/mcp-gateway/alpha/sse"), 429);
        var delete = new HttpRequestMessage(HttpMethod.Delete, Mcp);
        delete.Headers.Add("Authorization", "Bearer " + GatewayBed.Good);
        delete.Headers.Add("Mcp-Session-Id", first);
        await ExpectAsync(bed, delete, 200);
        await bed.InitializeAsync();
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 429);
    }

    [Fact]
    public async Task Sessions_OfHttpSse_LastAsLongAsTheirStream()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(null, null, 1) });
        using (var stream = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse")))
        {
            Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
            await ExpectAsync(bed, bed.Get("/mcp-gateway/alpha/sse"), 429);
        }
        bed.NextRecord();
        using var again = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse"));
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task Initialize_ThatFails_HoldsNoSession()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetPolicy(new() { Limits = new(null, null, 1) });
        bed.Server = context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        };
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 500);
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 500);
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = null });
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 503);
        await ExpectAsync(bed, bed.Post(Mcp, Initialize), 503);
    }

    [Fact]
    public async Task WithoutLimits_NothingIsCounted()
    {
        await using var bed = await GatewayBed.StartAsync();
        await ExpectAsync(bed, bed.Post(Mcp, Ping), 200);
        Assert.Equal(0, bed.Services.GetRequiredService<TrafficGate>().Count);
    }

    [Fact]
    public void Meter_NeverLetsMoreThanTheLimitInAnyMinute()
    {
        var time = new FakeTimeProvider();
        var meter = new TrafficMeter();
        var limits = new TrafficLimits(10, null, null);
        var taken = new List<DateTimeOffset>();
        for (var n = 0; n < 2_000; n++)
        {
            time.Advance(TimeSpan.FromMilliseconds(317));
            if (meter.TryEnter(limits, new(1, 0, false), time, out var wait, out _) == LimitKind.None) taken.Add(time.GetUtcNow());
            else Assert.InRange(wait.TotalSeconds, 0, 62);
        }
        Assert.InRange(taken.Count, 90, 120);
        Assert.All(taken, start => Assert.InRange(taken.Count(t => t >= start && t - start < TimeSpan.FromMinutes(1)), 1, 10));
    }

    [Fact]
    public void Meter_WaitIsLongEnough_AndIdleSessionsAreForgotten()
    {
        var time = new FakeTimeProvider();
        var meter = new TrafficMeter();
        var limits = new TrafficLimits(2, null, 1);
        Assert.Equal(LimitKind.None, meter.TryEnter(limits, new(1, 0, true), time, out _, out _));
        meter.Opened("s", stream: false, time);
        time.Advance(TimeSpan.FromSeconds(25));
        Assert.Equal(LimitKind.None, meter.TryEnter(limits, new(1, 0, false), time, out _, out _));
        Assert.Equal(LimitKind.Requests, meter.TryEnter(limits, new(1, 0, false), time, out var wait, out _));
        time.Advance(wait);
        Assert.Equal(LimitKind.None, meter.TryEnter(limits, new(1, 0, false), time, out _, out _));
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(LimitKind.Sessions, meter.TryEnter(limits, new(1, 0, true), time, out _, out _));
        Assert.False(meter.TryRetire(time));
        time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(LimitKind.None, meter.TryEnter(limits, new(1, 0, true), time, out _, out _));
        meter.Opened(null, stream: false, time);
        Assert.False(meter.TryRetire(time));
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(meter.TryRetire(time));
        meter.TryEnter(limits, new(1, 0, false), time, out _, out var retired);
        Assert.True(retired);
    }

    private static AccessRecord Drain(GatewayBed bed, int status)
    {
        AccessRecord record;
        while ((record = bed.NextRecord()).Status != status)
        {
        }
        return record;
    }

    // Waits for the record, too: by then everything was given back.
    private static async Task ExpectAsync(GatewayBed bed, HttpRequestMessage request, int status)
    {
        using var response = await bed.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        if (response.Content.Headers.ContentType?.MediaType != "text/event-stream") await response.Content.ReadAsStringAsync(Cancel);
        bed.NextRecord();
    }
}
