using System.Diagnostics;
using System.Net.Http.Headers;
using McpCan.Gateway;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Gateway;

public sealed class ExchangeTraceTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string HeaderTrace = "0af7651916cd43dd8448eb211c80319c";
    private const string MetaTrace = "11112222333344445555666677778888";
    private const string Header = $"00-{HeaderTrace}-b7ad6b7169203331-01";
    private const string WithMeta = $$$$"""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"traceparent":"00-{{{{MetaTrace}}}}-00f067aa0ba902b7-01","tracestate":"a=b"}}}""";
    private const string Plain = """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}""";

    private static async Task<(AccessRecord Record, string Upstream)> CallAsync(GatewayBed bed, string body, string? header, bool late = false)
    {
        using var request = bed.Post(Mcp, body);
        if (header is not null) request.Headers.TryAddWithoutValidation("traceparent", header);
        if (late) request.Content = new LateContent(body);
        using var response = await bed.SendAsync(request);
        response.EnsureSuccessStatusCode();
        await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        return (bed.NextRecord(), seen.Headers["traceparent"]);
    }

    [Theory]
    [InlineData(Plain, Header, HeaderTrace)]
    [InlineData(WithMeta, Header, HeaderTrace)]
    [InlineData(WithMeta, null, MetaTrace)]
    [InlineData(WithMeta, "00-nonsense", MetaTrace)]
    public async Task TraceContext_OfHeaderOrMessage_IsContinued(string body, string? header, string trace)
    {
        await using var bed = await GatewayBed.StartAsync();

        var (record, upstream) = await CallAsync(bed, body, header);

        Assert.Equal(trace, record.TraceId);
        Assert.StartsWith($"00-{trace}-", upstream, StringComparison.Ordinal);
        Assert.DoesNotContain("b7ad6b7169203331", upstream, StringComparison.Ordinal);
        Assert.DoesNotContain("00f067aa0ba902b7", upstream, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TraceContext_OfAMessageThatComesLater_IsRecorded()
    {
        await using var bed = await GatewayBed.StartAsync();

        Assert.Equal(MetaTrace, (await CallAsync(bed, WithMeta, null, late: true)).Record.TraceId);
    }

    [Fact]
    public async Task NoTraceContext_GetsATraceOfItsOwn()
    {
        await using var bed = await GatewayBed.StartAsync();

        var (record, upstream) = await CallAsync(bed, Plain, null);

        Assert.Equal(32, record.TraceId!.Length);
        Assert.StartsWith($"00-{record.TraceId}-", upstream, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Span_ContinuesTheClientsAndIsContinuedByTheServer()
    {
        var ended = new System.Collections.Concurrent.ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == GatewayTelemetry.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var bed = await GatewayBed.StartAsync();
        const string trace = "99992222333344445555666677778888";

        var (record, upstream) = await CallAsync(bed, WithMeta.Replace(MetaTrace, trace, StringComparison.Ordinal), null);

        var span = Assert.Single(ended, a => a.TraceId.ToHexString() == trace);
        Assert.Equal((trace, span.Id), (record.TraceId, upstream));
        Assert.Equal("00f067aa0ba902b7", span.ParentSpanId.ToHexString());
        Assert.Equal(("tools/call echo", ActivityKind.Server, ActivityStatusCode.Unset), (span.DisplayName, span.Kind, span.Status));
        Assert.Equal(("tools/call", "echo", "i-1", 200), (span.GetTagItem("mcp.method.name"), span.GetTagItem("gen_ai.tool.name"), span.GetTagItem("mcpcan.instance.id"), span.GetTagItem("http.response.status_code")));
    }

    [Theory]
    [InlineData(Plain, null, "legacy")]
    [InlineData(Plain, "2025-11-25", "legacy")]
    [InlineData(Plain, "2026-07-28", "modern")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"n","version":"2"}}}}""", null, "modern")]
    public async Task Era_IsWhatTheRequestShows(string body, string? version, string era)
    {
        await using var bed = await GatewayBed.StartAsync();
        using var request = bed.Post(Mcp, body);
        if (version is not null) request.Headers.Add("MCP-Protocol-Version", version);
        using var response = await bed.SendAsync(request);
        await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        var record = bed.NextRecord();

        Assert.Equal(era, record.Era);
        Assert.InRange(record.FirstByteMs!.Value, 0, record.DurationMs);
        if (body.Contains("clientInfo", StringComparison.Ordinal)) Assert.Equal(("n", "2"), (record.ClientName, record.ClientVersion));
    }

    [Fact]
    public async Task Era_OfARefusedRequest_IsUnknown()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Get(Mcp, token: null));

        var record = bed.NextRecord();
        Assert.Equal((401, (string?)null), (record.Status, record.Era));
        Assert.NotNull(record.FirstByteMs);
    }

    // Headers go out first; the message follows when the gateway has had them.
    private sealed class LateContent : HttpContent
    {
        private readonly string _body;

        public LateContent(string body)
        {
            _body = body;
            Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.FlushAsync();
            var bytes = System.Text.Encoding.UTF8.GetBytes(_body);
            foreach (var piece in bytes.Chunk(20))
            {
                await stream.WriteAsync(piece);
                await stream.FlushAsync();
            }
        }
    }
}
