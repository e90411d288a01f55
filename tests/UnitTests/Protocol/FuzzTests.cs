using FsCheck;
using FsCheck.Fluent;
using McpCan.Fuzzing;

namespace McpCan.UnitTests.Protocol;

/// <summary>The parsers on the kept corpus, on its mutations and on messages made at random.</summary>
public sealed class FuzzTests
{
    // The same inputs in every run; script/fuzz looks for new ones.
    private static readonly Config Repeatable = Config.QuickThrowOnFailure.WithReplay(20261123, 7);

    public static TheoryData<string> Targets => [.. FuzzTargets.All.Keys];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Corpus_IsReadWithoutSurprise(string target)
    {
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpus", target));
        Assert.NotEmpty(files);
        foreach (var file in files) FuzzTargets.All[target](File.ReadAllBytes(file));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Mutations_AreReadWithoutSurprise(string target)
    {
        var seeds = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpus", target)).Select(File.ReadAllBytes).ToArray();
        var mutation = from seed in Gen.Elements(seeds)
                       from changes in Gen.Choose(0, 6)
                       from places in Gen.Choose(0, Math.Max(0, seed.Length - 1)).ArrayOf(changes)
                       from bytes in Gen.Elements("\"\\{}[]:,0 \r\n\uFFFDe-.u"u8.ToArray()).ArrayOf(changes)
                       from cut in Gen.Choose(0, seed.Length * 2)
                       select Changed(seed, places, bytes, cut);
        Prop.ForAll(mutation.ToArbitrary(), FuzzTargets.All[target]).Check(Repeatable.WithMaxTest(2000));
    }

    [Fact]
    public void Messages_OfAnyShape_KeepEverythingButTheirIds()
    {
        var text = Gen.Elements("a", "name", "id", "method", "\\u0069d", "\\\"", "é", "\\ud83d\\ude00", "_meta", "progressToken", "result");
        var scalar = Gen.OneOf(text.Select(t => $"\"{t}\""), Gen.Elements("0", "-1", "2.50", "1e400", "123456789012345678901234567890", "true", "null"));
        Gen<string> Value(int depth) => depth == 0 ? scalar : Gen.Frequency(
            (3, scalar),
            (1, Value(depth - 1).ArrayOf(3).Select(items => $"[ {string.Join(" ,\n", items)}]")),
            (2, text.Zip(Value(depth - 1)).ArrayOf(3).Select(members => $"{{{string.Join(", ", members.Select(m => $"\"{m.Item1}\" : {m.Item2}"))}}}")));
        var message = from id in scalar
                      from members in text.Zip(Value(3)).ArrayOf(4)
                      from parameters in Value(3)
                      from order in Gen.Choose(0, 5)
                      select "{" + string.Join(',', members.Select(m => $"\"{m.Item1}\":{m.Item2}")
                          .Append($"\"id\":{id}").Append("\"method\":\"x\"").Append($"\"params\":{parameters}").OrderBy(m => (m.Length * (order + 3)) % 11)) + "}";
        Prop.ForAll(message.ToArbitrary(), m => FuzzTargets.All["envelope"](System.Text.Encoding.UTF8.GetBytes(m))).Check(Repeatable.WithMaxTest(3000));
    }

    private static byte[] Changed(byte[] seed, int[] places, byte[] bytes, int cut)
    {
        var changed = seed.ToArray();
        for (var i = 0; i < places.Length && changed.Length > 0; i++) changed[places[i]] = bytes[i];
        return cut < changed.Length ? changed[..cut] : changed;
    }
}
