using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace McpCan.Server.Market;

/// <summary>A text for people, in one or several languages. In JSON a text, or <c>{ "en": "…", "zh-CN": "…" }</c>.</summary>
/// <param name="Texts">By language; <c>en</c> is what is shown where a language lacks.</param>
[JsonConverter(typeof(LocalTextConverter))]
public sealed record LocalText(IReadOnlyDictionary<string, string> Texts)
{
    /// <summary>The same text in every language.</summary>
    public static implicit operator LocalText(string text) => new(new Dictionary<string, string> { ["en"] = text });

    /// <summary>The text in a language.</summary>
    public string In(CultureInfo culture) =>
        Texts.GetValueOrDefault(culture.Name) ?? Texts.FirstOrDefault(t => t.Key.Split('-')[0] == culture.TwoLetterISOLanguageName).Value ?? Texts.GetValueOrDefault("en") ?? Texts.Values.FirstOrDefault() ?? "";

    /// <inheritdoc/>
    public override string ToString() => In(CultureInfo.CurrentUICulture);
}

internal sealed class LocalTextConverter : JsonConverter<LocalText>
{
    public override LocalText Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.String => (LocalText)JsonSerializer.Deserialize<string>(ref reader, options)!,
        JsonTokenType.StartObject when JsonSerializer.Deserialize<Dictionary<string, string>>(ref reader, options) is { Count: > 0 } texts => new LocalText(texts),
        _ => throw new JsonException("Must be a text, or an object with a text for each language."),
    };

    public override void Write(Utf8JsonWriter writer, LocalText value, JsonSerializerOptions options)
    {
        if (value.Texts.Count == 1 && value.Texts.TryGetValue("en", out var text)) writer.WriteStringValue(text);
        else JsonSerializer.Serialize(writer, value.Texts, options);
    }
}
