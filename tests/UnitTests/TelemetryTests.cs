using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace McpCan.UnitTests;

public sealed class TelemetryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Endpoint_SwitchesExportOfTracesAndMetricsOn()
    {
        var received = new ConcurrentDictionary<string, string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.MapPost("/v1/{kind}", async (string kind, HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            received[kind] = Encoding.Latin1.GetString(body.ToArray());
        });
        await collector.StartAsync(Cancel);

        await using var program = await StartAsync(new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Urls.First(), ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf", ["OTEL_SERVICE_NAME"] = "mine" });
        using (var source = new ActivitySource("McpCan.Test")) source.StartActivity("tools/call something")!.Dispose();
        Assert.True(program.Services.GetRequiredService<TracerProvider>().ForceFlush(20_000));
        program.Services.GetRequiredService<MeterProvider>().ForceFlush(20_000);

        Assert.Contains("tools/call something", received["traces"], StringComparison.Ordinal);
        Assert.Contains("mine", received["traces"], StringComparison.Ordinal);
        Assert.Contains("dotnet.", received["metrics"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("http://127.0.0.1:9", "true")]
    public async Task WithoutEndpointOrSwitchedOff_NoSpanIsMade(string? endpoint, string? off)
    {
        await using var program = await StartAsync(new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint, ["OTEL_SDK_DISABLED"] = off });

        Assert.Null(program.Services.GetService<TracerProvider>());
    }

    private static async Task<WebApplication> StartAsync(Dictionary<string, string?> settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(settings);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddTelemetry(builder.Configuration);
        var program = builder.Build();
        await program.StartAsync(Cancel);
        return program;
    }
}
