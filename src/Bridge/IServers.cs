using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Bridge;

/// <summary>What stands behind the bridge: processes that speak over pipes, or one that listens by itself.</summary>
interface IServers : IServerSource, IServerEras
{
    /// <summary>Whether a client that comes now does not have to wait for a start.</summary>
    bool IsReady { get; }

    /// <summary>Servers that wait for their session.</summary>
    int SpareCount { get; }

    /// <summary>Starts what is wanted before the first client comes.</summary>
    void StartAhead();

    /// <summary>Ends the servers that nobody has used for long.</summary>
    void Sweep();
}
