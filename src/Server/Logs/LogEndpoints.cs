using System.ComponentModel;
using System.Globalization;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Logs;

/// <summary>Which lines of an instance's log are wanted.</summary>
/// <param name="Follow">Go on with new lines as they come.</param>
/// <param name="Tail">Only the last so many lines.</param>
/// <param name="Since">Only lines at or after this time.</param>
/// <param name="After">Only lines with a number above this.</param>
/// <param name="Run">A run's number, 'current', 'previous', or 'next' for the version that is tried beside it.</param>
/// <param name="Stream">stdout, stderr, install or bridge.</param>
/// <param name="Download">Answer as a file.</param>
internal sealed record LogParameters(
    [property: Description("Go on with new lines as they come.")] bool? Follow = null,
    [property: Description("Only the last so many lines: 0 to 100000.")] int? Tail = null,
    [property: Description("Only lines at or after this time (RFC 3339).")] DateTimeOffset? Since = null,
    [property: Description("Only lines with a number above this.")] long? After = null,
    [property: Description("A run's number, 'current', 'previous', or 'next' for the version that is being deployed beside it.")] string? Run = null,
    [property: Description("Only one stream: stdout, stderr, install or bridge.")] string? Stream = null,
    [property: Description("Answer as a file to save.")] bool? Download = null)
{
    private const string Next = "next";
    private static readonly string[] Streams = ["stdout", "stderr", "install", "bridge"];

    public string Workload(string instanceId) => Run == Next ? InstanceWorker.TrialOf(instanceId) : instanceId;

    public LogQuery Query()
    {
        new Checks()
            .That(Tail is null or >= 0 and <= 100_000, "tail", "Must be between 0 and 100000.")
            .That(After is null or >= 0, "after", "Must not be negative.")
            .That(Run is null or "current" or "previous" or Next || (Run.Length < 10 && int.TryParse(Run, NumberStyles.None, CultureInfo.InvariantCulture, out _)), "run", "Must be a run's number, 'current', 'previous' or 'next'.")
            .That(Stream is null || Streams.Contains(Stream), "stream", $"Must be one of {string.Join(", ", Streams)}.")
            .Throw();
        return new LogQuery { Follow = Follow == true && Download != true, Tail = Tail, Since = Since, After = After, Run = Run == Next ? null : Run, Stream = Stream };
    }
}

internal static class LogEndpoints
{
    public static void MapLogs(this WebApplication app) => app.MapApi().MapGet("/instances/{id}/logs", Get).WithTags("Instances").RequireAuthorization(Policies.Read)
        .WithName("getInstanceLogs").WithSummary("Read or follow an instance's log: one JSON object per line")
        .Produces<LogLine>(200, "application/x-ndjson");

    private static async Task Get(
        string id, [AsParameters] LogParameters parameters, InstanceManager instances, EnvironmentMap environments, IHostApplicationLifetime lifetime, HttpContext http, CancellationToken cancellationToken)
    {
        var query = parameters.Query();
        var instance = await instances.GetAsync(id, cancellationToken);
        var runtime = environments.Find(instance.Environment) ?? throw new ProblemException(503, "environment-missing", $"The environment '{instance.Environment}' is not there.");
        var response = http.Response;
        response.ContentType = "application/x-ndjson; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        if (parameters.Download == true) response.Headers.ContentDisposition = $"attachment; filename=\"{instance.Slug}.ndjson\"";
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        try
        {
            await LogStream.WriteAsync(runtime.ReadLogsAsync(parameters.Workload(instance.Id), query, end.Token), response.BodyWriter, query.Follow, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The reader left, or the server stops.
        }
    }
}
