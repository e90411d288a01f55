using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.EntityFrameworkCore;
using Microsoft.OpenApi;

namespace McpCan.Server.Access;

/// <summary>The instances that a token opens: JSON <c>"*"</c>, or an array of ids or slugs.</summary>
[JsonConverter(typeof(Converter))]
public sealed record InstanceScope(bool All, IReadOnlyList<string> Ids)
{
    /// <summary>Every instance, present and future.</summary>
    public static readonly InstanceScope Every = new(true, []);

    internal static void Describe(OpenApiSchema schema)
    {
        schema.Description = "\"*\" for every instance, present and future, or an array of instance ids or slugs.";
        schema.OneOf = [new OpenApiSchema { Type = JsonSchemaType.String, Const = "*" }, new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String } }];
    }

    private sealed class Converter : JsonConverter<InstanceScope>
    {
        public override InstanceScope Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("*"u8)) return Every;
            if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException("Must be \"*\" or an array of instance ids.");
            var ids = new List<string>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                ids.Add(reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException("Must contain only texts."));
            return new InstanceScope(false, ids);
        }

        public override void Write(Utf8JsonWriter writer, InstanceScope value, JsonSerializerOptions options)
        {
            if (value.All) writer.WriteStringValue("*");
            else JsonSerializer.Serialize(writer, value.Ids, options);
        }
    }
}

/// <summary>Turns ids and slugs into ids. By SQL, since this folder stands below the one of instances.</summary>
internal static class InstanceNames
{
    public static async Task<Dictionary<string, string>> ReadAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        var rows = await db.Database.SqlQuery<Row>($"""SELECT "Id", "Slug" FROM "Instances" """).ToListAsync(cancellationToken);
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var row in rows)
        {
            names[row.Slug] = row.Id;
            names[row.Id] = row.Id;
        }
        return names;
    }

    private sealed record Row(string Id, string Slug);
}
