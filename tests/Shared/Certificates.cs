using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace McpCan.Tests;

/// <summary>Certificates made for a test.</summary>
public static class Certificates
{
    /// <summary>A self-signed certificate and its key, both in PEM.</summary>
    public static (string Certificate, string Key) New(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
