using McpCan.Gateway.Policy;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace McpCan.Gateway;

/// <summary>The path of every MCP request.</summary>
/// <remarks>
/// <code>
///  client ──► (1) route ──► (2) host, origin ──► (3) token ──► (4) policy ──► (5) session ──► (6) forward ──► bridge
///    ▲             │               │403             │401             │            │404 503         │ 413 502       │
///    │             ▼               ▼                ▼                ▼            ▼                ▼               │
///    └──────────────────────────── (7) record ◄─────────────────────────────────────────────────────── streamed ◄──┘
/// </code>
/// (1) the instance by slug or id, from a snapshot in memory. An unknown one is treated like a wrong token: names cannot be guessed.
/// (2) before anything else is answered: DNS rebinding and foreign browser pages stop here; CORS for the pages that may call.
/// (3) Authorization, X-API-Key or ?token=; the same answer whatever was wrong. None of them goes on to the server.
/// (4) limits of the token and the instance; then the token's rules on the body, and a filter for the answer. Both cost nothing where there are none.
/// (5) the sealed session id must be of this instance, this run of its workload and this principal.
/// (6) bytes pass unparsed and unbuffered, both ways.
/// (7) one record an exchange, also of refused ones; at the end of a stream for streams.
/// </remarks>
internal sealed class GatewayHandler(
    IRouteSource routes, ITokenVerifier tokens, OriginGuard guard, TrafficGate traffic, PolicyGate policy, SessionSeal seal, Forwarder forwarder, Remote.RemoteGate remotes,
    Virtual.VirtualHosts virtuals, Sleep.SleepHosts sleepers, Remote.HostedRunner hosted, IWaker waker,
    ExchangeRecorder recorder, IOptions<GatewayOptions> options)
{
    private const string Anonymous = "anonymous";
    private readonly MinDataRate _unreadLimit = new(bytesPerSecond: 240, options.Value.UnreadLimit);

    public async Task HandleAsync(HttpContext context, GatewayEndpoint endpoint)
    {
        using var exchange = recorder.Begin(context, endpoint);
        try
        {
            LiftServerLimits(context);

            // (1) route
            exchange.Route = routes.Find(exchange.Name);

            // (2) host, origin, method
            if (CheckSource(exchange) is { } foreign)
            {
                await foreign.SendAsync(exchange);
                return;
            }
            if (HttpMethods.IsOptions(context.Request.Method))
            {
                AnswerOptions(exchange);
                return;
            }
            if (!MethodAllowed(exchange))
            {
                context.Response.Headers.Allow = Methods(endpoint);
                await new Refusal(405, McpErrors.InvalidRequest, "method", "This address does not take that HTTP method.").SendAsync(exchange);
                return;
            }

            // (3) token
            if (CheckToken(exchange) is { } unauthorized)
            {
                if (unauthorized.Status == 401) context.Response.Headers.WWWAuthenticate = Challenge(exchange);
                await unauthorized.SendAsync(exchange);
                return;
            }
            var route = exchange.Route!;
            if (route.Capture is { } capture) ExchangePayloads.Begin(exchange, capture);

            // (4) policy: limits
            if (await traffic.EnterAsync(exchange) is { } tooMuch)
            {
                await tooMuch.SendAsync(exchange);
                return;
            }

            // (5) session
            if (route.DirectOnly)
            {
                await new Refusal(409, McpErrors.Refused, "direct", route.UnavailableReason ?? $"{route.Name} is not served here.").SendAsync(exchange);
                return;
            }
            // What needs no more than the definitions does not wake the server; a session that began with them goes on with them.
            var sleeper = sleepers.Takes(exchange, route) ? await sleepers.OfAsync(route, context.RequestAborted) : null;
            if (route.IsAsleep && sleeper is null)
            {
                // No session at the server outlives its sleep: the client begins anew.
                if (NamesSession(exchange))
                {
                    await Refusal.SessionNotFound.SendAsync(exchange);
                    return;
                }
                exchange.Route = route = await waker.WakeAsync(route.InstanceId, context.RequestAborted) ?? route;
                await sleepers.RenewAsync(route, context.RequestAborted);
            }
            if (route is { Upstream: null, Remote: null, Virtual: null } && !(route.IsAsleep && sleeper is not null))
            {
                context.Response.Headers.RetryAfter = "5";
                await new Refusal(503, McpErrors.ServerUnavailable, "unavailable",
                    $"{route.Name} is not available: {route.UnavailableReason ?? "it is not running."}").SendAsync(exchange);
                return;
            }
            if (CheckSession(exchange, route) is { } unknownSession)
            {
                await unknownSession.SendAsync(exchange);
                return;
            }
            traffic.Join(exchange);
            if (context.Request.ContentLength > route.MaxRequestBytes)
            {
                await Refusal.TooLarge(route.MaxRequestBytes).SendAsync(exchange);
                return;
            }

            // (4) policy: what the token may use. After (5), since a refusal in HTTP+SSE is sent on the session's stream.
            if (exchange.Policy is { HasRules: true } && await policy.JudgeAsync(exchange)) return;

            // (6) forward
            ExchangeTrace.Continue(exchange);
            if (sleeper is not null) await hosted.RunAsync(exchange, route, sleeper.Enter(route), Sleep.SleepHosts.Generation(route.Sleep!));
            else if (route.Virtual is { } offer) await hosted.RunAsync(exchange, route, virtuals.Of(route, offer).Engine, Virtual.VirtualHosts.Generation(offer));
            else if (route.Remote is { } remote) await remotes.HandleAsync(exchange, route, remote);
            else await forwarder.ForwardAsync(exchange, route, exchange.Ticket is { } ticket ? route.UpstreamOf(ticket.Generation)! : route.Upstream!);
        }
        catch
        {
            exchange.Filter?.Discard();
            throw;
        }
        finally
        {
            // (7) record
            if (exchange.Filter is { } filter) await filter.FinishAsync();
            traffic.Leave(exchange);
            if (!HttpMethods.IsOptions(context.Request.Method))
            {
                RememberClient(exchange);
                recorder.Finish(exchange);
            }
        }
    }

    private static bool NamesSession(GatewayExchange exchange) =>
        exchange.Endpoint == GatewayEndpoint.Message || exchange.Context.Request.Headers[HeaderRules.Session].Count > 0;

    /// <summary>The <c>WWW-Authenticate</c> header of a 401. RFC 9728's <c>resource_metadata</c> belongs here when an authorization server is offered.</summary>
    public static string Challenge(GatewayExchange exchange) =>
        exchange.Token is null ? "Bearer realm=\"mcpcan\"" : "Bearer realm=\"mcpcan\", error=\"invalid_token\"";

    // The limit of a body is the route's, and a long quiet stream is no slow client.
    private void LiftServerLimits(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = null;
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate) rate.MinDataRate = _unreadLimit;
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    private Refusal? CheckSource(GatewayExchange exchange)
    {
        var context = exchange.Context;
        if (!guard.HostAllowed(context))
        {
            return new(403, McpErrors.Refused, "host", "This host name is not served here; an administrator can allow it (MCPCAN_ALLOWED_HOSTS).");
        }
        var origins = context.Request.Headers.Origin;
        if (origins.Count == 0) return null;
        if (origins.Count > 1 || !guard.OriginAllowed(origins[0] ?? "", context))
        {
            return new(403, McpErrors.Refused, "origin", "This browser origin may not call; an administrator can allow it (MCPCAN_ALLOWED_ORIGINS).");
        }
        var headers = context.Response.Headers;
        headers.AccessControlAllowOrigin = origins;
        headers.AccessControlExposeHeaders = "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After";
        headers.Append(HeaderNames.Vary, "Origin");
        return null;
    }

    private static void AnswerOptions(GatewayExchange exchange)
    {
        var (request, response) = (exchange.Context.Request, exchange.Context.Response);
        response.StatusCode = 204;
        if (request.Headers.Origin.Count == 0 || request.Headers.AccessControlRequestMethod.Count == 0)
        {
            response.Headers.Allow = Methods(exchange.Endpoint);
            return;
        }
        response.Headers.AccessControlAllowMethods = Methods(exchange.Endpoint);
        response.Headers.AccessControlAllowHeaders = request.Headers.AccessControlRequestHeaders;
        response.Headers.AccessControlMaxAge = "600";
    }

    private static string Methods(GatewayEndpoint endpoint) => endpoint switch
    {
        GatewayEndpoint.Mcp => "GET, POST, DELETE",
        GatewayEndpoint.Sse => "GET",
        _ => "POST",
    };

    private static bool MethodAllowed(GatewayExchange exchange)
    {
        var method = exchange.Context.Request.Method;
        return exchange.Endpoint switch
        {
            GatewayEndpoint.Mcp => HttpMethods.IsPost(method) || HttpMethods.IsGet(method) || HttpMethods.IsDelete(method),
            GatewayEndpoint.Sse => HttpMethods.IsGet(method),
            _ => HttpMethods.IsPost(method),
        };
    }

    private Refusal? CheckToken(GatewayExchange exchange)
    {
        ReadToken(exchange);
        var verdict = exchange.Token is { } token
            ? tokens.Verify(token, exchange.Route?.InstanceId ?? "", exchange.Context.Connection.RemoteIpAddress)
            : TokenVerdict.Refused(TokenRefusal.Missing);
        if (exchange.Route is null) return Refusal.NotAuthorized("There is no instance of this name.");
        if (verdict.TokenId is not null && verdict.Refusal == TokenRefusal.None)
        {
            exchange.TokenId = verdict.TokenId;
            exchange.Principal = verdict.Principal ?? verdict.TokenId;
            exchange.Policy = verdict.Policy;
            return null;
        }
        if (!exchange.Route.TokenRequired)
        {
            exchange.Principal = Anonymous;
            return null;
        }
        if (verdict.Refusal == TokenRefusal.Address) return Refusal.WrongAddress;
        return Refusal.NotAuthorized(verdict.Refusal switch
        {
            TokenRefusal.Missing => "No token was presented.",
            TokenRefusal.Expired => "The token has expired.",
            TokenRefusal.Disabled => "The token is switched off.",
            TokenRefusal.Foreign => "The token is not for this instance.",
            _ => "The token is unknown.",
        });
    }

    private static void ReadToken(GatewayExchange exchange)
    {
        var request = exchange.Context.Request;
        const string Bearer = "Bearer ";
        if (request.Headers.Authorization is { Count: 1 } authorization
            && authorization[0] is { } value && value.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
        {
            exchange.Token = value[Bearer.Length..].Trim();
        }
        else if (request.Headers["X-API-Key"] is { Count: 1 } key)
        {
            exchange.Token = key[0];
        }
        else if (exchange.Route is { QueryTokenAllowed: true } && request.Query["token"] is { Count: 1 } query)
        {
            (exchange.Token, exchange.TokenFromQuery) = (query[0], true);
        }
        if (string.IsNullOrEmpty(exchange.Token)) exchange.Token = null;
    }

    private Refusal? CheckSession(GatewayExchange exchange, GatewayRoute route)
    {
        var request = exchange.Context.Request;
        if (exchange.Endpoint == GatewayEndpoint.Sse) return null;
        var values = exchange.Endpoint == GatewayEndpoint.Mcp ? request.Headers[HeaderRules.Session] : request.Query["sessionId"];
        if (values.Count == 0 && exchange.Endpoint == GatewayEndpoint.Mcp) return null; // initialize, and servers without sessions
        if (values is not [{ Length: > 0 } id])
        {
            return new(400, McpErrors.InvalidRequest, "session", "The session id is missing or given twice.");
        }
        if (seal.Open(id) is not { } ticket || !ticket.Fits(exchange.Endpoint, route, exchange.Principal)) return Refusal.SessionNotFound;
        (exchange.SealedSession, exchange.Ticket) = (id, ticket);
        return null;
    }

    // HTTP+SSE seals the session before the client says its name.
    private static void RememberClient(GatewayExchange exchange)
    {
        if (exchange is not { Ticket: { ClientName: null } ticket, Request.ClientName: { } name }) return;
        (ticket.ClientName, ticket.ClientVersion) = (name, exchange.Request.ClientVersion);
    }
}
