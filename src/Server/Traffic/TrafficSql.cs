using System.Globalization;

namespace McpCan.Server.Traffic;

/// <summary>Grouping of access records in the database, in SQL that both providers take.</summary>
internal static class TrafficSql
{
    private const string Errors = "CAST(SUM(CASE WHEN \"Status\" >= 400 OR \"ErrorCode\" IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS \"Errors\"";

    /// <summary>Logarithm step of a record's duration; see <see cref="Durations"/>.</summary>
    private static readonly string Bucket = string.Create(CultureInfo.InvariantCulture,
        $"CAST(FLOOR(LN(CASE WHEN \"DurationMs\" < {Durations.Least} THEN {Durations.Least} WHEN \"DurationMs\" > {Durations.Most:F1} THEN {Durations.Most:F1} ELSE \"DurationMs\" END) * {Durations.Steps}) AS BIGINT) AS \"Bucket\"");

    /// <summary>{0} from.</summary>
    public static readonly string Hour = $$"""
        SELECT "InstanceId" AS "Instance", "Time" / {{TimeSpan.TicksPerMinute}} AS "Minute", {{Bucket}}, CAST(COUNT(*) AS BIGINT) AS "Calls", {{Errors}}
        FROM "AccessLog" WHERE "Time" >= {0} AND "HttpMethod" = 'POST' AND "InstanceId" IS NOT NULL GROUP BY 1, 2, 3
        """;

    /// <summary>{0} from, {1} to, {2} length of a step, all in ticks.</summary>
    public static readonly string Series = Steps("");

    /// <summary>{3} instance's id.</summary>
    public static readonly string SeriesOfInstance = Steps("""AND "InstanceId" = {3}""");

    private static string Steps(string also) => $$"""
        SELECT "Time" / {2} AS "Slot", {{Bucket}}, CAST(COUNT(*) AS BIGINT) AS "Calls", {{Errors}},
               CAST(SUM("RequestBytes") AS BIGINT) AS "RequestBytes", CAST(SUM("ResponseBytes") AS BIGINT) AS "ResponseBytes"
        FROM "AccessLog" WHERE "Time" >= {0} AND "Time" < {1} AND "HttpMethod" = 'POST' {{also}} GROUP BY 1, 2
        """;
}
