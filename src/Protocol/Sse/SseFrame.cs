using System.Buffers.Text;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Sse;

/// <summary>Writes server-sent events (WHATWG HTML §9.2).</summary>
static class SseFrame
{
    public static ReadOnlySpan<byte> KeepAlive => ": keep-alive\n\n"u8;

    /// <summary>The most bytes that a frame has beside its message.</summary>
    public const int Overhead = 80;

    /// <summary>An event with a message and, where the stream can be resumed, an id.</summary>
    public static int Message(Span<byte> target, int stream, long sequence, Splice message)
    {
        var at = stream < 0 ? 0 : Id(target, stream, sequence);
        at += Copy("event: message\ndata: "u8, target[at..]);
        at += message.CopyTo(target[at..], oneLine: true);
        return at + Copy("\n\n"u8, target[at..]);
    }

    /// <summary>The event that makes a stream resumable before anything was sent (2025-11-25, SEP-1699).</summary>
    public static int Priming(Span<byte> target, int stream, long sequence)
    {
        var at = Id(target, stream, sequence);
        return at + Copy("retry: 1000\ndata: \n\n"u8, target[at..]);
    }

    static int Id(Span<byte> target, int stream, long sequence)
    {
        var at = Copy("id: "u8, target);
        Utf8Formatter.TryFormat(stream, target[at..], out var length);
        at += length;
        target[at++] = (byte)'.';
        Utf8Formatter.TryFormat(sequence, target[at..], out length);
        at += length;
        target[at++] = (byte)'\n';
        return at;
    }

    static int Copy(ReadOnlySpan<byte> text, Span<byte> target)
    {
        text.CopyTo(target);
        return text.Length;
    }
}
