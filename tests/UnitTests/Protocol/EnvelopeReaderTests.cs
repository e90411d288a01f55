using System.Text;
using System.Text.Json;
using McpCan.Protocol.Messages;

namespace McpCan.UnitTests.Protocol;

public class EnvelopeReaderTests
{
    [Theory]
    [InlineData("2.5")]
    [InlineData("1e3")]
    [InlineData("123456789012345678901234567890")]
    [InlineData("-0.0")]
    [InlineData("\"a\\\"b\\u00e9\"")]
    [InlineData("\"\"")]
    public void Read_AnyId_GivesItAsWritten(string id)
    {
        var message = Bytes($$"""{ "id" : {{id}} , "method":"tools/call","jsonrpc":"2.0"}""");
        var envelope = EnvelopeReader.Read(message);
        Assert.Equal(MessageKind.Request, envelope.Kind);
        Assert.Equal(id, Text(envelope.Id.Of(message)));
    }

    [Fact]
    public void Read_Request_FindsNameUriAndTokens()
    {
        var message = Bytes("""{"jsonrpc":"2.0","id":1,"params":{"arguments":{"name":"no","_meta":{"progressToken":9}},"name":"yes","uri":"a:b","_meta":{"x":1,"progressToken":"t","io.modelcontextprotocol/protocolVersion":"2026-07-28"}},"method":"tools\/call"}""");
        var envelope = EnvelopeReader.Read(message);
        Assert.Equal("\"yes\"", Text(envelope.Name.Of(message)));
        Assert.Equal("\"a:b\"", Text(envelope.Uri.Of(message)));
        Assert.Equal("\"t\"", Text(envelope.ProgressToken.Of(message)));
        Assert.Equal("\"2026-07-28\"", Text(envelope.ModernVersion.Of(message)));
    }

    [Theory]
    [InlineData("""{"method":"notifications/cancelled","params":{"requestId":"x"}}""", MessageKind.Notification, KnownMethod.Cancelled)]
    [InlineData("""{"id":1,"method":"initialize"}""", MessageKind.Request, KnownMethod.Initialize)]
    [InlineData("""{"id":1,"method":"initi\u0061lize"}""", MessageKind.Request, KnownMethod.Initialize)]
    [InlineData("""{"id":1,"result":null}""", MessageKind.Response, KnownMethod.Other)]
    [InlineData("""{"error":{},"id":1}""", MessageKind.Response, KnownMethod.Other)]
    [InlineData("""[{"id":1,"method":"ping"}]""", MessageKind.Batch, KnownMethod.Other)]
    [InlineData("""{"id":1}""", MessageKind.Invalid, KnownMethod.Other)]
    [InlineData("""{"id":1,"method":5}""", MessageKind.Invalid, KnownMethod.Other)]
    [InlineData("5", MessageKind.Invalid, KnownMethod.Other)]
    public void Read_Message_KnowsWhatItIs(string json, MessageKind kind, KnownMethod method)
    {
        var envelope = EnvelopeReader.Read(Bytes(json));
        Assert.Equal((kind, method), (envelope.Kind, envelope.Method));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"id\":1,}")]
    [InlineData("{} {}")]
    [InlineData("hello")]
    public void Read_NotJson_Throws(string text) => Assert.ThrowsAny<JsonException>(() => EnvelopeReader.Read(Bytes(text)));

    [Fact]
    public void Read_DeepNesting_IsNoProblem()
    {
        var depth = 20_000;
        var message = Bytes($$$"""{"jsonrpc":"2.0","method":"x","params":{"a":{{{new string('[', depth)}}}{{{new string(']', depth)}}}},"id":3}""");
        Assert.Equal(3, EnvelopeReader.Read(message).OwnId(message));
    }

    [Theory]
    [InlineData("""{"jsonrpc":"2.0","id":42,"result":{"text":"id"}}""", 42, true)]
    [InlineData("""{"jsonrpc":"2.0","id":42,"error":{"code":"odd"}}""", 42, false)]
    [InlineData("""{"result":{"id":7,"x":"\",\"jsonrpc\":\"2.0\",\"id\":9}"},"jsonrpc":"2.0","id":42}""", 42, true)]
    [InlineData("""{"result":null,"jsonrpc":"2.0","id":42}""", 42, true)]
    [InlineData("""{ "jsonrpc": "2.0", "result": {"a": [1, {"id": 3}]}, "id": 42 }""", 42, true)]
    [InlineData("""{"id":"42","result":{}}""", 42, true)]
    [InlineData("""{"jsonrpc":"2.0","id":42,"extra":[1],"result":{}}""", 42, true)]
    public void ReadFromServer_Response_FindsOurId(string json, long id, bool hasResult)
    {
        var message = Bytes(json);
        var envelope = EnvelopeReader.ReadFromServer(message);
        Assert.Equal((MessageKind.Response, id, hasResult), (envelope.Kind, envelope.OwnId(message), envelope.Result.IsPresent));
    }

    [Fact]
    public void ReadFromServer_Request_IsNoResponse()
    {
        var message = Bytes("""{"jsonrpc":"2.0","id":42,"method":"ping"}""");
        Assert.Equal(MessageKind.Request, EnvelopeReader.ReadFromServer(message).Kind);
    }

    [Fact]
    public void Split_Batch_GivesEachMessage()
    {
        var batch = Bytes("""[ {"id":1} , {"id":[2]},3]""");
        Assert.Equal(["""{"id":1}""", """{"id":[2]}""", "3"], EnvelopeReader.Split(batch).Select(part => Text(part.Of(batch))));
    }

    [Fact]
    public void FindProtocolVersion_InResult_FindsItAtTheTopOnly()
    {
        var message = Bytes("""{"id":1,"result":{"a":{"protocolVersion":"no"},"protocolVersion":"2025-06-18"}}""");
        var envelope = EnvelopeReader.ReadFromServer(message);
        Assert.Equal("\"2025-06-18\"", Text(EnvelopeReader.FindProtocolVersion(message, envelope.Result).Of(message)));
    }

    static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
    static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
