using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>
/// The two forms in which nearly every server writes its responses, read without walking through the result:
/// id first (Python, C#, Go, Rust) or last (TypeScript). Anything else goes to the general reader.
/// </summary>
static class ResponseShape
{
    public static bool TryRead(ReadOnlySpan<byte> message, out Envelope envelope)
    {
        envelope = default;
        return message.Length > 32 && message[^1] == (byte)'}' && (IdFirst(message, ref envelope) || IdLast(message, ref envelope));
    }

    static bool IdFirst(ReadOnlySpan<byte> message, ref Envelope envelope)
    {
        var start = @"{""jsonrpc"":""2.0"",""id"":"u8;
        if (!message.StartsWith(start)) return false;
        var digits = Digits(message[start.Length..]);
        var rest = message[(start.Length + digits)..];
        var isResult = rest.StartsWith(@",""result"":"u8);
        if (digits == 0 || !isResult && !rest.StartsWith(@",""error"":"u8)) return false;
        Set(ref envelope, start.Length, digits, isResult ? start.Length + digits + @",""result"":".Length : 0);
        return true;
    }

    // The number before the last brace stands outside any string, and so does the member that it belongs to:
    // a quote inside a string would carry a backslash.
    static bool IdLast(ReadOnlySpan<byte> message, ref Envelope envelope)
    {
        var isResult = message.StartsWith(@"{""result"":"u8);
        if (!isResult && !message.StartsWith(@"{""error"":"u8)) return false;
        var at = message.Length - 1;
        while (message[at - 1] is >= (byte)'0' and <= (byte)'9') at--;
        var digits = message.Length - 1 - at;
        var key = @",""jsonrpc"":""2.0"",""id"":"u8;
        if (digits == 0 || at <= key.Length || !message[..at].EndsWith(key)) return false;
        Set(ref envelope, at, digits, isResult ? @"{""result"":".Length : 0);
        return true;
    }

    static int Digits(ReadOnlySpan<byte> text)
    {
        var end = text.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return end is > 0 and < 19 ? end : 0;
    }

    static void Set(ref Envelope envelope, int start, int digits, int result)
    {
        envelope.Kind = MessageKind.Response;
        envelope.Id = new(start, digits);
        envelope.IdType = JsonTokenType.Number;
        if (result > 0) envelope.Result = new(result, 1);
    }
}
