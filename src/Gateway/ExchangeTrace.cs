using System.Buffers;
using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway;

/// <summary>
/// The exchange's place in a distributed trace (W3C trace context): from the <c>traceparent</c> header, else from the message's <c>_meta</c>
/// (SEP-414), else a trace of its own. The span goes to whoever listens (OpenTelemetry); without a listener there is none.
/// </summary>
internal static class ExchangeTrace
{
    private static readonly ActivitySource Source = new(GatewayTelemetry.SourceName);
    private static ReadOnlySpan<byte> Key => "\"traceparent\""u8;

    /// <summary>What the headers say. Before anything else: refusals name the trace as well.</summary>
    public static void Begin(GatewayExchange exchange)
    {
        var headers = exchange.Context.Request.Headers;
        var current = Activity.Current;
        if (headers.TraceParent is [{ } parent] && ActivityContext.TryParse(parent, headers.TraceState, isRemote: true, out var context)) exchange.TraceContext = context;
        exchange.TraceId = (exchange.TraceContext?.TraceId ?? current?.TraceId ?? ActivityTraceId.CreateRandom()).ToHexString();
        exchange.TraceParent = current?.TraceId.ToHexString() == exchange.TraceId ? current.Id : null;
    }

    /// <summary>Before the request goes on: looks into what lies of the message, and starts the span that the server continues.</summary>
    public static void Continue(GatewayExchange exchange)
    {
        if (exchange.TraceContext is null && HttpMethods.IsPost(exchange.Context.Request.Method) && Peek(exchange) is { } context)
        {
            exchange.TraceContext = context;
            exchange.TraceId = context.TraceId.ToHexString();
            exchange.TraceParent = null;
        }
        Start(exchange);
        if (exchange.Span is { } span) (exchange.TraceId, exchange.TraceParent) = (span.TraceId.ToHexString(), span.Id);
        else exchange.TraceParent ??= $"00-{exchange.TraceId}-{ActivitySpanId.CreateRandom().ToHexString()}-{(exchange.TraceContext?.TraceFlags == ActivityTraceFlags.Recorded ? "01" : "00")}";
    }

    /// <summary>Ends the span with what is known now.</summary>
    public static void Finish(GatewayExchange exchange, int status)
    {
        var late = exchange.TraceContext is null && Parse(exchange.Request.TraceParent) is { } told ? told : default(ActivityContext?);
        if (exchange.Span is null) Start(exchange);
        if (exchange.Span is { } span)
        {
            if (late is { } link) span.AddLink(new ActivityLink(link));
            if (span.IsAllDataRequested) Describe(span, exchange, status);
            span.Dispose();
        }
        // The client was not told another one.
        if (late is { } named && exchange.Failure is null) exchange.TraceId = named.TraceId.ToHexString();
    }

    private static void Start(GatewayExchange exchange)
    {
        if (!Source.HasListeners() || HttpMethods.IsOptions(exchange.Context.Request.Method)) return;
        var around = Activity.Current;
        // Without a parent the span is a root: what ASP.NET Core measures of a request is not sent anywhere.
        if (exchange.TraceContext is null) Activity.Current = null;
        exchange.Span = Source.StartActivity("mcp", ActivityKind.Server, exchange.TraceContext ?? default, startTime: exchange.Time);
        if (exchange.Span is null) Activity.Current = around;
    }

    /// <summary>The trace context of a message that (as nearly always) arrived together with its headers; nothing is consumed and nothing waited for.</summary>
    private static ActivityContext? Peek(GatewayExchange exchange)
    {
        if (exchange.Request.TraceParent is { } known) return Parse(known); // an earlier step read the message
        var body = exchange.Context.Request.BodyReader;
        try
        {
            if (!body.TryRead(out var read)) return null;
            string? found = null;
            if (read.Buffer.FirstSpan.IndexOf(Key) >= 0)
            {
                var scanner = new EnvelopeScanner();
                scanner.Feed(read.Buffer);
                found = scanner.TraceParent;
            }
            body.AdvanceTo(read.Buffer.Start);
            return Parse(found);
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException or OperationCanceledException)
        {
            return null; // who reads the body next meets it again, and answers
        }
    }

    private static ActivityContext? Parse(string? parent) =>
        parent is not null && ActivityContext.TryParse(parent, null, isRemote: true, out var context) ? context : null;

    // Names of the OpenTelemetry semantic conventions for MCP and HTTP. The session id is a credential and stays out.
    private static void Describe(Activity span, GatewayExchange exchange, int status)
    {
        var (request, method, target) = (exchange.Context.Request, exchange.Request.Method, exchange.Request.Target);
        var named = target is not null && method is "tools/call" or "prompts/get";
        span.DisplayName = method is null ? $"{request.Method} {exchange.Endpoint.Name()}" : named ? $"{method} {target}" : method;
        span.SetTag("mcp.method.name", method);
        if (method == "tools/call") span.SetTag("gen_ai.operation.name", "execute_tool").SetTag("gen_ai.tool.name", target);
        else if (method == "prompts/get") span.SetTag("gen_ai.prompt.name", target);
        else if (target is not null) span.SetTag("mcp.resource.uri", target);
        if (request.Headers["MCP-Protocol-Version"] is [{ Length: < 32 } version]) span.SetTag("mcp.protocol.version", version);
        span.SetTag("network.transport", "tcp").SetTag("network.protocol.name", "http").SetTag("network.protocol.version", request.Protocol.Replace("HTTP/", "", StringComparison.Ordinal));
        span.SetTag("http.request.method", request.Method).SetTag("http.response.status_code", status);
        span.SetTag("http.request.body.size", exchange.RequestBytes).SetTag("http.response.body.size", exchange.ResponseBytes);
        span.SetTag("mcpcan.instance.id", exchange.Route?.InstanceId).SetTag("mcpcan.token.id", exchange.TokenId).SetTag("mcpcan.session", exchange.Ticket?.LogName);
        span.SetTag("user_agent.name", exchange.Request.ClientName ?? exchange.Ticket?.ClientName);
        if (exchange.ErrorCode is { } code) span.SetTag("rpc.response.status_code", code.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (status < 400 && exchange.ErrorCode is null && exchange.Error is null) return;
        span.SetTag("error.type", GatewayMetrics.ErrorType(exchange, status));
        span.SetStatus(ActivityStatusCode.Error, exchange.Error);
    }
}

/// <summary>Names under which the gateway reports itself.</summary>
public static class GatewayTelemetry
{
    /// <summary>Name of the activity source and of the meter.</summary>
    public const string SourceName = "McpCan.Gateway";
}
