using System.Data.Common;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace McpCan.Server.Hosting;

/// <summary>Says what an exception means to the caller. Nothing of our insides gets out.</summary>
internal static partial class ProblemOf
{
    private const string MissingFields = "missing required properties including: ";

    public static ProblemException Exception(Exception exception) => exception switch
    {
        ProblemException problem => problem,
        BadHttpRequestException { InnerException: JsonException json } => Json(json),
        BadHttpRequestException { StatusCode: 413 } => new(413, "too-large", "The body is larger than this address takes."),
        BadHttpRequestException { StatusCode: 415 } => new(415, "unsupported-media-type", "The body's content type is not one that this address takes, or is missing."),
        BadHttpRequestException bad => Request(bad),
        JsonException json => Json(json),
        InvalidDataException { Source: "Microsoft.AspNetCore.WebUtilities" or "Microsoft.AspNetCore.Http" } => new(400, "bad-form", "The form in the body cannot be read, or is too large."),
        DbUpdateConcurrencyException => new(409, "changed-meanwhile", "Somebody else changed this in the meantime. Read it again and repeat the change."),
        DbUpdateException { InnerException: DbException database } => Database(database),
        DbException database => Database(database),
        InvalidOperationException { InnerException: NpgsqlException { IsTransient: true } database } => Database(database),
        _ => Internal,
    };

    private static ProblemException Internal => new(500, "internal", "Something went wrong inside MCPCAN. The server's log has the details under this trace id.");

    private static ProblemException Database(DbException exception) => exception switch
    {
        SqliteException { SqliteExtendedErrorCode: 2067 or 1555 } or PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } =>
            new(409, "exists-already", "Something with this name or id exists already."),
        PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter } =>
            new(400, "bad-text", "A text contains characters that cannot be stored."),
        SqliteException { SqliteErrorCode: 5 or 6 } or NpgsqlException { IsTransient: true } =>
            new(503, "database-unavailable", "The database does not answer. Try again in a moment."),
        _ => Internal,
    };

    /// <summary>The framework's texts name types of ours; people need the name of the parameter.</summary>
    private static ProblemException Request(BadHttpRequestException exception)
    {
        if (BadParameter().Match(exception.Message) is { Success: true } bad)
        {
            var (name, value) = (JsonNamingPolicy.CamelCase.ConvertName(bad.Groups["name"].Value), bad.Groups["value"].Value);
            return new(400, "invalid", $"{name}: '{value}' is not a value that is expected here.", new Dictionary<string, string[]> { [name] = ["Wrong type or value."] });
        }
        if (MissingParameter().Match(exception.Message) is { Success: true } missing)
        {
            var name = JsonNamingPolicy.CamelCase.ConvertName(missing.Groups["name"].Value);
            return new(400, "invalid", $"{name}: it is missing.", new Dictionary<string, string[]> { [name] = ["Required."] });
        }
        return exception.Message.Contains("no body was provided", StringComparison.Ordinal)
            ? new(400, "no-body", "A body is expected here.")
            : new(exception.StatusCode, "bad-request", "The request cannot be read.");
    }

    private static ProblemException Json(JsonException json)
    {
        if (json.Message.IndexOf(MissingFields, StringComparison.Ordinal) is var at and >= 0)
        {
            var names = json.Message[(at + MissingFields.Length)..].Split('\'').Where((_, i) => i % 2 == 1).ToList();
            return new(400, "invalid", $"The body lacks {string.Join(", ", names.Select(n => $"'{n}'"))}.", names.ToDictionary(n => n, _ => new[] { "Required." }));
        }
        var path = Path(json);
        // The outer exceptions of a field in a field know only the part that is theirs.
        for (var inner = json.InnerException as JsonException; inner is not null; inner = inner.InnerException as JsonException)
            if (Path(inner) is { } rest) path = path is null ? rest : $"{path}.{rest}";
        var where = json.LineNumber is { } line ? $" (line {line + 1}, byte {json.BytePositionInLine + 1})" : "";
        return path is null
            ? new(400, "bad-json", $"The body is not the JSON that is expected here{where}.")
            : new(400, "bad-json", $"The body's field '{path}' has a wrong type or value{where}.", new Dictionary<string, string[]> { [path] = ["Wrong type or value."] });
    }

    private static string? Path(JsonException json) => json.Path is null or "$" ? null : json.Path.StartsWith("$.", StringComparison.Ordinal) ? json.Path[2..] : json.Path;

    [GeneratedRegex("^Failed to bind parameter \"\\S+ (?<name>\\w+)\" from \"(?<value>.*)\"\\.$", RegexOptions.Singleline)]
    private static partial Regex BadParameter();

    [GeneratedRegex("^Required parameter \"\\S+ (?<name>\\w+)\" was not provided")]
    private static partial Regex MissingParameter();
}
