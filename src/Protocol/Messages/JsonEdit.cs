using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>
/// Changes in several places of a message: members added to objects, values replaced. Everything else stays byte for
/// byte. For the paths where a <see cref="Splice"/> of two values does not do.
/// </summary>
sealed class JsonEdit
{
    static readonly JsonReaderOptions Options = new() { MaxDepth = int.MaxValue };
    readonly List<(int At, int Length, byte[] Value)> changes = [];

    /// <summary>Replaces a value that is there.</summary>
    public JsonEdit Replace(TextRange at, ReadOnlySpan<byte> value)
    {
        if (at.IsPresent) changes.Add((at.Start, at.Length, value.ToArray()));
        return this;
    }

    /// <summary>Adds members (text such as <c>"a":1,"b":2</c>) at the beginning of the object that starts at a place.</summary>
    public JsonEdit Add(ReadOnlySpan<byte> message, int objectStart, ReadOnlySpan<byte> members)
    {
        if (!members.IsEmpty) changes.Add((objectStart + 1, 0, IsEmptyObject(message, objectStart) ? members.ToArray() : [.. members, (byte)',']));
        return this;
    }

    /// <summary>The message with the changes.</summary>
    public byte[] Apply(ReadOnlySpan<byte> message)
    {
        changes.Sort(static (a, b) => a.At.CompareTo(b.At)); // stable enough: no two changes at one place
        var result = new byte[message.Length + changes.Sum(c => c.Value.Length - c.Length)];
        int from = 0, to = 0;
        foreach (var (at, length, value) in changes)
        {
            message[from..at].CopyTo(result.AsSpan(to));
            to += at - from;
            value.CopyTo(result.AsSpan(to));
            to += value.Length;
            from = at + length;
        }
        message[from..].CopyTo(result.AsSpan(to));
        return result;
    }

    /// <summary>Whether the object that starts at a place has no members.</summary>
    public static bool IsEmptyObject(ReadOnlySpan<byte> message, int objectStart)
        => message[(objectStart + 1)..].TrimStart(" \t\r\n"u8) is [(byte)'}', ..];

    /// <summary>The value of a member of the object that starts at a place; not present when there is none, or no object.</summary>
    public static TextRange Member(ReadOnlySpan<byte> message, int objectStart, ReadOnlySpan<byte> name)
    {
        var reader = new Utf8JsonReader(message[objectStart..], isFinalBlock: false, new(Options));
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(name);
            if (!reader.Read()) return default;
            var start = (int)reader.TokenStartIndex;
            if (!reader.TrySkip()) return default;
            if (found) return new(objectStart + start, (int)reader.BytesConsumed - start);
        }
        return default;
    }

    /// <summary>A member of an object as a text value of its own, or empty.</summary>
    public static ReadOnlySpan<byte> Member(ReadOnlySpan<byte> value, ReadOnlySpan<byte> name)
        => value is [(byte)'{', ..] ? Member(value, 0, name).Of(value) : default;

    /// <summary>The length of the value at the beginning of a text.</summary>
    public static int ValueLength(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text, isFinalBlock: false, new(Options));
        return reader.Read() && reader.TrySkip() ? (int)reader.BytesConsumed : text.Length;
    }

    /// <summary>The members of an object: name (unescaped) and value.</summary>
    public static List<(string Name, TextRange Value)> Members(ReadOnlySpan<byte> value)
    {
        var members = new List<(string, TextRange)>();
        if (value is not [(byte)'{', ..]) return members;
        var reader = new Utf8JsonReader(value, Options);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = JsonText.Current(ref reader) ?? "";
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            members.Add((name, new(start, (int)reader.BytesConsumed - start)));
        }
        return members;
    }

    /// <summary>The texts of an array of strings.</summary>
    public static List<string> Strings(ReadOnlySpan<byte> value)
    {
        var texts = new List<string>();
        if (value is not [(byte)'[', ..]) return texts;
        foreach (var part in EnvelopeReader.Split(value))
        {
            if (JsonText.Read(part.Of(value)) is { } text) texts.Add(text);
        }
        return texts;
    }
}
