using System.Data.Common;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using NpgsqlTypes;

namespace McpCan.Server.Traffic;

/// <summary>Puts many records into the table at once: by COPY on PostgreSQL, by one prepared statement on SQLite.</summary>
internal static class AccessLogTable
{
    private static readonly (string Name, NpgsqlDbType Type, Func<AccessRecord, object?> Value)[] Fields =
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
        (nameof(AccessLogEntry.Era), NpgsqlDbType.Text, r => r.Era),
        (nameof(AccessLogEntry.FirstByteMs), NpgsqlDbType.Double, r => r.FirstByteMs),
    ];

    private static readonly Column[] Columns = [.. Fields.Select(f => new Column(f.Name, f.Type, r => f.Value(r.Record))), new Column(nameof(AccessLogEntry.PayloadId), NpgsqlDbType.Text, r => r.PayloadId)];
    private static readonly string Names = string.Join(", ", Columns.Select(c => $"\"{c.Name}\""));
    private static readonly string CopyText = $"COPY \"AccessLog\" ({Names}) FROM STDIN (FORMAT BINARY)";
    private static readonly string InsertText = $"INSERT INTO \"AccessLog\" ({Names}) VALUES ({string.Join(", ", Columns.Select(c => "@" + c.Name))})";

    /// <summary>The records, what was kept of their payloads, and their counts: all, or nothing.</summary>
    public static async Task InsertAsync(McpCanDb db, IReadOnlyList<AccessRecord> records, List<TrafficCount> counts, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken);
        var connection = db.Database.GetDbConnection();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var rows = records.Select(r => new Row(r, r.RequestPayload is null && r.ResponsePayload is null ? null : Ids.New("p"))).ToList();
        if (connection is NpgsqlConnection postgres) await CopyAsync(postgres, rows, cancellationToken);
        else await InsertAsync(connection, transaction.GetDbTransaction(), rows, cancellationToken);
        db.AccessPayloads.AddRange(rows.Where(r => r.PayloadId is not null)
            .Select(r => new AccessPayload { Id = r.PayloadId!, Time = r.Record.Time, Request = r.Record.RequestPayload, Response = r.Record.ResponsePayload }));
        await db.SaveChangesAsync(cancellationToken);
        await TrafficTable.AddAsync(connection, transaction.GetDbTransaction(), counts, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private sealed record Row(AccessRecord Record, string? PayloadId);

    private sealed record Column(string Name, NpgsqlDbType Type, Func<Row, object?> Value);

    private static async Task CopyAsync(NpgsqlConnection connection, List<Row> rows, CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginBinaryImportAsync(CopyText, cancellationToken);
        foreach (var row in rows)
        {
            await copy.StartRowAsync(cancellationToken);
            foreach (var (_, type, value) in Columns)
            {
                if (value(row) is { } something) await copy.WriteAsync(something, type, cancellationToken);
                else await copy.WriteNullAsync(cancellationToken);
            }
        }
        await copy.CompleteAsync(cancellationToken);
    }

    private static async Task InsertAsync(DbConnection connection, DbTransaction transaction, List<Row> rows, CancellationToken cancellationToken)
    {
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
        foreach (var row in rows)
        {
            for (var i = 0; i < Columns.Length; i++) parameters[i].Value = Columns[i].Value(row) ?? DBNull.Value;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
