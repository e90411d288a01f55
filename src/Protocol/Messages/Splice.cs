using System.Buffers;
using System.Buffers.Text;

namespace McpCan.Protocol.Messages;

/// <summary>A message with some of its values replaced: everything else goes out byte for byte.</summary>
public readonly ref struct Splice
{
    readonly ReadOnlySpan<byte> message;
    readonly ReadOnlySpan<byte> first, second;
    readonly TextRange firstAt, secondAt;

    /// <summary>The message as it is.</summary>
    public Splice(ReadOnlySpan<byte> message) => this.message = message;

    /// <summary>The message with one value replaced.</summary>
    public Splice(ReadOnlySpan<byte> message, TextRange at, ReadOnlySpan<byte> value)
    {
        this.message = message;
        firstAt = at;
        first = value;
    }

    /// <summary>The message with two values replaced, in any order; a value that is not there stays so.</summary>
    public Splice(ReadOnlySpan<byte> message, TextRange at, ReadOnlySpan<byte> value, TextRange otherAt, ReadOnlySpan<byte> otherValue)
    {
        this.message = message;
        var inOrder = !otherAt.IsPresent || at.Start < otherAt.Start;
        firstAt = inOrder ? at : otherAt;
        first = inOrder ? value : otherValue;
        secondAt = inOrder ? otherAt : at;
        second = inOrder ? otherValue : value;
    }

    /// <summary>The length after replacement.</summary>
    public int Length => message.Length
        + (firstAt.IsPresent ? first.Length - firstAt.Length : 0)
        + (secondAt.IsPresent ? second.Length - secondAt.Length : 0);

    /// <summary>Writes the message; line breaks, which can stand only between tokens, become spaces where asked.</summary>
    public int CopyTo(Span<byte> target, bool oneLine)
    {
        var rest = message;
        var from = 0;
        var written = 0;
        if (firstAt.IsPresent)
        {
            written += Part(rest[..firstAt.Start], target[written..], oneLine);
            first.CopyTo(target[written..]);
            written += first.Length;
            from = firstAt.End;
        }
        if (secondAt.IsPresent)
        {
            written += Part(message[from..secondAt.Start], target[written..], oneLine);
            second.CopyTo(target[written..]);
            written += second.Length;
            from = secondAt.End;
        }
        return written + Part(message[from..], target[written..], oneLine);
    }

    /// <summary>Writes the message to a buffer.</summary>
    public void WriteTo(IBufferWriter<byte> writer)
    {
        var length = Length;
        if (length <= 4096)
        {
            writer.Advance(CopyTo(writer.GetSpan(length), oneLine: false));
            return;
        }
        var from = 0;
        if (firstAt.IsPresent)
        {
            writer.Write(message[..firstAt.Start]);
            writer.Write(first);
            from = firstAt.End;
        }
        if (secondAt.IsPresent)
        {
            writer.Write(message[from..secondAt.Start]);
            writer.Write(second);
            from = secondAt.End;
        }
        writer.Write(message[from..]);
    }

    static int Part(ReadOnlySpan<byte> source, Span<byte> target, bool oneLine)
    {
        source.CopyTo(target);
        if (!oneLine || !source.ContainsAny((byte)'\n', (byte)'\r')) return source.Length;
        target = target[..source.Length];
        target.Replace((byte)'\n', (byte)' ');
        target.Replace((byte)'\r', (byte)' ');
        return source.Length;
    }

    /// <summary>An integer as text.</summary>
    public static ReadOnlySpan<byte> Number(long value, Span<byte> space)
    {
        Utf8Formatter.TryFormat(value, space, out var length);
        return space[..length];
    }
}
