using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace McpCan.Server.Hosting;

/// <summary>How the API reads and writes JSON: camelCase, strict numbers, named enums, no repeated or null fields where none may be.</summary>
public static class ApiJson
{
    /// <summary>Applies the rules.</summary>
    public static void Apply(JsonSerializerOptions json)
    {
        json.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        json.NumberHandling = JsonNumberHandling.Strict;
        json.AllowDuplicateProperties = false;
        json.RespectNullableAnnotations = true;
        json.RespectRequiredConstructorParameters = true;
        json.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        json.Converters.Add(new PatchConverter());
        json.Converters.Add(new TextConverter());
        json.TypeInfoResolver = (json.TypeInfoResolver ?? new DefaultJsonTypeInfoResolver()).WithAddedModifier(WriteNulls);
    }

    /// <summary>Null where none should be is the caller's fault in a request; in a response it is no reason to answer nothing.</summary>
    private static void WriteNulls(JsonTypeInfo type)
    {
        foreach (var property in type.Properties) property.IsGetNullable = !property.PropertyType.IsValueType || property.IsGetNullable;
    }

    /// <summary>Refuses U+0000, which PostgreSQL cannot store and no text needs.</summary>
    private sealed class TextConverter : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.String) throw new JsonException("A text is expected.");
            var text = reader.GetString();
            return text?.Contains('\0') == true ? throw new JsonException("The text contains the character U+0000.") : text;
        }

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

        public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetString() is { } text && !text.Contains('\0') ? text : throw new JsonException("A name contains the character U+0000.");

        public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WritePropertyName(value);
    }
}
