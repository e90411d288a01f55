using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace McpCan.Protocol.Sse;

/// <summary>
/// Reads server-sent events from a stream as they come (WHATWG HTML §9.2.5 and §9.2.6): all three line ends, also torn
/// between two reads, a byte order mark, data of several lines. Nothing grows beyond the limit.
/// </summary>
public sealed class SseReader(Stream source, int maxEventBytes) : IDisposable
{
    const int FirstBytes = 4096, LongestId = 1024;

    byte[] buffer = [];
    int start, end, scanned;     // what was read and not consumed; how much of it holds no line end
    byte[] data = [];
    int dataLength = -1;         // -1: the event has no data line yet
    string? eventName, eventId;
    bool afterReturn, isFirstLine = true, isOver;

    /// <summary>The event's data; valid until the next read.</summary>
    public ReadOnlySpan<byte> Data => data.AsSpan(0, Math.Max(dataLength, 0));

    /// <summary>The event's type; <c>message</c> when it names none.</summary>
    public string EventName { get; private set; } = "message";

    /// <summary>The last event id that the stream gave and that a header can carry; null when there was none.</summary>
    public string? LastEventId { get; private set; }

    /// <summary>How long to wait before the stream is opened again, when the server said so.</summary>
    public TimeSpan? Retry { get; private set; }

    /// <summary>
    /// Goes on to the next event; false when the stream has ended (an event without its blank line is none).
    /// Throws <see cref="InvalidDataException"/> when an event or a line is longer than the limit.
    /// </summary>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        dataLength = -1;
        eventName = null;
        while (true)
        {
            while (NextLine(out var lineStart, out var lineLength))
            {
                if (Take(buffer.AsSpan(lineStart, lineLength))) return true;
            }
            if (isOver || !await FillAsync(cancellationToken)) return false;
        }
    }

    async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (start == end)
        {
            start = end = scanned = 0;
            // A read of nothing waits for bytes, so that a waiting stream holds no memory; not every stream can do it.
            if (buffer.Length > 0) Release(ref buffer);
#pragma warning disable CA2022
            await source.ReadAsync(Memory<byte>.Empty, cancellationToken);
#pragma warning restore CA2022
            buffer = ArrayPool<byte>.Shared.Rent(FirstBytes);
        }
        else if (end == buffer.Length)
        {
            MakeRoom();
        }
        var read = await source.ReadAsync(buffer.AsMemory(end), cancellationToken);
        end += read;
        if (read > 0) return true;
        isOver = true;
        return false;
    }

    void MakeRoom()
    {
        var length = end - start;
        if (length > maxEventBytes) throw new InvalidDataException("a line of the event stream is too long");
        var target = length > buffer.Length / 2 ? ArrayPool<byte>.Shared.Rent(buffer.Length * 2) : buffer;
        buffer.AsSpan(start, length).CopyTo(target);
        if (target != buffer) Release(ref buffer);
        buffer = target;
        (start, end, scanned) = (0, length, scanned - start);
    }

    bool NextLine(out int lineStart, out int lineLength)
    {
        (lineStart, lineLength) = (0, 0);
        if (afterReturn && start < end)
        {
            if (buffer[start] == (byte)'\n') start++;
            afterReturn = false;
        }
        if (scanned < start) scanned = start;
        var at = buffer.AsSpan(scanned, end - scanned).IndexOfAny((byte)'\r', (byte)'\n');
        if (at < 0)
        {
            scanned = end;
            return false;
        }
        at += scanned;
        (lineStart, lineLength) = (start, at - start);
        afterReturn = buffer[at] == (byte)'\r';
        start = scanned = at + 1;
        if (!isFirstLine) return true;
        isFirstLine = false;
        if (buffer.AsSpan(lineStart, lineLength).StartsWith("\uFEFF"u8)) (lineStart, lineLength) = (lineStart + 3, lineLength - 3);
        return true;
    }

    /// <summary>Takes one line; true when it ends an event.</summary>
    bool Take(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty) return Dispatch();
        var colon = line.IndexOf((byte)':');
        if (colon == 0) return false; // a comment
        var name = colon < 0 ? line : line[..colon];
        var value = colon < 0 ? default : line[(colon + 1)..];
        if (value.Length > 0 && value[0] == (byte)' ') value = value[1..];
        if (name.SequenceEqual("data"u8)) AddData(value);
        else if (name.SequenceEqual("event"u8)) eventName = value.Length is 0 or > 256 ? null : Encoding.UTF8.GetString(value);
        else if (name.SequenceEqual("id"u8)) eventId = IsHeaderValue(value) ? Encoding.ASCII.GetString(value) : "";
        else if (name.SequenceEqual("retry"u8)) TakeRetry(value);
        return false;
    }

    bool Dispatch()
    {
        if (eventId is not null) LastEventId = eventId.Length == 0 ? null : eventId;
        eventId = null;
        EventName = eventName ?? "message";
        if (dataLength >= 0) return true;
        eventName = null;
        return false;
    }

    void AddData(ReadOnlySpan<byte> value)
    {
        var from = dataLength < 0 ? 0 : dataLength + 1;
        var needed = from + value.Length;
        if (needed > maxEventBytes) throw new InvalidDataException("an event of the stream is too long");
        if (needed > data.Length)
        {
            var bigger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, 256));
            data.AsSpan(0, Math.Max(dataLength, 0)).CopyTo(bigger);
            Release(ref data);
            data = bigger;
        }
        if (from > 0) data[from - 1] = (byte)'\n';
        value.CopyTo(data.AsSpan(from));
        dataLength = needed;
    }

    void TakeRetry(ReadOnlySpan<byte> value)
    {
        if (value.Length is 0 or > 9 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9')) return;
        if (Utf8Parser.TryParse(value, out int milliseconds, out _)) Retry = TimeSpan.FromMilliseconds(milliseconds);
    }

    // An id that no header can carry cannot be given back to the server: the stream counts as one without ids.
    static bool IsHeaderValue(ReadOnlySpan<byte> value) => value.Length <= LongestId && !value.ContainsAnyExceptInRange((byte)0x20, (byte)0x7E);

    static void Release(ref byte[] array)
    {
        if (array.Length > 0) ArrayPool<byte>.Shared.Return(array);
        array = [];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release(ref buffer);
        Release(ref data);
        (start, end, scanned, dataLength) = (0, 0, 0, -1);
    }
}
