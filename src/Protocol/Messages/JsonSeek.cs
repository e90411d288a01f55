using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>Finds values in JSON text without building objects, so that what need not change keeps its bytes.</summary>
public static class JsonSeek
{
    static readonly JsonReaderOptions Options = new() { MaxDepth = int.MaxValue };

    /// <summary>The value of a member of an object; not present when the object has none. Of doubled members the last counts.</summary>
    public static TextRange Member(ReadOnlySpan<byte> json, TextRange of, ReadOnlySpan<byte> name)
    {
        var found = default(TextRange);
        if (!of.IsPresent || json[of.Start] != (byte)'{') return found;
        var reader = new Utf8JsonReader(of.Of(json), Options);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isIt = reader.ValueTextEquals(name);
            reader.Read();
            var value = Value(ref reader, of.Start);
            if (isIt) found = value;
        }
        return found;
    }

    /// <summary>The elements of an array; none when it is no array.</summary>
    public static List<TextRange> Items(ReadOnlySpan<byte> json, TextRange of)
    {
        var items = new List<TextRange>();
        if (!of.IsPresent || json[of.Start] != (byte)'[') return items;
        var reader = new Utf8JsonReader(of.Of(json), Options);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) items.Add(Value(ref reader, of.Start));
        return items;
    }

    /// <summary>The text of a string member, or null.</summary>
    public static string? Text(ReadOnlySpan<byte> json, TextRange of, ReadOnlySpan<byte> name)
    {
        var range = Member(json, of, name);
        return range.IsPresent ? JsonText.Read(range.Of(json)) : null;
    }

    static TextRange Value(ref Utf8JsonReader reader, int offset)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return new(offset + start, (int)reader.BytesConsumed - start);
    }
}
