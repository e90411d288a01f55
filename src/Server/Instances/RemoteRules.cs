using System.Buffers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>What makes the settings of a remote server valid; every fault is told at once.</summary>
internal static class RemoteRules
{
    private const int MostHeaders = 50;
    private const int MostPem = 256 << 10;

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    // What belongs to the connection, to the message or to the protocol is not for configuration.
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
        "Content-Length", "Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "Expect", "Last-Event-ID", "Date",
    };

    public static void Transport(string? transport, string field, Checks checks) =>
        checks.That(transport is not null && RemoteTransports.All.Contains(transport), field, $"Must be one of {string.Join(", ", RemoteTransports.All)}.");

    public static void Timeouts(RemoteTimeouts timeouts, string field, Checks checks) => checks
        .That(timeouts.RequestSeconds is >= 1 and <= 3600, $"{field}.requestSeconds", "Must be between 1 and 3600.")
        .That(timeouts.StreamIdleSeconds is >= 5 and <= 86_400, $"{field}.streamIdleSeconds", "Must be between 5 and 86400.");

    public static void HeaderCount(int count, string field, Checks checks) => checks.That(count <= MostHeaders, field, $"At most {MostHeaders} headers.");

    public static void HeaderName(string name, string field, Checks checks) => checks
        .That(name.Length is > 0 and <= 128 && !name.AsSpan().ContainsAnyExcept(NameCharacters), field, "A header's name consists of letters, digits and dashes.")
        .That(!Reserved.Contains(name) && !name.StartsWith("Mcp-", StringComparison.OrdinalIgnoreCase) && !name.StartsWith("Mcpcan-", StringComparison.OrdinalIgnoreCase),
            field, $"'{name}' is set by MCPCAN itself and cannot be configured.");

    public static void HeaderValue(string value, string field, Checks checks) => checks
        .That(value.Length <= 8192, field, "The value is longer than 8,192 characters.")
        .That(value.All(c => c is >= ' ' and <= '~' or '\t'), field, "A header's value consists of printable ASCII characters on one line.")
        .That(value.Length == 0 || !(char.IsWhiteSpace(value[0]) || char.IsWhiteSpace(value[^1])), field, "Must not start or end with a space.");

    public static void Tls(string? trusted, string? certificate, string? key, string field, Checks checks)
    {
        if (trusted is not null) Certificates(trusted, $"{field}.trustedCertificates", checks);
        var valid = certificate is not null && Certificates(certificate, $"{field}.clientCertificate", checks);
        checks.That(certificate is null || key is not null, $"{field}.clientKey", "A client certificate needs its private key.")
            .That(key is null || certificate is not null, $"{field}.clientCertificate", "A private key needs its certificate.");
        if (key is null) return;
        if (key.Contains("ENCRYPTED", StringComparison.Ordinal)) checks.That(false, $"{field}.clientKey", "The key is encrypted. Store it without a pass phrase; it is encrypted here.");
        else if (key.Length > MostPem) checks.That(false, $"{field}.clientKey", "The text is too long.");
        else if (valid) Pair(certificate!, key, $"{field}.clientKey", checks);
    }

    private static bool Certificates(string pem, string field, Checks checks)
    {
        if (pem.Length > MostPem)
        {
            checks.That(false, field, "The text is too long.");
            return false;
        }
        var found = new X509Certificate2Collection();
        try
        {
            found.ImportFromPem(pem);
            checks.That(found.Count > 0, field, "No certificate was found. Paste PEM text: -----BEGIN CERTIFICATE----- …");
            return found.Count > 0;
        }
        catch (CryptographicException)
        {
            checks.That(false, field, "A certificate in the text cannot be read.");
            return false;
        }
        finally
        {
            foreach (var certificate in found) certificate.Dispose();
        }
    }

    private static void Pair(string certificate, string key, string field, Checks checks)
    {
        try
        {
            using var pair = X509Certificate2.CreateFromPem(certificate, key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            checks.That(false, field, "The text is no private key in PEM, or it does not belong to the certificate.");
        }
    }
}
