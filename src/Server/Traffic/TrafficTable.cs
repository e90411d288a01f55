using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;

namespace McpCan.Server.Traffic;

/// <summary>Adds counts to the table: one statement on PostgreSQL, one prepared statement on SQLite, always within the caller's transaction.</summary>
internal static class TrafficTable
{
    private const string Keys = "\"InstanceId\", \"Minute\", \"Method\", \"Target\", \"TokenId\", \"Client\", \"Bucket\"";
    private const string All = Keys + ", \"Calls\", \"Errors\", \"RequestBytes\", \"ResponseBytes\"";

    private const string OrAdd = $"""
        ON CONFLICT ({Keys}) DO UPDATE SET "Calls" = "Traffic"."Calls" + excluded."Calls", "Errors" = "Traffic"."Errors" + excluded."Errors",
            "RequestBytes" = "Traffic"."RequestBytes" + excluded."RequestBytes", "ResponseBytes" = "Traffic"."ResponseBytes" + excluded."ResponseBytes"
        """;

    private const string Unnest = $"INSERT INTO \"Traffic\" ({All}) SELECT * FROM unnest(@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10) {OrAdd}";
    private const string Insert = $"INSERT INTO \"Traffic\" ({All}) VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10) {OrAdd}";

    private const string Sums = """
        CAST(SUM("Calls") AS BIGINT), CAST(SUM("Errors") AS BIGINT), CAST(SUM("RequestBytes") AS BIGINT), CAST(SUM("ResponseBytes") AS BIGINT)
        """;

    private const string Minutes = "\"Minute\" > {0} AND \"Minute\" < {0} + 60";
    private const string ByAllElse = "GROUP BY \"InstanceId\", \"Method\", \"Target\", \"TokenId\", \"Client\", \"Bucket\"";
    private const string HourOf = $"INSERT INTO \"Traffic\" ({All}) SELECT \"InstanceId\", {{0}}, \"Method\", \"Target\", \"TokenId\", \"Client\", \"Bucket\", {Sums}";

    // One statement, so that two processes that fold the same hour do not both count its minutes.
    private const string FoldOnPostgres = $"WITH gone AS (DELETE FROM \"Traffic\" WHERE {Minutes} RETURNING *) {HourOf} FROM gone {ByAllElse} {OrAdd}";
    // SQLite has one writer at a time.
    private const string FoldOnSqlite = $"{HourOf} FROM \"Traffic\" WHERE {Minutes} {ByAllElse} {OrAdd}; DELETE FROM \"Traffic\" WHERE {Minutes}";

    private static readonly NpgsqlDbType[] Types =
    [
        NpgsqlDbType.Text, NpgsqlDbType.Bigint, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Integer,
        NpgsqlDbType.Bigint, NpgsqlDbType.Bigint, NpgsqlDbType.Bigint, NpgsqlDbType.Bigint,
    ];

    public static async Task AddAsync(DbConnection connection, DbTransaction transaction, List<TrafficCount> counts, CancellationToken cancellationToken)
    {
        if (counts.Count == 0) return;
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        if (command is NpgsqlCommand postgres)
        {
            postgres.CommandText = Unnest;
            for (var i = 0; i < Types.Length; i++)
            {
                var column = i;
                object values = Types[i] switch
                {
                    NpgsqlDbType.Text => counts.ConvertAll(c => (string)Value(c, column)),
                    NpgsqlDbType.Integer => counts.ConvertAll(c => (int)Value(c, column)),
                    _ => counts.ConvertAll(c => (long)Value(c, column)),
                };
                postgres.Parameters.Add(new NpgsqlParameter($"p{i}", NpgsqlDbType.Array | Types[i]) { Value = values });
            }
            await postgres.ExecuteNonQueryAsync(cancellationToken);
            return;
        }
        command.CommandText = Insert;
        for (var i = 0; i < Types.Length; i++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = $"@p{i}";
            command.Parameters.Add(parameter);
        }
        foreach (var count in counts)
        {
            for (var i = 0; i < Types.Length; i++) command.Parameters[i].Value = Value(count, i);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Makes one count of the hour's minutes; the sums stay. Whoever runs it again finds nothing to do.</summary>
    public static async Task FoldAsync(McpCanDb db, long hour, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlRawAsync(db is PostgresDb ? FoldOnPostgres : FoldOnSqlite, [hour], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static object Value(TrafficCount count, int column) => column switch
    {
        0 => count.InstanceId,
        1 => count.Minute,
        2 => count.Method,
        3 => count.Target,
        4 => count.TokenId,
        5 => count.Client,
        6 => count.Bucket,
        7 => count.Calls,
        8 => count.Errors,
        9 => count.RequestBytes,
        _ => count.ResponseBytes,
    };
}
