using McpCan.Protocol.Links;

namespace McpCan.Protocol.Sessions;

/// <summary>A server that belongs to one session: a process, or a session of our own at a remote server.</summary>
public interface IServerConnection
{
    /// <summary>The way to it.</summary>
    ServerLink Link { get; }

    /// <summary>Ends it with everything that belongs to it.</summary>
    void Stop();
}

/// <summary>What serves a session: a server of its own, or one shared with others.</summary>
public readonly record struct ServerLease(IServerConnection? Own, SharedServer? Shared);

/// <summary>Gives each new session its server.</summary>
public interface IServerSource
{
    /// <summary>A server for a session of this principal. Throws <see cref="ServerUnavailableException"/>.</summary>
    ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken);

    /// <summary>
    /// Another server of its own for a session whose first one did not take <c>initialize</c>: a server of the modern
    /// era behind a legacy face. Null when there is none.
    /// </summary>
    ValueTask<IServerConnection?> RentOtherEraAsync(string principal, CancellationToken cancellationToken) => default;
}

/// <summary>No server can be had now; the message is meant for the client.</summary>
public sealed class ServerUnavailableException(string message, bool isBusy = false) : Exception(message)
{
    /// <summary>Whether a later try may work: answered with 503 and Retry-After.</summary>
    public bool IsBusy => isBusy;
}
