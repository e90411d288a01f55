using System.Net.Sockets;
using System.Security.Authentication;

namespace McpCan.Protocol.Links;

/// <summary>What went wrong on the way to a remote server.</summary>
public enum RemoteFailure
{
    /// <summary>No connection: no route, or nothing answers.</summary>
    Unreachable,
    /// <summary>The name has no address.</summary>
    UnknownName,
    /// <summary>Something answers there, but takes no connection.</summary>
    Refused,
    /// <summary>The address may not be called from here.</summary>
    Forbidden,
    /// <summary>TLS could not be agreed on, or the certificate is not trusted.</summary>
    Tls,
    /// <summary>No (more) bytes in time.</summary>
    Timeout,
    /// <summary>The connection broke off after the request was sent.</summary>
    BrokeOff,
    /// <summary>An HTTP status that is an error.</summary>
    Status,
    /// <summary>The server wants credentials, or others.</summary>
    Unauthorized,
    /// <summary>The session is unknown there.</summary>
    SessionGone,
    /// <summary>What came is no answer of an MCP server.</summary>
    NotMcp,
}

/// <summary>A remote server could not be used. The message is meant for clients: it names no address and no text of the server.</summary>
public sealed class RemoteException(RemoteFailure failure, string message, int status = 0, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>What went wrong.</summary>
    public RemoteFailure Failure => failure;

    /// <summary>The message as a sentence for people.</summary>
    public string Sentence => char.ToUpperInvariant(Message[0]) + Message[1..] + ".";

    /// <summary>The HTTP status, when there was one.</summary>
    public int Status => status;

    /// <summary>Whether no byte of the request has left: it may be sent again whatever it does.</summary>
    public bool NothingSent => failure is RemoteFailure.Unreachable or RemoteFailure.UnknownName or RemoteFailure.Refused;

    /// <summary>The time for the first byte, or between two bytes, is over.</summary>
    public static RemoteException TimedOut(TimeSpan limit) => new(RemoteFailure.Timeout, $"the server did not answer within {limit.TotalSeconds:0.#} seconds");

    /// <summary>An HTTP status that is no success.</summary>
    public static RemoteException OfStatus(int status) => status switch
    {
        401 or 407 => new(RemoteFailure.Unauthorized, $"the server refused MCPCAN's credentials (HTTP status {status})", status),
        >= 300 and < 400 => new(RemoteFailure.Status, $"the server answered with a redirect, which is not followed (HTTP status {status})", status),
        _ => new(RemoteFailure.Status, $"the server answered with HTTP status {status}", status),
    };

    /// <summary>What came is no message.</summary>
    public static RemoteException NotMcp(string what) => new(RemoteFailure.NotMcp, what);

    /// <summary>Names an exception of the HTTP client.</summary>
    public static RemoteException From(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case RemoteException known:
                    return known;
                case AuthenticationException:
                    return new(RemoteFailure.Tls, "no secure connection to the server: TLS failed or its certificate is not trusted", 0, exception);
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return new(RemoteFailure.Refused, "the server refused the connection", 0, exception);
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return new(RemoteFailure.UnknownName, "the server's name is not known", 0, exception);
                case SocketException { SocketErrorCode: SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.TimedOut }:
                    return new(RemoteFailure.Unreachable, "the server cannot be reached", 0, exception);
            }
        }
        return exception is HttpRequestException http ? From(http) : new(RemoteFailure.BrokeOff, "the server went away before it answered", 0, exception);
    }

    static RemoteException From(HttpRequestException exception) => exception.HttpRequestError switch
    {
        HttpRequestError.SecureConnectionError => new(RemoteFailure.Tls, "no secure connection to the server: TLS failed or its certificate is not trusted", 0, exception),
        HttpRequestError.NameResolutionError => new(RemoteFailure.UnknownName, "the server's name is not known", 0, exception),
        HttpRequestError.ConnectionError => new(RemoteFailure.Unreachable, "the server cannot be reached", 0, exception),
        HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded
            => new(RemoteFailure.NotMcp, "the server's answer is no valid HTTP, or its headers are too long", 0, exception),
        _ => new(RemoteFailure.BrokeOff, "the server went away before it answered", 0, exception),
    };
}
