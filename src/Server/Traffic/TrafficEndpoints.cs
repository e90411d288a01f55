using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
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
        logs.MapGet("", List).WithName("listAccessLogs").WithSummary("List access records, newest first; as CSV or JSON lines (Accept, or 'format') all of them, as the export")
            .Produces<AccessLogPage>(StatusCodes.Status200OK, "application/json", "text/csv", "application/x-ndjson");
        logs.MapGet("/export", Export).WithName("exportAccessLogs").WithSummary("Export access records as CSV or as JSON lines, newest first; 'limit' is optional here")
            .Produces<string>(StatusCodes.Status200OK, "text/csv", "application/x-ndjson");
        logs.MapGet("/{id}", Get).WithName("getAccessLog").WithSummary("Get an access record, with its payloads when the instance keeps them and the asker is an operator or administrator");
    }

    public static void MapTraffic(this RouteGroupBuilder api)
    {
        var traffic = api.MapGroup("/traffic").WithTags("Traffic").RequireAuthorization(Policies.Read);
        traffic.MapGet("", Series).WithName("getTraffic").WithSummary("Calls, errors, durations and bytes over time");
        api.MapGet("/instances/{id}/usage/history", UsageHistory).RequireAuthorization(Policies.Read).WithTags("Instances").WithName("getInstanceUsageHistory").WithSummary("CPU, memory, processes and network of an instance over time");
        traffic.MapGet("/summary", Summary).WithName("getTrafficSummary").WithSummary("The last hour of every instance that had calls");
    }

    private static async Task<IResult> List(
        [AsParameters] AccessLogQuery query, [Description("'json' (also when left out), 'csv' or 'ndjson'; wins over the Accept header.")] string? format, HttpRequest request,
        [FromServices] AccessLogReader reader, [FromServices] IOptions<JsonOptions> json, CancellationToken cancellationToken)
    {
        new Checks().That(format is null or "" or "json" or "csv" or "ndjson", "format", "'format' must be 'json', 'csv' or 'ndjson'.").Throw();
        var wanted = format is { Length: > 0 } ? format
            : request.GetTypedHeaders().Accept.OrderByDescending(a => a.Quality ?? 1).FirstOrDefault()?.MediaType.Value switch { "text/csv" => "csv", "application/x-ndjson" => "ndjson", _ => "json" };
        return wanted == "json" ? TypedResults.Ok(await reader.ListAsync(query, cancellationToken)) : await Export(query, wanted, reader, json, cancellationToken);
    }

    private static async Task<Ok<AccessLogDetail>> Get(
        string id, ClaimsPrincipal user, [FromServices] AccessLogReader reader, CancellationToken cancellationToken) =>
        await reader.FindAsync(id, user.May(Policies.Operate), cancellationToken) is { } found
            ? TypedResults.Ok(found)
            : throw ProblemException.NotFound("access record", id);

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

    private static async Task<Ok<TrafficSeries>> Series([AsParameters] TrafficQuery query, [FromServices] TrafficReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.ReadAsync(query, cancellationToken));

    private static async Task<Ok<UsageSeries>> UsageHistory(
        string id, [AsParameters] UsageQuery query, InstanceManager instances, [FromServices] UsageReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.ReadAsync(await instances.GetAsync(id, cancellationToken), query, cancellationToken));

    private static Ok<IReadOnlyList<TrafficSummary>> Summary([FromServices] TrafficWindow window) => TypedResults.Ok(window.All());
}
