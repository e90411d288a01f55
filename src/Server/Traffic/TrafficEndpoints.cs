using System.ComponentModel;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Traffic;

internal static class TrafficEndpoints
{
    public static void MapAccessLogs(this RouteGroupBuilder api)
    {
        var logs = api.MapGroup("/access-logs").WithTags("Access logs").RequireAuthorization(Policies.Read);
        logs.MapGet("", List).WithName("listAccessLogs").WithSummary("List access records, newest first");
        logs.MapGet("/export", Export).WithName("exportAccessLogs").WithSummary("Export access records as CSV or as JSON lines, newest first; 'limit' is optional here")
            .Produces(StatusCodes.Status200OK, contentType: "text/csv", additionalContentTypes: "application/x-ndjson");
    }

    public static void MapTraffic(this RouteGroupBuilder api)
    {
        var traffic = api.MapGroup("/traffic").WithTags("Traffic").RequireAuthorization(Policies.Read);
        traffic.MapGet("", Series).WithName("getTraffic").WithSummary("Calls, errors, durations and bytes over time");
        traffic.MapGet("/summary", Summary).WithName("getTrafficSummary").WithSummary("The last hour of every instance that had calls");
    }

    private static async Task<Ok<AccessLogPage>> List([AsParameters] AccessLogQuery query, [FromServices] AccessLogReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.ListAsync(query, cancellationToken));

    private static async Task<PushStreamHttpResult> Export(
        [AsParameters] AccessLogQuery query, [Description("'csv' (also when left out) or 'ndjson'.")] string? format,
        [FromServices] AccessLogReader reader, [FromServices] IOptions<JsonOptions> json, CancellationToken cancellationToken)
    {
        new Checks().That(format is null or "" or "csv" or "ndjson", "format", "'format' must be 'csv' or 'ndjson'.")
            .That(query.Limit is null or > 0, "limit", "'limit' must be above 0.").Throw();
        var records = await reader.ExportAsync(query, cancellationToken);
        return format == "ndjson"
            ? TypedResults.Stream(s => AccessLogExport.WriteLinesAsync(s, records, json.Value.SerializerOptions, cancellationToken), "application/x-ndjson", "access-log.ndjson")
            : TypedResults.Stream(s => AccessLogExport.WriteCsvAsync(s, records, cancellationToken), "text/csv; charset=utf-8", "access-log.csv");
    }

    private static async Task<Ok<TrafficSeries>> Series(
        [Description("Only this instance (id or slug).")] string? instance, [Description("Start (RFC 3339); an hour before the end unless told.")] DateTimeOffset? from,
        [Description("End (RFC 3339); now unless told.")] DateTimeOffset? to, [Description("Length of a step: seconds, or a number with s, m, h or d.")] string? step,
        [FromServices] TrafficReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.ReadAsync(instance, from, to, step, cancellationToken));

    private static Ok<IReadOnlyList<TrafficSummary>> Summary([FromServices] TrafficWindow window) => TypedResults.Ok(window.All());
}
