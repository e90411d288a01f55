using McpCan.Gateway;
using McpCan.Server.Traffic;
using Microsoft.Extensions.Time.Testing;

namespace McpCan.UnitTests.Traffic;

public sealed class TrafficWindowTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 23, 12, 0, 30, TimeSpan.Zero));
    private readonly TrafficWindow _window;

    public TrafficWindowTests() => _window = new TrafficWindow(_time);

    private void Call(double milliseconds = 5, int status = 200, int? error = null, string http = "POST", TimeSpan ago = default) => _window.Add(new AccessRecord
    {
        Time = _time.GetUtcNow() - ago,
        InstanceId = "i-1",
        HttpMethod = http,
        Status = status,
        ErrorCode = error,
        DurationMs = milliseconds,
    });

    [Fact]
    public void Calls_AreCountedByMinute()
    {
        Call();
        Call(ago: TimeSpan.FromMinutes(1));
        Call(ago: TimeSpan.FromMinutes(59), status: 502);
        Call(ago: TimeSpan.FromMinutes(60));
        Call(error: -32603);
        Call(http: "GET");

        var sum = _window.Get("i-1");

        Assert.Equal(60, sum.CallsPerMinute.Count);
        Assert.Equal((2, 1, 1), (sum.CallsPerMinute[59], sum.CallsPerMinute[58], sum.CallsPerMinute[0]));
        Assert.Equal((4L, 2L), (sum.Calls, sum.Errors));
    }

    [Fact]
    public void AfterAnHour_NothingIsLeft()
    {
        Call();
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(1, _window.Get("i-1").CallsPerMinute[29]);
        _time.Advance(TimeSpan.FromMinutes(31));

        Assert.Equal(0, _window.Get("i-1").Calls);
        Assert.Null(_window.Get("i-1").P95);
        Assert.Empty(_window.All());
        Assert.Equal(0, _window.Get("i-other").Calls);
    }

    [Fact]
    public void Percentile_IsWithinABucket()
    {
        for (var i = 1; i <= 100; i++) Call(i);

        Assert.InRange(_window.Get("i-1").P95!.Value, 80, 110);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(0.1)]
    [InlineData(3.3)]
    [InlineData(1e9)]
    public void Bucket_EveryDurationHasOne(double milliseconds)
    {
        var buckets = new long[Durations.Count];
        buckets[Durations.Bucket(milliseconds)]++;

        var expected = Math.Clamp(milliseconds, Durations.Least, Durations.Most);
        Assert.InRange(Durations.Percentile(buckets, 0.5)!.Value, expected * 0.79, expected * 1.23);
    }
}
