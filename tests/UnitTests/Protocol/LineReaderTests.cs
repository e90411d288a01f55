using System.Text;
using McpCan.Protocol.Stdio;

namespace McpCan.UnitTests.Protocol;

public class LineReaderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100_000)]
    public async Task Lines_InAnyPieces_ComeWhole(int piece)
    {
        var text = "\uFEFFfirst\r\n\n  \r\nsecond " + new string('x', 300_000) + "\nthird\nrest";
        var lines = await ReadAll(Encoding.UTF8.GetBytes(text), piece, 1 << 20);
        Assert.Equal(["first", "second " + new string('x', 300_000), "third", "rest"], lines);
    }

    [Fact]
    public async Task Line_BeyondTheLimit_Throws()
        => await Assert.ThrowsAsync<LineTooLongException>(() => ReadAll(new byte[500_000], 65536, 200_000));

    static async Task<List<string>> ReadAll(byte[] bytes, int piece, int limit)
    {
        var lines = new List<string>();
        using var reader = new LineReader(new Pieces(bytes, piece), limit);
        do
        {
            while (reader.TryRead(out var line)) lines.Add(Encoding.UTF8.GetString(line));
        }
        while (await reader.FillAsync(TestContext.Current.CancellationToken));
        if (!reader.Rest().IsEmpty) lines.Add(Encoding.UTF8.GetString(reader.Rest()));
        return lines;
    }

    sealed class Pieces(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(buffer.Length, piece)], cancellationToken);
    }
}
