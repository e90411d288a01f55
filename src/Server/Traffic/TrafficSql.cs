using System.Globalization;

namespace McpCan.Server.Traffic;

/// <summary>Where series come from, in SQL that both providers take; EF Core puts filters and groups around it. <c>@key</c> stands for the column to group by.</summary>
internal static class TrafficSql
{
    /// <summary>{0} from, {1} to, in minutes.</summary>
    public const string Counts = """
        SELECT "Minute" * 60 AS "Second", @key AS "Key", "InstanceId", "Method", "Target", "TokenId", "Client", CAST("Bucket" AS BIGINT) AS "Bucket", "Calls", "Errors", "RequestBytes", "ResponseBytes"
        FROM "Traffic" WHERE "Minute" >= {0} AND "Minute" < {1}
        """;

    /// <summary>The records themselves, for steps below a minute; {0} from, {1} to, in ticks. The bucket is that of <see cref="Durations"/>.</summary>
    public static readonly string Records = string.Create(CultureInfo.InvariantCulture, $$"""
        SELECT "Time" / {{TimeSpan.TicksPerSecond}} AS "Second", COALESCE(@key, '') AS "Key", COALESCE("InstanceId", '') AS "InstanceId", COALESCE("Method", '') AS "Method", COALESCE("Target", '') AS "Target",
            COALESCE("TokenId", '') AS "TokenId", COALESCE("ClientName", '') AS "Client",
            CAST(FLOOR(LN(CASE WHEN "DurationMs" < {{Durations.Least}} THEN {{Durations.Least}} WHEN "DurationMs" > {{Durations.Most:F1}} THEN {{Durations.Most:F1}} ELSE "DurationMs" END) * {{Durations.Steps}}) AS BIGINT) - ({{Durations.First}}) AS "Bucket",
            CAST(1 AS BIGINT) AS "Calls", CAST(CASE WHEN "Status" >= 400 OR "ErrorCode" IS NOT NULL THEN 1 ELSE 0 END AS BIGINT) AS "Errors", "RequestBytes", "ResponseBytes"
        FROM "AccessLog" WHERE "Time" >= {0} AND "Time" < {1} AND "HttpMethod" = 'POST'
        """);
}

/// <summary>A row of either source.</summary>
internal sealed record Measured(
    long Second, string Key, string InstanceId, string Method, string Target, string TokenId, string Client, long Bucket, long Calls, long Errors, long RequestBytes, long ResponseBytes);
