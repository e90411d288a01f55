using System.Buffers;

namespace McpCan.Protocol.Stdio;

/// <summary>
/// Reads lines from a server's standard output (spec: basic/transports, stdio). Tolerates a byte order mark at the
/// start, <c>\r\n</c> and blank lines. A line stands in one piece in a pooled buffer that grows up to a limit.
/// </summary>
sealed class LineReader(Stream stream, int maxLineBytes) : IDisposable
{
    const int Usual = 64 * 1024;
    byte[] buffer = ArrayPool<byte>.Shared.Rent(Usual);
    int start, scanned, end;
    bool atBeginning = true;

    /// <summary>The next line that is not blank, if it has been read already.</summary>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        while (true)
        {
            var length = buffer.AsSpan(scanned, end - scanned).IndexOf((byte)'\n');
            if (length < 0)
            {
                scanned = end;
                line = default;
                return false;
            }
            line = buffer.AsSpan(start, scanned + length - start);
            start = scanned += length + 1;
            line = Trim(line);
            if (!line.IsEmpty) return true;
        }
    }

    /// <summary>What came after the last line break, once the stream has ended.</summary>
    public ReadOnlySpan<byte> Rest() => Trim(buffer.AsSpan(start, end - start));

    /// <summary>Reads more; false at the end of the stream. Throws <see cref="LineTooLongException"/>.</summary>
    public async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        MakeRoom();
        var read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken);
        end += read;
        return read > 0;
    }

    void MakeRoom()
    {
        if (start == end)
        {
            start = scanned = end = 0;
            if (buffer.Length > Usual * 4) Replace(Usual); // one long line does not hold memory for ever
            return;
        }
        if (end < buffer.Length && (start == 0 || buffer.Length - end >= Usual / 4)) return;
        if (end - start > maxLineBytes) throw new LineTooLongException(maxLineBytes);
        if (start >= buffer.Length / 2) Move(buffer);
        else Replace(buffer.Length * 2);
    }

    void Replace(int size)
    {
        var old = buffer;
        var bigger = ArrayPool<byte>.Shared.Rent(size);
        Move(bigger);
        buffer = bigger;
        ArrayPool<byte>.Shared.Return(old);
    }

    void Move(byte[] target)
    {
        buffer.AsSpan(start, end - start).CopyTo(target);
        scanned -= start;
        end -= start;
        start = 0;
    }

    ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line)
    {
        if (atBeginning)
        {
            atBeginning = false;
            if (line.StartsWith("\uFEFF"u8)) line = line[3..];
        }
        return line.Trim(" \t\r"u8);
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }
}

/// <summary>A line on a server's standard output is longer than the limit.</summary>
public sealed class LineTooLongException(int limit)
    : IOException($"the server wrote a line longer than {limit / (1024 * 1024)} MiB on its standard output");
