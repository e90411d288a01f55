using McpCan.Gateway;
using McpCan.Server.Traffic;

namespace McpCan.UnitTests.Traffic;

public sealed class AccessLogTextTests
{
    [Theory]
    [InlineData(null, null)]
    [InlineData("", "")]
    [InlineData("plain", "plain")]
    [InlineData("文 ü 😀", "文 ü 😀")]
    [InlineData("a\r\nb\0\u001b[31m", "a  b  [31m")]
    [InlineData("\u0085\u2028", "  ")]
    [InlineData("1234567890abc", "1234567890")]
    [InlineData("123456789😀", "123456789\ufffd")]
    [InlineData("12345678😀", "12345678😀")]
    public void Clean_TextIsBoundedAndHarmless(string? text, string? clean) => Assert.Equal(clean, AccessLogText.Clean(text, 10));

    [Fact]
    public void Clean_HalfCharactersAreReplaced()
    {
        Assert.Equal("\ufffd", AccessLogText.Clean("\ud83d", 10));
        Assert.Equal("\ufffdx", AccessLogText.Clean("\ude00x", 10));
    }

    [Fact]
    public void Clean_EveryTextOfARecordIsBounded()
    {
        var huge = new string('x', 100_000) + "\n";
        var clean = AccessLogText.Clean(new AccessRecord
        {
            Time = default,
            InstanceId = huge,
            TokenId = huge,
            ClientName = huge,
            ClientVersion = huge,
            ClientAddress = huge,
            Session = huge,
            HttpMethod = huge,
            Method = huge,
            Target = huge,
            Status = 200,
            Error = huge,
            DurationMs = double.NaN,
            TraceId = huge,
            Era = huge,
            RequestPayload = new string('\0', 1_000_000),
            ResponsePayload = "\ud800",
        });

        Assert.All(typeof(AccessRecord).GetProperties().Where(p => p.PropertyType == typeof(string) && !p.Name.EndsWith("Payload", StringComparison.Ordinal)), p => Assert.InRange(((string)p.GetValue(clean)!).Length, 1, 500));
        Assert.Equal(0, clean.DurationMs);
        Assert.Equal((AccessLogText.LongestPayload, "\uFFFD"), (clean.RequestPayload!.Length, clean.ResponsePayload));
        Assert.DoesNotContain('\0', clean.RequestPayload);
    }

    [Theory]
    [InlineData(null, "")]
    [InlineData("plain", "plain")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"x\"", "\"say \"\"x\"\"\"")]
    [InlineData("=1+1", "\"'=1+1\"")]
    [InlineData("+1", "\"'+1\"")]
    [InlineData("-1", "\"'-1\"")]
    [InlineData("@SUM(A1)", "\"'@SUM(A1)\"")]
    [InlineData("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\"")]
    [InlineData("\tx", "\"'\tx\"")]
    public void CsvField_IsQuotedAndNoFormula(string? text, string field) => Assert.Equal(field, AccessLogExport.Field(text));
}
