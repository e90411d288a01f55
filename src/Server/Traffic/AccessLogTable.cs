using System.Data.Common;
using McpCan.Gateway;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;

namespace McpCan.Server.Traffic;

/// <summary>Puts many records into the table at once: by COPY on PostgreSQL, by one prepared statement in one transaction on SQLite.</summary>
internal static class AccessLogTable
{
    private static readonly (string Name, NpgsqlDbType Type, Func<AccessRecord, object?> Value)[] Columns =
    [
        (nameof(AccessLogEntry.Time), NpgsqlDbType.Bigint, r => r.Time.UtcTicks),
        (nameof(AccessLogEntry.InstanceId), NpgsqlDbType.Text, r => r.InstanceId),
        (nameof(AccessLogEntry.TokenId), NpgsqlDbType.Text, r => r.TokenId),
        (nameof(AccessLogEntry.ClientName), NpgsqlDbType.Text, r => r.ClientName),
        (nameof(AccessLogEntry.ClientVersion), NpgsqlDbType.Text, r => r.ClientVersion),
        (nameof(AccessLogEntry.ClientAddress), NpgsqlDbType.Text, r => r.ClientAddress),
        (nameof(AccessLogEntry.Session), NpgsqlDbType.Text, r => r.Session),
        (nameof(AccessLogEntry.HttpMethod), NpgsqlDbType.Text, r => r.HttpMethod),
        (nameof(AccessLogEntry.Method), NpgsqlDbType.Text, r => r.Method),
        (nameof(AccessLogEntry.Target), NpgsqlDbType.Text, r => r.Target),
        (nameof(AccessLogEntry.Status), NpgsqlDbType.Integer, r => r.Status),
        (nameof(AccessLogEntry.ErrorCode), NpgsqlDbType.Integer, r => r.ErrorCode),
        (nameof(AccessLogEntry.Error), NpgsqlDbType.Text, r => r.Error),
        (nameof(AccessLogEntry.DurationMs), NpgsqlDbType.Double, r => r.DurationMs),
        (nameof(AccessLogEntry.RequestBytes), NpgsqlDbType.Bigint, r => r.RequestBytes),
        (nameof(AccessLogEntry.ResponseBytes), NpgsqlDbType.Bigint, r => r.ResponseBytes),
        (nameof(AccessLogEntry.TraceId), NpgsqlDbType.Text, r => r.TraceId),
    ];

    private static readonly string Names = string.Join(", ", Columns.Select(c => $"\"{c.Name}\""));
    private static readonly string CopyText = $"COPY \"AccessLog\" ({Names}) FROM STDIN (FORMAT BINARY)";
    private static readonly string InsertText = $"INSERT INTO \"AccessLog\" ({Names}) VALUES ({string.Join(", ", Columns.Select(c => "@" + c.Name))})";

    /// <summary>All of them, or none.</summary>
    public static async Task InsertAsync(McpCanDb db, IReadOnlyList<AccessRecord> records, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken);
        var connection = db.Database.GetDbConnection();
        if (connection is NpgsqlConnection postgres) await CopyAsync(postgres, records, cancellationToken);
        else await InsertAsync(connection, records, cancellationToken);
    }

    private static async Task CopyAsync(NpgsqlConnection connection, IReadOnlyList<AccessRecord> records, CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginBinaryImportAsync(CopyText, cancellationToken);
        foreach (var record in records)
        {
            await copy.StartRowAsync(cancellationToken);
            foreach (var (_, type, value) in Columns)
            {
                if (value(record) is { } something) await copy.WriteAsync(something, type, cancellationToken);
                else await copy.WriteNullAsync(cancellationToken);
            }
        }
        await copy.CompleteAsync(cancellationToken);
    }

    private static async Task InsertAsync(DbConnection connection, IReadOnlyList<AccessRecord> records, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = InsertText;
        var parameters = Array.ConvertAll(Columns, c =>
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = "@" + c.Name;
            command.Parameters.Add(parameter);
            return parameter;
        });
        foreach (var record in records)
        {
            for (var i = 0; i < Columns.Length; i++) parameters[i].Value = Columns[i].Value(record) ?? DBNull.Value;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
    }
}
