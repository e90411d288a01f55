using McpCan.Protocol.Stdio;

namespace McpCan.Protocol.Sessions;

/// <summary>A running stdio server.</summary>
public interface IServerProcess
{
    /// <summary>The link over its standard input and output.</summary>
    StdioLink Link { get; }

    /// <summary>Ends it with everything that it started.</summary>
    void Stop();
}

/// <summary>What serves a session: a process of its own, or one shared with others.</summary>
public readonly record struct ServerLease(IServerProcess? Own, SharedServer? Shared);

/// <summary>Gives each new session its server.</summary>
public interface IServerSource
{
    /// <summary>A server for a session of this principal. Throws <see cref="ServerUnavailableException"/>.</summary>
    ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken);
}

/// <summary>No server can be had now; the message is meant for the client.</summary>
public sealed class ServerUnavailableException(string message, bool isBusy = false) : Exception(message)
{
    /// <summary>Whether a later try may work: answered with 503 and Retry-After.</summary>
    public bool IsBusy => isBusy;
}
