using McpCan.Protocol;
using McpCan.Protocol.Links;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway.Remote;

/// <summary>Proxy mode: whether the client speaks what the remote server speaks. Then bytes pass; else the engine stands between.</summary>
internal sealed class RemoteGate(RemoteHosts hosts, Forwarder forwarder, HostedRunner hosted)
{
    public async Task HandleAsync(GatewayExchange exchange, GatewayRoute route, GatewayRemote remote)
    {
        RemoteHost host;
        bool converts;
        try
        {
            host = hosts.Of(route.InstanceId, remote);
            converts = exchange.Ticket is { } ticket
                ? RemoteGeneration.IsHosted(ticket, remote)
                : Converts(exchange, host.Eras.Verdict ?? await host.Eras.SpeaksAsync(exchange.Context.RequestAborted));
        }
        catch (RemoteException e)
        {
            await RemoteTarget.Explain(e, exchange).SendAsync(exchange);
            return;
        }
        catch (OperationCanceledException) when (exchange.ClientGone)
        {
            (exchange.Failure, exchange.Error) = ("client_left", "The client left before the answer.");
            return;
        }
        if (converts) await hosted.RunAsync(exchange, route, host.Engine, RemoteGeneration.Of(remote, hosted: true));
        else await forwarder.ForwardAsync(exchange, route, new RemoteTarget(host, exchange.Endpoint));
    }

    private static bool Converts(GatewayExchange exchange, RemoteVerdict server)
    {
        if (exchange.Endpoint == GatewayEndpoint.Sse) return !server.IsSse;
        if (server.IsSse) return true;
        return IsModern(exchange.Context.Request) ? !server.Modern : !server.Legacy;
    }

    // 2026-07-28: the header MUST be there; a request that names its version only in the body is for the server to refuse.
    // A version that nobody knows is refused by the engine with the list of those that there are.
    private static bool IsModern(HttpRequest request) =>
        HttpMethods.IsPost(request.Method) && request.Headers["MCP-Protocol-Version"] is [{ } version] && McpRevisions.Parse(version) is McpRevision.Unknown or >= McpRevision.R20260728;
}
