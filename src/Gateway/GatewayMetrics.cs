using System.Collections.Frozen;
using System.Diagnostics.Metrics;

namespace McpCan.Gateway;

/// <summary>Numbers of the data plane; tags are few on purpose (no instance, no token).</summary>
internal sealed class GatewayMetrics
{
    private readonly Counter<long> _requests;
    private readonly Counter<long> _errors;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _operation;
    private readonly UpDownCounter<long> _streams;

    // Calls of local servers take fractions of a millisecond; the convention's steps begin at 10 ms.
    private static readonly InstrumentAdvice<double> Fine = new() { HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] };
    private static readonly InstrumentAdvice<double> Conventional = new() { HistogramBucketBoundaries = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] };

    // What clients choose freely must not become a tag.
    private static readonly FrozenSet<string> Methods = FrozenSet.ToFrozenSet([
        "initialize", "ping", "server/discover", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
        "resources/templates/list", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen", "completion/complete", "logging/setLevel",
        "tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "tasks/update"], StringComparer.Ordinal);

    public GatewayMetrics(IMeterFactory factory)
    {
        var meter = factory.Create(GatewayTelemetry.SourceName);
        _requests = meter.CreateCounter<long>("mcpcan.gateway.requests", description: "Finished exchanges");
        _errors = meter.CreateCounter<long>("mcpcan.gateway.errors", description: "Exchanges that the gateway refused or could not finish, by reason");
        _duration = meter.CreateHistogram("mcpcan.gateway.duration", "s", "Time of an exchange, streams apart", null, Fine);
        _operation = meter.CreateHistogram("mcp.server.operation.duration", "s", "Time of a request by its method (OpenTelemetry convention)", null, Conventional);
        _streams = meter.CreateUpDownCounter<long>("mcpcan.gateway.streams", description: "Open event streams that clients wait on");
    }

    public void StreamOpened() => _streams.Add(1);

    public void StreamClosed() => _streams.Add(-1);

    public void Finished(GatewayExchange exchange, int status, double seconds)
    {
        var endpoint = new KeyValuePair<string, object?>("endpoint", exchange.Endpoint.Name());
        _requests.Add(1, endpoint, new("status", StatusClass(status)));
        if (!exchange.IsStream) _duration.Record(seconds, endpoint);
        if (_operation.Enabled && exchange.Request.Method is { } method && Methods.Contains(method))
        {
            var name = new KeyValuePair<string, object?>("mcp.method.name", method);
            if (status >= 400 || exchange.ErrorCode is not null || exchange.Error is not null) _operation.Record(seconds, name, new("error.type", ErrorType(exchange, status)));
            else _operation.Record(seconds, name);
        }
        if (exchange.Failure is { } failure) _errors.Add(1, new KeyValuePair<string, object?>("reason", failure));
    }

    /// <summary>What went wrong, in few words that repeat.</summary>
    public static string ErrorType(GatewayExchange exchange, int status) => exchange switch
    {
        { Failure: { } failure } => failure,
        { ErrorCode: { } code } => code is <= -32000 and >= -32768 ? code.ToString(System.Globalization.CultureInfo.InvariantCulture) : "jsonrpc",
        { Error: not null } => "tool_error",
        _ => StatusClass(status),
    };

    private static string StatusClass(int status) => (status / 100) switch { 2 => "2xx", 3 => "3xx", 4 => "4xx", _ => "5xx" };
}
