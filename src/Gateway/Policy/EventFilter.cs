using System.Buffers;

namespace McpCan.Gateway.Policy;

/// <summary>One event of an event stream (HTML, 9.2.6) with closed entries taken out of its message.</summary>
internal static class EventFilter
{
    public static void Apply(ReadOnlySpan<byte> block, AccessPolicy policy, IBufferWriter<byte> to, bool first)
    {
        var text = first && block.StartsWith("\uFEFF"u8) ? block[3..] : block;
        var data = new ArrayBufferWriter<byte>(Math.Max(block.Length, 1));
        var isMessage = true;
        var lines = 0;
        foreach (var line in new Lines(text))
        {
            if (Value(line, "data"u8, out var piece))
            {
                if (lines++ > 0) data.Write("\n"u8);
                data.Write(piece);
            }
            else if (Value(line, "event"u8, out var name)) isMessage = name.IsEmpty || name.SequenceEqual("message"u8);
        }
        if (data.WrittenCount == 0)
        {
            to.Write(block);
            return;
        }
        var changed = new ArrayBufferWriter<byte>(256);
        var outcome = ListFilter.Apply(data.WrittenSpan, policy, changed);
        if (outcome == FilterOutcome.Broken) outcome = isMessage && Suspicious(data.WrittenSpan) ? FilterOutcome.Dropped : FilterOutcome.Unchanged;
        if (outcome == FilterOutcome.Unchanged) to.Write(block);
        if (outcome != FilterOutcome.Changed) return;
        foreach (var line in new Lines(text))
        {
            if (line.IsEmpty || Value(line, "data"u8, out _)) continue;
            to.Write(line);
            to.Write("\n"u8);
        }
        foreach (var line in new Lines(changed.WrittenSpan))
        {
            to.Write("data: "u8);
            to.Write(line);
            to.Write("\n"u8);
        }
        to.Write("\n"u8);
    }

    /// <summary>What is no JSON, and still might be read as a list by somebody.</summary>
    public static bool Suspicious(ReadOnlySpan<byte> text) =>
        text.IndexOf("tools"u8) >= 0 || text.IndexOf("prompts"u8) >= 0 || text.IndexOf("resource"u8) >= 0 || text.IndexOf("\\u"u8) >= 0 || text.Length > 0 && text[0] == 0x1F;

    private static bool Value(ReadOnlySpan<byte> line, ReadOnlySpan<byte> field, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!line.StartsWith(field)) return false;
        if (line.Length == field.Length) return true;
        if (line[field.Length] != (byte)':') return false;
        value = line[(field.Length + 1)..];
        if (value.StartsWith(" "u8)) value = value[1..];
        return true;
    }

    private ref struct Lines(ReadOnlySpan<byte> text)
    {
        private ReadOnlySpan<byte> _rest = text;
        private bool _over;

        public ReadOnlySpan<byte> Current { get; private set; }

        public readonly Lines GetEnumerator() => this;

        public bool MoveNext()
        {
            if (_over) return false;
            var end = _rest.IndexOfAny((byte)'\r', (byte)'\n');
            if (end < 0)
            {
                Current = _rest;
                _over = true;
                return !Current.IsEmpty;
            }
            Current = _rest[..end];
            _rest = _rest[end..] is [(byte)'\r', (byte)'\n', ..] ? _rest[(end + 2)..] : _rest[(end + 1)..];
            return true;
        }
    }
}
