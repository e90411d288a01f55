using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>
/// What a host tells the modern endpoint about its server: which era it speaks, and how to reach it in that era.
/// A server of both eras is reached in the modern one.
/// </summary>
public interface IServerEras
{
    /// <summary>Whether the server speaks the modern era; null until that is known.</summary>
    bool? SpeaksModern { get; }

    /// <summary>Finds out what era the server speaks. Throws <see cref="ServerUnavailableException"/> when that cannot be known now.</summary>
    ValueTask<bool> DetectAsync(CancellationToken cancellationToken);

    /// <summary>The server in the modern era, for a principal.</summary>
    ModernServer RentModern(string principal);

    /// <summary>
    /// The server in the legacy era, initialised without client capabilities and shared: for calls that declare no
    /// sampling, elicitation or roots. Throws <see cref="ServerUnavailableException"/>.
    /// </summary>
    ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken);

    /// <summary>A legacy server that nobody else uses, not initialised yet. Throws <see cref="ServerUnavailableException"/>.</summary>
    ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken);
}
