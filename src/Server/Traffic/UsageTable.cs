using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>Adds to the minutes of use, and makes hours of them.</summary>
internal static class UsageTable
{
    private const string All = "\"InstanceId\", \"Minute\", \"Samples\", \"Seconds\", \"CpuSeconds\", \"MemorySum\", \"MemoryMost\", \"ProcessesMost\", \"ReceivedBytes\", \"SentBytes\"";

    private const string OrAdd = """
        ON CONFLICT ("InstanceId", "Minute") DO UPDATE SET "Samples" = "Usage"."Samples" + excluded."Samples", "Seconds" = "Usage"."Seconds" + excluded."Seconds",
            "CpuSeconds" = "Usage"."CpuSeconds" + excluded."CpuSeconds", "MemorySum" = "Usage"."MemorySum" + excluded."MemorySum",
            "MemoryMost" = CASE WHEN "Usage"."MemoryMost" > excluded."MemoryMost" THEN "Usage"."MemoryMost" ELSE excluded."MemoryMost" END,
            "ProcessesMost" = CASE WHEN "Usage"."ProcessesMost" > excluded."ProcessesMost" THEN "Usage"."ProcessesMost" ELSE excluded."ProcessesMost" END,
            "ReceivedBytes" = COALESCE("Usage"."ReceivedBytes" + excluded."ReceivedBytes", "Usage"."ReceivedBytes", excluded."ReceivedBytes"),
            "SentBytes" = COALESCE("Usage"."SentBytes" + excluded."SentBytes", "Usage"."SentBytes", excluded."SentBytes")
        """;

    private const string Insert = $"INSERT INTO \"Usage\" ({All}) VALUES ({{0}}, {{1}}, {{2}}, {{3}}, {{4}}, {{5}}, {{6}}, {{7}}, CAST({{8}} AS BIGINT), CAST({{9}} AS BIGINT)) {OrAdd}";
    private const string Minutes = "\"Minute\" > {0} AND \"Minute\" < {0} + 60";

    private const string HourOf = $$"""
        INSERT INTO "Usage" ({{All}}) SELECT "InstanceId", {0}, CAST(SUM("Samples") AS INTEGER), SUM("Seconds"), SUM("CpuSeconds"), CAST(SUM("MemorySum") AS BIGINT), MAX("MemoryMost"),
            MAX("ProcessesMost"), CAST(SUM("ReceivedBytes") AS BIGINT), CAST(SUM("SentBytes") AS BIGINT)
        """;

    // One statement, so that two processes that fold the same hour do not both count its minutes.
    private const string FoldOnPostgres = $"WITH gone AS (DELETE FROM \"Usage\" WHERE {Minutes} RETURNING *) {HourOf} FROM gone GROUP BY \"InstanceId\" {OrAdd}";
    // SQLite has one writer at a time.
    private const string FoldOnSqlite = $"{HourOf} FROM \"Usage\" WHERE {Minutes} GROUP BY \"InstanceId\" {OrAdd}; DELETE FROM \"Usage\" WHERE {Minutes}";

    public static async Task AddAsync(McpCanDb db, IReadOnlyList<UsageCount> counts, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        foreach (var c in counts)
        {
            object?[] values = [c.InstanceId, c.Minute, c.Samples, c.Seconds, c.CpuSeconds, c.MemorySum, c.MemoryMost, c.ProcessesMost, c.ReceivedBytes, c.SentBytes];
            await db.Database.ExecuteSqlRawAsync(Insert, values!, cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Makes one row of the hour's minutes. Whoever runs it again finds nothing to do.</summary>
    public static async Task FoldAsync(McpCanDb db, long hour, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlRawAsync(db is PostgresDb ? FoldOnPostgres : FoldOnSqlite, [hour], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
