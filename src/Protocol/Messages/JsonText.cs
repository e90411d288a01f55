using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>Reads single values out of messages.</summary>
public static class JsonText
{
    /// <summary>The text of a JSON string, or null when it is none or holds half a surrogate pair.</summary>
    public static string? Read(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty || value[0] != (byte)'"') return null;
        try
        {
            var reader = new Utf8JsonReader(value);
            reader.Read();
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The text of the reader's string or name, or null when it holds half a surrogate pair.</summary>
    public static string? Current(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>A text as a JSON string with its quotes.</summary>
    public static byte[] Quote(string text) => [(byte)'"', .. JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes, (byte)'"'];
}
