using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace McpCan.Server.Hosting;

/// <summary>
/// Metrics for Prometheus, always; and metrics and the gateway's traces by OTLP, once one of OpenTelemetry's own variables names an address
/// (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, <c>…_TRACES_ENDPOINT</c>, <c>…_METRICS_ENDPOINT</c>). Without one there are no spans at all.
/// </summary>
internal static class Telemetry
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    public static void AddTelemetry(this IServiceCollection services, IConfiguration configuration)
    {
        bool Set(string name) => !string.IsNullOrWhiteSpace(configuration[name]) && !string.Equals(configuration["OTEL_SDK_DISABLED"], "true", StringComparison.OrdinalIgnoreCase);
        var telemetry = services.AddOpenTelemetry().ConfigureResource(r => r.AddService("mcpcan", serviceVersion: Version.Text).AddEnvironmentVariableDetector());
        telemetry.WithMetrics(m =>
        {
            m.AddMeter("McpCan.*", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddPrometheusExporter();
            if (Set(Endpoint) || Set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")) m.AddOtlpExporter();
        });
        if (Set(Endpoint) || Set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) telemetry.WithTracing(t => t.AddSource("McpCan.*").AddOtlpExporter());
    }
}
