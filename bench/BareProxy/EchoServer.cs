using System.Buffers;
using System.Text.Json;

static class EchoServer
{
    public static async Task Post(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync();
            if (!read.IsCompleted) { reader.AdvanceTo(read.Buffer.Start, read.Buffer.End); continue; }
            Answer(context.Response, read.Buffer);
            reader.AdvanceTo(read.Buffer.End);
            break;
        }
        await context.Response.BodyWriter.FlushAsync();
    }

    static void Answer(HttpResponse response, in ReadOnlySequence<byte> body)
    {
        var json = body.IsSingleSegment ? body.FirstSpan : body.ToArray();
        ReadOnlySpan<byte> id = default, method = default, version = default, message = default;
        var r = new Utf8JsonReader(json);
        while (r.Read())
        {
            if (r.TokenType != JsonTokenType.PropertyName) continue;
            var depth = r.CurrentDepth;
            if (depth == 1 && r.ValueTextEquals("id"u8)) { r.Read(); id = json[(int)r.TokenStartIndex..(int)r.BytesConsumed]; }
            else if (depth == 1 && r.ValueTextEquals("method"u8)) { r.Read(); method = r.ValueSpan; }
            else if (depth == 2 && r.ValueTextEquals("protocolVersion"u8)) { r.Read(); version = r.ValueSpan; }
            else if (depth == 3 && r.ValueTextEquals("message"u8)) { r.Read(); message = r.ValueSpan; }
        }
        if (id.Length == 0) { response.StatusCode = 202; return; }
        response.ContentType = "application/json";
        var w = response.BodyWriter;
        if (method.SequenceEqual("initialize"u8)) response.Headers["Mcp-Session-Id"] = Guid.NewGuid().ToString("N");
        w.Write("{\"jsonrpc\":\"2.0\",\"id\":"u8);
        w.Write(id);
        if (method.SequenceEqual("initialize"u8))
        {
            w.Write(",\"result\":{\"protocolVersion\":\""u8);
            w.Write(version);
            w.Write("\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"echo\",\"version\":\"1\"}}}"u8);
        }
        else if (method.SequenceEqual("tools/list"u8)) w.Write(",\"result\":{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}]}}"u8);
        else if (method.SequenceEqual("tools/call"u8))
        {
            w.Write(",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\""u8);
            w.Write(message);
            w.Write("\"}]}}"u8);
        }
        else if (method.SequenceEqual("ping"u8)) w.Write(",\"result\":{}}"u8);
        else w.Write(",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}"u8);
    }
}
