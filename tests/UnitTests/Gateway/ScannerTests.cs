using System.Text;
using McpCan.Gateway;

namespace McpCan.UnitTests.Gateway;

public sealed class ScannerTests
{
    [Theory]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"name":"inner","uri":"x"}}}""", "1", "tools/call", "echo")]
    [InlineData("""{ "params" : { "arguments" : {"a":[{"b":"}]\\\""}]}, "uri" : "file:///a b" } , "method":"resources/read" , "id" : "x\"y" }""", "\"x\\\"y\"", "resources/read", "file:///a b")]
    [InlineData("""{"\u006dethod":"t\u006fols/call","params":{"n\u0061me":"\u00e9\n"},"id":2.50}""", "2.50", "tools/call", "é\n")]
    [InlineData("""{"method":"a","method":"b","params":{"name":"x","name":"y"},"id":null}""", null, "b", "y")]
    [InlineData("""{"id":3,"result":{"method":"no","params":{"name":"no"}}}""", "3", null, null)]
    [InlineData("""{"method":"x","params":["name","y"],"id":18446744073709551616}""", "18446744073709551616", "x", null)]
    [InlineData("\uFEFF{\"method\":\"bom\"}", null, "bom", null)]
    [InlineData("""[{"method":"x"}]""", null, "(batch)", null)]
    [InlineData("", null, null, null)]
    [InlineData("""{"method":"\ud800"}""", null, "\\ud800", null)]
    [InlineData("""{"method":5,"params":{"name":{"name":"deep"}}}""", null, null, null)]
    public void Envelope_IsReadHoweverTheBytesAreCut(string message, string? id, string? method, string? target)
    {
        var bytes = Encoding.UTF8.GetBytes(message);
        foreach (var size in new[] { 1, 2, 3, 7, 1000 })
        {
            var scanner = new EnvelopeScanner();
            foreach (var piece in bytes.Chunk(size)) scanner.Feed(piece);
            Assert.Equal((id, method, target), (scanner.Id is null ? null : Encoding.UTF8.GetString(scanner.Id), scanner.Method, scanner.Target));
        }
    }

    [Theory]
    [InlineData("""{"method":"initialize","params":{"protocolVersion":"x","clientInfo":{"title":"T","name":"n","version":"v","icons":[{"name":"no"}]}}}""")]
    [InlineData("""{"method":"tools/list","params":{"_meta":{"progressToken":1,"io.modelcontextprotocol/clientInfo":{"name":"n","version":"v"}}}}""")]
    public void Envelope_ClientOfBothEras(string message)
    {
        var scanner = new EnvelopeScanner();
        scanner.Feed(Encoding.UTF8.GetBytes(message));
        Assert.Equal(("n", "v"), (scanner.ClientName, scanner.ClientVersion));
    }

    [Theory]
    [InlineData("""{"jsonrpc":"2.0","id":1,"error":{"data":{"code":1},"code":-32602,"message":"m"}}""", -32602, false)]
    [InlineData("""{"id":1,"error":{"code":"text"}}""", null, false)]
    [InlineData("""{"id":1,"error":{"code":99999999999}}""", 0, false)]
    [InlineData("""{"result":{"content":[{"isError":true}],"isError":false},"id":1}""", null, false)]
    [InlineData("""{"result":{"isError": true},"id":1}""", null, true)]
    public void Envelope_Answers(string message, int? code, bool toolError)
    {
        foreach (var size in new[] { 1, 5, 1000 })
        {
            var scanner = new EnvelopeScanner();
            foreach (var piece in Encoding.UTF8.GetBytes(message).Chunk(size)) scanner.Feed(piece);
            Assert.Equal((true, code, toolError), (scanner.IsResponse, scanner.ErrorCode, scanner.IsToolError));
        }
    }

    [Fact]
    public void Envelope_LongTokens_AreCutNotKept()
    {
        var scanner = new EnvelopeScanner();
        var text = Encoding.UTF8.GetBytes($$"""{"id":"{{new string('i', 5000)}}","method":"{{new string('m', 5000)}}"}""");
        foreach (var piece in text.Chunk(100)) scanner.Feed(piece);
        Assert.Null(scanner.Id);
        Assert.Equal(1024, scanner.Method!.Length);
    }

    [Fact]
    public void Envelope_RandomBytes_NeverThrow()
    {
        var random = new Random(7);
        var alphabet = "{}[]\",:\\ \n0tu\"id\"method\"params\"name"u8.ToArray();
        for (var n = 0; n < 20_000; n++)
        {
            var scanner = new EnvelopeScanner();
            var bytes = new byte[random.Next(40)];
            for (var i = 0; i < bytes.Length; i++) bytes[i] = random.Next(20) == 0 ? (byte)random.Next(256) : alphabet[random.Next(alphabet.Length)];
            byte[] whole = n % 2 == 0 ? [.. """{"params":{"_meta":{"""u8, .. bytes] : bytes;
            foreach (var piece in whole.Chunk(1 + random.Next(9))) scanner.Feed(piece);
        }
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public void Events_AreFollowedHoweverTheBytesAreCut(string end)
    {
        var text = string.Join(end,
            ": comment", "", "event: message", """data: {"method":"notifications/message","params":{}}""", "", "id: 4", "data:{\"id\":1,", "data: \"error\":{\"code\":-3}}", "", "");
        foreach (var size in new[] { 1, 2, 5, 1000 })
        {
            var scanner = new EventStreamScanner();
            var bytes = Encoding.UTF8.GetBytes(text);
            foreach (var piece in bytes.Chunk(size)) scanner.Feed(piece);
            Assert.Equal((true, true, -3, true), (scanner.BetweenEvents, scanner.Answered, scanner.ErrorCode, scanner.HasIds));
            scanner.Feed("d"u8);
            Assert.False(scanner.BetweenEvents);
        }
    }

    [Fact]
    public void Events_ServersRequests_AreNoAnswers()
    {
        var scanner = new EventStreamScanner();
        scanner.Feed("data: {\"id\":1,\"method\":\"ping\"}\n\ndata:\n\nidea: x\n\n"u8);
        Assert.False(scanner.Answered);
        Assert.False(scanner.HasIds);
        Assert.True(scanner.BetweenEvents);
    }
}
