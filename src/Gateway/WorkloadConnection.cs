using McpCan.Protocol.Links;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway;

/// <summary>A session of our own at the bridge of a workload, in the legacy era.</summary>
internal sealed class WorkloadConnection : IServerConnection
{
    private readonly StreamableHttpLink _link;
    private readonly UpstreamClient _client;
    private int _stopped;

    public WorkloadConnection(UpstreamPool upstreams, GatewayUpstream upstream, string principal, TimeProvider time)
    {
        Upstream = upstream;
        _client = upstreams.Enter(upstream);
        _link = new RemoteServer(_client.Http, _client.Mcp, [KeyValuePair.Create(HeaderRules.Principal, principal)]) { Time = time }.OpenStreamable(modern: false);
    }

    /// <summary>The run that it is a session of.</summary>
    public GatewayUpstream Upstream { get; }

    public ServerLink Link => _link;

    public void Stop()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        _link.Stop();
        _client.Leave();
    }
}
