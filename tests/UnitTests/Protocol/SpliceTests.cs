using System.Buffers;
using System.Text;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sse;

namespace McpCan.UnitTests.Protocol;

public class SpliceTests
{
    const string Message = """{"id":"a","x":"\ud800 é","_meta":{"progressToken":12}}""";

    [Fact]
    public void Copy_TwoValues_ReplacesOnlyThem()
    {
        var message = Encoding.UTF8.GetBytes(Message);
        var id = new TextRange(6, 3);
        var token = new TextRange(Message.IndexOf("12", StringComparison.Ordinal) + 1, 2); // é is two bytes
        foreach (var splice in (string[])[Text(new(message, id, "1"u8, token, "345"u8)), Text(new(message, token, "345"u8, id, "1"u8))])
            Assert.Equal("""{"id":1,"x":"\ud800 é","_meta":{"progressToken":345}}""", splice);
    }

    [Fact]
    public void Copy_AbsentValue_StaysAbsent()
        => Assert.Equal("""{"id":1}""", Text(new("""{"id":9}"""u8, new(6, 1), "1"u8, default, "5"u8)));

    [Fact]
    public void CopyToOneLine_LineBreaks_BecomeSpaces()
    {
        var target = new byte[64];
        var length = new Splice("{\r\n\"id\":9\n}"u8, new(8, 1), "77"u8).CopyTo(target, oneLine: true);
        Assert.Equal("{  \"id\":77 }", Encoding.UTF8.GetString(target, 0, length));
    }

    [Fact]
    public void WriteTo_LongMessage_IsWhole()
    {
        var message = Encoding.UTF8.GetBytes("{\"id\":5,\"x\":\"" + new string('y', 100_000) + "\"}");
        Assert.Equal(Encoding.UTF8.GetString(message).Replace(":5,", ":\"abc\",", StringComparison.Ordinal), Text(new(message, new(6, 1), "\"abc\""u8)));
    }

    [Fact]
    public void Frame_Message_HasIdAndOneDataLine()
    {
        var target = new byte[200];
        var length = SseFrame.Message(target, 3, 7, new Splice("{\n}"u8));
        Assert.Equal("id: 3.7\nevent: message\ndata: { }\n\n", Encoding.UTF8.GetString(target, 0, length));
    }

    static string Text(Splice splice)
    {
        var buffer = new ArrayBufferWriter<byte>();
        splice.WriteTo(buffer);
        Assert.Equal(splice.Length, buffer.WrittenCount);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
