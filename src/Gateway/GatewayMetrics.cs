using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace McpCan.Gateway;

/// <summary>Numbers of the data plane; tags are few on purpose (no instance, no token).</summary>
internal sealed class GatewayMetrics
{
    private readonly Counter<long> _requests;
    private readonly Counter<long> _errors;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _streams;

    public GatewayMetrics(IMeterFactory factory)
    {
        var meter = factory.Create("McpCan.Gateway");
        _requests = meter.CreateCounter<long>("mcpcan.gateway.requests", description: "Finished exchanges");
        _errors = meter.CreateCounter<long>("mcpcan.gateway.errors", description: "Exchanges that the gateway refused or could not finish, by reason");
        _duration = meter.CreateHistogram<double>("mcpcan.gateway.duration", "s", "Time of an exchange, streams apart");
        _streams = meter.CreateUpDownCounter<long>("mcpcan.gateway.streams", description: "Open event streams that clients wait on");
    }

    public void StreamOpened() => _streams.Add(1);

    public void StreamClosed() => _streams.Add(-1);

    public void Finished(GatewayExchange exchange, int status, double seconds)
    {
        var endpoint = new KeyValuePair<string, object?>("endpoint", exchange.Endpoint switch
        {
            GatewayEndpoint.Mcp => "mcp",
            GatewayEndpoint.Sse => "sse",
            _ => "message",
        });
        _requests.Add(1, endpoint, new("status", StatusClass(status)));
        if (!exchange.IsStream) _duration.Record(seconds, endpoint);
        if (exchange.Failure is { } failure) _errors.Add(1, new KeyValuePair<string, object?>("reason", failure));
    }

    private static string StatusClass(int status) => (status / 100) switch { 2 => "2xx", 3 => "3xx", 4 => "4xx", _ => "5xx" };
}
