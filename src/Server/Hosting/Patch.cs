using System.Text.Json;
using System.Text.Json.Serialization;

namespace McpCan.Server.Hosting;

/// <summary>A field of a PATCH body: left out (keep), or given (set, also to null).</summary>
/// <param name="Given">Whether the body names the field.</param>
/// <param name="Value">Its value.</param>
public readonly record struct Patch<T>(bool Given, T? Value)
{
    /// <summary>The value when given, else <paramref name="current"/>.</summary>
    public T? Or(T? current) => Given ? Value : current;

    /// <summary>A field that is given.</summary>
    public static implicit operator Patch<T>(T? value) => new(true, value);
}

/// <summary>Reads a <see cref="Patch{T}"/>: what the body does not name stays at its default.</summary>
internal sealed class PatchConverter : JsonConverterFactory
{
    public override bool CanConvert(Type typeToConvert) => typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(Patch<>);

    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
        (JsonConverter)Activator.CreateInstance(typeof(Of<>).MakeGenericType(typeToConvert.GetGenericArguments()))!;

    private sealed class Of<T> : JsonConverter<Patch<T>>
    {
        public override bool HandleNull => true;

        public override Patch<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            try
            {
                return new(true, JsonSerializer.Deserialize<T>(ref reader, options));
            }
            catch (JsonException e)
            {
                // Its path begins here; the outer serializer gives the new one the path up to here.
                throw new JsonException(e.Message, e);
            }
        }

        public override void Write(Utf8JsonWriter writer, Patch<T> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.Value, options);
    }
}
