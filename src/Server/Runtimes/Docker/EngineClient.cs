using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Docker.DotNet;
using Docker.DotNet.X509;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>Makes clients of the Docker Engine API, which Podman speaks as well.</summary>
public static class EngineClient
{
    /// <summary>How long a call may take that does not wait for something by its nature.</summary>
    public static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(10);

    /// <summary>A client; nothing is sent yet. Whoever asked disposes it.</summary>
    /// <param name="address">The engine.</param>
    /// <param name="limit">Limit of every call; null for none, where calls wait (logs, events, the end of a container).</param>
    /// <exception cref="ArgumentException">The certificates cannot be read.</exception>
    public static DockerClient Open(EngineAddress address, TimeSpan? limit = null)
    {
        var builder = new DockerClientBuilder().WithEndpoint(address.Endpoint).WithTimeout(limit ?? Timeout.InfiniteTimeSpan);
        return (address.Tls is { } tls ? builder.WithAuthProvider(Credentials(tls).CreateCredentials()) : builder).Build();
    }

    /// <summary>Whether an exception says that the engine cannot be reached, or went away in the middle.</summary>
    public static bool IsUnreachable(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException or System.Net.Sockets.SocketException or AuthenticationException or TimeoutException or ObjectDisposedException
        || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        // The client tries each address of a host, and gathers what went wrong.
        || (e is AggregateException all && all.InnerExceptions.All(inner => IsUnreachable(inner, cancellationToken)));

    /// <summary>Why it cannot be reached, as a sentence's end.</summary>
    public static string Why(Exception e) => e is AuthenticationException || e.InnerException is AuthenticationException ? NoTrust : e.GetBaseException() switch
    {
        // What the system says of a socket that is not there tells nobody anything.
        System.Net.Sockets.SocketException { SocketErrorCode: System.Net.Sockets.SocketError.AddressNotAvailable } => "nothing listens there.",
        var cause => cause.Message.TrimEnd('.') + ".",
    };

    private const string NoTrust = "one of the two sides does not trust the other's certificate. Look whether the authority signed the engine's certificate, the engine knows who signed the client's, both are still valid, and the address is one that the engine's certificate names.";

    private static DockerTlsCertificates Credentials(EngineTls tls)
    {
        try
        {
            return new(X509Certificate2.CreateFromPem(tls.Certificate, tls.Key), tls.CertificateAuthority is { Length: > 0 } authority ? X509Certificate2.CreateFromPem(authority) : null);
        }
        catch (CryptographicException e)
        {
            throw new ArgumentException("The certificates cannot be read: they must be PEM, the key not encrypted.", nameof(tls), e);
        }
    }
}
