using McpCan.Server.Packages;

namespace McpCan.UnitTests.Packages;

public sealed class LineDiffTests
{
    [Theory]
    [InlineData("", "", "")]
    [InlineData("a\nb\n", "a\nb", "")]
    [InlineData("a\r\nb", "a\nb", "")]
    [InlineData("", "a\n", "@@ -0,0 +1,1 @@\n+a\n")]
    [InlineData("a\nb\nc\n", "a\nc\n", "@@ -1,3 +1,2 @@\n a\n-b\n c\n")]
    [InlineData("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n")]
    public void Compare_ShowsTheLinesAroundAChange(string before, string after, string expected) =>
        Assert.Equal(expected, LineDiff.Unified(LineDiff.Compare(before, after)));

    [Fact]
    public void Compare_OfAnyTexts_LeadsFromOneToTheOther()
    {
        var random = new Random(7);
        for (var round = 0; round < 300; round++)
        {
            string[] old = Lines(random), now = Lines(random);
            Follow(old, now);
        }
        Follow([.. Enumerable.Range(0, 3000).Select(i => $"a{i}")], [.. Enumerable.Range(0, 3000).Select(i => $"b{i}")]);
    }

    private static string[] Lines(Random random) => [.. Enumerable.Range(0, random.Next(40)).Select(_ => $"{(char)('a' + random.Next(4))}")];

    /// <summary>The hunks' numbers and lines must fit both texts, and what no hunk shows must be the same in both.</summary>
    private static void Follow(string[] old, string[] now)
    {
        var (x, y) = (0, 0);
        foreach (var line in LineDiff.Compare(string.Join('\n', old), string.Join('\n', now)).Where(l => l.Kind != "hunk"))
        {
            while (line.Old is { } o && x < o - 1 || line.New is { } n && y < n - 1) Assert.Equal(old[x++], now[y++]);
            if (line.Kind != "added") Assert.Equal((x + 1, old[x++]), (line.Old!.Value, line.Text));
            if (line.Kind != "removed") Assert.Equal((y + 1, now[y++]), (line.New!.Value, line.Text));
        }
        Assert.Equal(old[x..], now[y..]);
    }
}
