using McpCan.Gateway;

namespace McpCan.Server.Instances;

/// <summary>What was found at a remote server's address.</summary>
/// <param name="Ok">Whether an MCP server answered <c>tools/list</c> there.</param>
/// <param name="Error">Why not, one sentence.</param>
/// <param name="Failure">What kind of failure, one word: <c>refused</c>, <c>unknown-name</c>, <c>unreachable</c>, <c>tls</c>, <c>timeout</c>, <c>unauthorized</c>, <c>not-mcp</c> …; null when it is none on the way to the server.</param>
/// <param name="AuthorizationRequired">Whether it wants credentials that it did not get.</param>
/// <param name="Transport"><c>streamable-http</c> or <c>sse</c>.</param>
/// <param name="Era"><c>legacy</c> or <c>modern</c>.</param>
/// <param name="ServerInfo">Server's name and version.</param>
/// <param name="ProtocolVersion">Revision of the protocol that it speaks.</param>
/// <param name="Tools">Its tools.</param>
/// <param name="DurationMs">Time from the first request to the last answer.</param>
public sealed record RemoteFindings(
    bool Ok, string? Error, string? Failure, bool AuthorizationRequired, string? Transport, string? Era, string? ServerInfo, string? ProtocolVersion, IReadOnlyList<FoundTool> Tools, double DurationMs);

/// <summary>A tool of a remote server.</summary>
public sealed record FoundTool(string Name, string? Description)
{
    /// <summary>All of its definition, as the server gave it.</summary>
    internal System.Text.Json.JsonElement Definition { get; init; }
}

/// <summary>Speaks to remote servers to find out what they are.</summary>
internal interface IRemoteInspector
{
    Task<RemoteFindings> DetectAsync(GatewayRemote remote, CancellationToken cancellationToken);
}
