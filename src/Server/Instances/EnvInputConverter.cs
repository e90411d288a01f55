using System.Text.Json;
using System.Text.Json.Serialization;

namespace McpCan.Server.Instances;

/// <summary>Reads a variable's value from JSON; secrets are written as <c>{ "secret": true }</c> only.</summary>
internal sealed class EnvInputConverter : JsonConverter<EnvInput>
{
    public override EnvInput Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new EnvInput(Text(ref reader), false);
        if (reader.TokenType != JsonTokenType.StartObject) throw new JsonException("Must be a text or { \"secret\": \"…\" }.");
        EnvInput? read = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            if (!reader.ValueTextEquals("secret"u8) || read is not null) throw new JsonException("Only one 'secret' is known here.");
            reader.Read();
            read = reader.TokenType switch
            {
                JsonTokenType.String => new EnvInput(Text(ref reader), true),
                JsonTokenType.True => new EnvInput(null, true),
                _ => throw new JsonException("'secret' must be a text, or true to keep the stored one."),
            };
        }
        return read ?? throw new JsonException("'secret' is missing.");
    }

    public override void Write(Utf8JsonWriter writer, EnvInput value, JsonSerializerOptions options)
    {
        if (!value.Secret)
        {
            writer.WriteStringValue(value.Value);
            return;
        }
        writer.WriteStartObject();
        writer.WriteBoolean("secret", true);
        writer.WriteEndObject();
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        var text = reader.GetString()!;
        return text.Contains('\0') ? throw new JsonException("The text contains the character U+0000.") : text;
    }
}
