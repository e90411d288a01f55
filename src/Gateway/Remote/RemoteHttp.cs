using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using McpCan.Protocol.Links;

namespace McpCan.Gateway.Remote;

/// <summary>The HTTP client of one remote server: our egress rules, its TLS settings, no proxy, cookies, redirects or decompression.</summary>
internal static class RemoteHttp
{
    /// <summary>Makes the client. Throws <see cref="RemoteException"/> when a certificate cannot be read.</summary>
    public static HttpMessageInvoker Create(GatewayRemote remote, EgressRules egress, GatewayOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = (context, cancellationToken) => egress.ConnectAsync(context.DnsEndPoint, cancellationToken),
            ConnectTimeout = options.ConnectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = 64,
            MaxResponseDrainSize = 64 << 10,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            PooledConnectionLifetime = TimeSpan.FromMinutes(10), // so that a name's new address is seen
            RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
            ResponseHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
        };
        try
        {
            handler.SslOptions = Tls(remote);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            handler.Dispose();
            throw new RemoteException(RemoteFailure.Tls, "a certificate or its key in the settings of this server cannot be read", 0, e);
        }
        return new HttpMessageInvoker(handler);
    }

    /// <summary>How links speak to it.</summary>
    public static RemoteServer Server(GatewayRemote remote, HttpMessageInvoker http, TimeProvider time) => new(http, remote.Url, remote.Headers)
    {
        RequestTimeout = remote.RequestTimeout,
        StreamIdleTimeout = remote.StreamIdleTimeout,
        Time = time,
    };

    private static SslClientAuthenticationOptions Tls(GatewayRemote remote)
    {
        var options = new SslClientAuthenticationOptions();
        if (!string.IsNullOrWhiteSpace(remote.TrustedCertificates))
        {
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPem(remote.TrustedCertificates);
            options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(trusted, certificate, chain, errors);
        }
        if (!string.IsNullOrWhiteSpace(remote.ClientCertificate))
        {
            var certificate = X509Certificate2.CreateFromPem(remote.ClientCertificate, remote.ClientCertificate);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(remote.ClientCertificate);
            options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }
        return options;
    }

    // The configured authorities stand beside the system's; a wrong name or no certificate is never forgiven.
    private static bool IsTrusted(X509Certificate2Collection trusted, X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None) return true;
        if (errors != SslPolicyErrors.RemoteCertificateChainErrors || certificate is not X509Certificate2 leaf) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1")); // server authentication
        foreach (var element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>()) chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        return chain.Build(leaf);
    }
}
