using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace McpCan.Gateway;

/// <summary>Begins an exchange and writes its record when it is over.</summary>
internal sealed class ExchangeRecorder(IAccessLog log, ITokenVerifier tokens, GatewayMetrics metrics, TimeProvider time)
{
    private const int ClientClosedRequest = 499;

    public GatewayExchange Begin(HttpContext context, GatewayEndpoint endpoint)
    {
        var activity = Activity.Current;
        return new(context, endpoint, time.GetTimestamp(), time.GetUtcNow())
        {
            Name = context.GetRouteValue("instance") as string ?? "",
            TraceId = (activity?.TraceId ?? ActivityTraceId.CreateRandom()).ToHexString(),
            TraceParent = activity?.Id,
        };
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
        });
    }

    private static string? Address(IPAddress? address) =>
        (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString();
}
