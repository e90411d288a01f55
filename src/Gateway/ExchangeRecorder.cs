using System.Net;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace McpCan.Gateway;

/// <summary>Begins an exchange and writes its record when it is over.</summary>
internal sealed class ExchangeRecorder(IAccessLog log, ITokenVerifier tokens, GatewayMetrics metrics, TimeProvider time)
{
    private const int ClientClosedRequest = 499;

    public GatewayExchange Begin(HttpContext context, GatewayEndpoint endpoint)
    {
        var exchange = new GatewayExchange(context, endpoint, time.GetTimestamp(), time.GetUtcNow())
        {
            Name = context.GetRouteValue("instance") as string ?? "",
            Clock = time,
        };
        ExchangeTrace.Begin(exchange);
        return exchange;
    }

    public void Finish(GatewayExchange exchange)
    {
        var context = exchange.Context;
        var elapsed = time.GetElapsedTime(exchange.Started);
        var status = exchange.ClientGone && exchange.Ended == EndReason.None && !context.Response.HasStarted
            ? ClientClosedRequest
            : context.Response.StatusCode;
        var request = exchange.Request;
        var clientName = request.ClientName ?? exchange.Ticket?.ClientName;
        var address = Address(context.Connection.RemoteIpAddress);
        if (exchange.TokenId is { } tokenId) tokens.Used(tokenId, clientName, address);
        metrics.Finished(exchange, status, elapsed.TotalSeconds);
        ExchangeTrace.Finish(exchange, status);
        log.Write(new AccessRecord
        {
            Time = exchange.Time,
            InstanceId = exchange.Route?.InstanceId,
            TokenId = exchange.TokenId,
            ClientName = clientName,
            ClientVersion = request.ClientVersion ?? exchange.Ticket?.ClientVersion,
            ClientAddress = address,
            Session = exchange.Ticket?.LogName,
            HttpMethod = context.Request.Method,
            Method = request.Method,
            Target = request.Target,
            Status = status,
            ErrorCode = exchange.ErrorCode,
            Error = exchange.Error,
            DurationMs = elapsed.TotalMilliseconds,
            RequestBytes = exchange.RequestBytes,
            ResponseBytes = exchange.ResponseBytes,
            TraceId = exchange.TraceId,
            Era = Era(exchange),
            RequestPayload = exchange.Payloads?.Request(context),
            ResponsePayload = exchange.Payloads?.Response(context),
            FirstByteMs = exchange.FirstByte == 0 ? null : time.GetElapsedTime(exchange.Started, exchange.FirstByte).TotalMilliseconds,
        });
    }

    /// <summary>The modern era names its version with every request, in the header and in <c>_meta</c>.</summary>
    private static string? Era(GatewayExchange exchange)
    {
        var version = exchange.Context.Request.Headers["MCP-Protocol-Version"] is [{ } named] ? named : null;
        if (exchange.Request.NamesVersion || McpRevisions.Parse(version) >= McpRevision.R20260728) return "modern";
        return version is not null || exchange.Request.Method is not null || exchange.Ticket is not null || exchange.Endpoint != GatewayEndpoint.Mcp ? "legacy" : null;
    }

    private static string? Address(IPAddress? address) =>
        (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString();
}
