using McpCan.Protocol.Http;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway.Remote;

/// <summary>
/// The protocol engine inside the gateway, for one server that does not speak what the client speaks: sessions live in this process, and end
/// with it. To the engine a request looks as to the bridge; <see cref="HostedExchange"/> translates session ids and keeps the record.
/// </summary>
internal sealed class HostedServer : IDisposable
{
    private readonly SessionTable _sessions;
    private readonly ModernEndpoint? _modern;
    private readonly McpEndpoint _mcp;
    private readonly SseEndpoint _sse;

    /// <summary>An engine in front of a server; without <paramref name="eras"/> modern clients are told to fall back.</summary>
    public HostedServer(IServerSource source, IServerEras? eras, SessionOptions options, int maxSessions, TimeProvider time)
    {
        _sessions = new(source, options, maxSessions, time);
        _modern = eras is null ? null : new(eras, options, time);
        _mcp = new(_sessions, _modern);
        _sse = new(_sessions) { AddressOf = HostedExchange.MessageAddress };
    }

    /// <summary>Whether anybody uses it.</summary>
    public bool IsUsed => _sessions.Count > 0 || _modern is { RunningCount: > 0 } or { ParkedCount: > 0 };

    public Task HandleAsync(HttpContext context, GatewayEndpoint endpoint) => endpoint switch
    {
        GatewayEndpoint.Mcp => _mcp.HandleAsync(context),
        GatewayEndpoint.Sse => _sse.StreamAsync(context),
        _ => _sse.MessageAsync(context),
    };

    public void Dispose()
    {
        _sessions.EndAll("the server's settings were changed, or MCPCAN is stopping; initialize again");
        _sessions.Dispose();
        _modern?.Dispose();
    }
}
