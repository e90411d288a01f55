using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>What makes an environment valid.</summary>
internal static class EnvironmentRules
{
    private const int LongestPem = 65_536;
    private static readonly TimeSpan SocketPatience = TimeSpan.FromSeconds(5);

    /// <summary>The engine's address, or null with its faults noted.</summary>
    public static EngineAddress? Address(string? text, EngineTls? tls, Checks checks)
    {
        text = text?.Trim() ?? "";
        if (text.Length > 500 || text.Any(char.IsControl))
        {
            checks.That(false, "address", "At most 500 characters, no control characters.");
            return null;
        }
        // A path as people have it from their engine's manual.
        if (text.StartsWith('/')) text = "unix://" + text;
        var address = EngineAddress.Parse(text, tls, out var problem);
        checks.That(address is not null, "address", problem ?? "");
        if (address is null) return null;
        if (address.IsSocket && Encoding.UTF8.GetByteCount(address.Endpoint.AbsolutePath) > 107)
        {
            checks.That(false, "address", "A socket's path has at most 107 bytes.");
            return null;
        }
        if (!address.IsSocket && tls is null) checks.That(IsLoopback(address.Endpoint.Host), "address", "An engine on another machine needs TLS: whoever reaches it unencrypted is root there. Give certificate and key.");
        if (tls is not null) Certificates(tls, checks);
        return address;
    }

    /// <summary>Why no engine can be behind a path of this machine; null when a socket is there that answers. Other files are never read.</summary>
    public static async Task<string?> SocketProblemAsync(string path, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(SocketPatience);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token);
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.AccessDenied
                ? "MCPCAN may not use this socket: put its user into the group that the socket belongs to (often 'docker'), and start MCPCAN again."
                : "There is no socket at this path, or no engine listens on it. Start the engine, and look at the path.";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return "The engine does not accept connections on this socket. Look whether it hangs.";
        }
    }

    public static void Limits(EnvironmentLimits limits, Checks checks) => checks
        .That(limits.MemoryBytes is null or >= 16L << 20, "limits.memoryBytes", "Must be at least 16 MiB, or null for none.")
        .That(limits.Cpus is null or (>= 0.01 and <= 4096), "limits.cpus", "Must be between 0.01 and 4096, or null for none.");

    /// <summary>When the client's certificate ends; null when it cannot be read.</summary>
    public static DateTimeOffset? Expiry(EngineTls? tls)
    {
        if (tls is null) return null;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(tls.Certificate);
            return certificate.NotAfter.ToUniversalTime();
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static void Certificates(EngineTls tls, Checks checks)
    {
        checks.That(tls.Certificate.Length is > 0 and <= LongestPem, "tls.certificate", "Must be a certificate as PEM.")
            .That(tls.Key.Length is > 0 and <= LongestPem, "tls.key", "Must be a private key as PEM.")
            .That(tls.CertificateAuthority is null or { Length: <= LongestPem }, "tls.certificateAuthority", "Must be a certificate as PEM.");
        if (tls.Certificate.Length is 0 or > LongestPem || tls.Key.Length is 0 or > LongestPem) return;
        checks.That(Reads(() => X509Certificate2.CreateFromPem(tls.Certificate)), "tls.certificate", "Cannot be read: it must be PEM (-----BEGIN CERTIFICATE-----).")
            .That(!Reads(() => X509Certificate2.CreateFromPem(tls.Certificate)) || Reads(() => X509Certificate2.CreateFromPem(tls.Certificate, tls.Key)), "tls.key", "Cannot be read, or belongs to another certificate: it must be PEM and not encrypted.")
            .That(tls.CertificateAuthority is null || Reads(() => X509Certificate2.CreateFromPem(tls.CertificateAuthority)), "tls.certificateAuthority", "Cannot be read: it must be PEM (-----BEGIN CERTIFICATE-----).");
    }

    private static bool Reads(Func<X509Certificate2> read)
    {
        try
        {
            read().Dispose();
            return true;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    private static bool IsLoopback(string host) => host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
}
