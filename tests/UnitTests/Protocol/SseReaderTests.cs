using System.Text;
using McpCan.Protocol.Sse;

namespace McpCan.UnitTests.Protocol;

public sealed class SseReaderTests
{
    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public async Task Reader_AnyLineEndAnyPieces_SameEvents(string end)
    {
        var text = string.Join(end, "\uFEFF: hello", "id: 7", "event: endpoint", "retry: 1500", "data: one", "data:two", "data", "", "data: {\"ä\":1}", "", ": only a comment", "", "id", "data: 3", "", "data: torn");
        foreach (var size in (int[])[1, 2, 3, 7, 1000])
        {
            using var reader = new SseReader(new Pieces(Encoding.UTF8.GetBytes(text), size), 1000);
            List<string> events = [];
            while (await reader.ReadAsync(TestContext.Current.CancellationToken))
                events.Add($"{reader.EventName}|{reader.LastEventId}|{Encoding.UTF8.GetString(reader.Data)}");
            Assert.Equal(["endpoint|7|one\ntwo\n", "message|7|{\"ä\":1}", "message||3"], events);
            Assert.Equal(TimeSpan.FromMilliseconds(1500), reader.Retry);
        }
    }

    [Theory]
    [InlineData("data: ", "x")]
    [InlineData("", "x")]
    [InlineData("", "data: xxxxxxxx\n")]
    public async Task Reader_EndlessEvent_Refused(string begin, string again)
    {
        using var reader = new SseReader(new Pieces(Encoding.UTF8.GetBytes(begin + string.Concat(Enumerable.Repeat(again, 200_000))), 4096), 100_000);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await reader.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("id: a\0b\n")]
    [InlineData("id: ä\n")]
    [InlineData("retry: -1\nretry: 1e3\nretry: 99999999999\n")]
    public async Task Reader_ValuesThatNobodyCanUse_AreIgnored(string lines)
    {
        using var reader = new SseReader(new Pieces(Encoding.UTF8.GetBytes(lines + "data: x\n\n"), 5), 1000);
        Assert.True(await reader.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(reader.LastEventId);
        Assert.Null(reader.Retry);
    }

    sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(buffer.Length, size)], cancellationToken);
    }
}
