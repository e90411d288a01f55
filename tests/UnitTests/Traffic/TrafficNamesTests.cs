using McpCan.Gateway;
using McpCan.Server.Traffic;

namespace McpCan.UnitTests.Traffic;

public sealed class TrafficNamesTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static AccessRecord Record(string target, int status = 200, int minutes = 0) =>
        new() { Time = Noon.AddMinutes(minutes), InstanceId = "i-1", HttpMethod = "POST", Target = target, Status = status, DurationMs = 5 };

    [Fact]
    public void NamesBeyondTheLimit_AreOther_AndQuietOnesMakeRoom()
    {
        var names = new TrafficNames(most: 4);
        foreach (var i in Enumerable.Range(0, 4)) Assert.Equal($"t{i}", names.Key(Record($"t{i}")).Target);

        Assert.Equal("(other)", names.Key(Record("t4")).Target);
        Assert.Equal("t0", names.Key(Record("t0", minutes: 50)).Target);
        Assert.Equal("t4", names.Key(Record("t4", minutes: 70)).Target);
        Assert.Equal("t0", names.Key(Record("t0", minutes: 71)).Target);
    }

    [Fact]
    public void NamesThatOnlyFailed_LeaveRoomForRealOnes()
    {
        var names = new TrafficNames(most: 10);
        foreach (var i in Enumerable.Range(0, 100)) names.Key(Record($"guess{i}", 404));

        Assert.Equal("(other)", names.Key(Record("guess99", 404)).Target);
        foreach (var i in Enumerable.Range(0, 5)) Assert.Equal($"real{i}", names.Key(Record($"real{i}")).Target);
    }

    [Fact]
    public void Count_SumsWhatIsEqual_AndSkipsStreams()
    {
        var counts = TrafficBatch.Count([Record("a"), Record("a", 500), Record("b"), Record("a", minutes: 1), Record("a") with { HttpMethod = "GET" }], new TrafficNames());

        Assert.Equal([("a", 2L, 1L), ("b", 1L, 0L), ("a", 1L, 0L)], counts.Select(c => (c.Target, c.Calls, c.Errors)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Percentiles_OfMergedHistograms_AreThoseOfAllCalls(int seed)
    {
        var random = new Random(seed);
        var values = Enumerable.Range(0, 5000).Select(_ => Math.Exp(random.NextDouble() * 14 - 2)).ToList();
        var merged = new TrafficSum();
        foreach (var part in values.Chunk(7))
        {
            foreach (var value in part) merged.Add(Durations.Bucket(value), 1, 0, 0, 0);
        }
        values.Sort();
        var total = merged.Total();
        foreach (var (share, seen) in new[] { (0.5, total.P50), (0.95, total.P95), (0.99, total.P99) })
            Assert.InRange(seen!.Value, values[(int)(share * 5000) - 1] * 0.8, values[(int)(share * 5000)] * 1.25);
    }
}
