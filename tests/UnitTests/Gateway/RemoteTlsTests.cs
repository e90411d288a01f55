using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using McpCan.Gateway;
using McpCan.Gateway.Remote;
using McpCan.Protocol.Links;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace McpCan.UnitTests.Gateway;

/// <summary>TLS towards remote servers: authorities of one's own, a certificate of one's own, and nothing is forgiven.</summary>
public sealed class RemoteTlsTests
{
    private static readonly DateTimeOffset From = TimeProvider.System.GetUtcNow().AddDays(-1), Until = TimeProvider.System.GetUtcNow().AddDays(30);

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(From, Until);
    }

    private static X509Certificate2 Leaf(X509Certificate2 authority, string name, string purpose)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], true));
        using var bare = request.Create(authority, From, Until, RandomNumberGenerator.GetBytes(8));
        return bare.CopyWithPrivateKey(key);
    }

    private static async Task<string> AskAsync(string serverName, bool trusted, bool client)
    {
        using var authority = Authority("Authority");
        using var server = Leaf(authority, serverName, "1.3.6.1.5.5.7.3.1");
        using var ours = Leaf(authority, "mcpcan", "1.3.6.1.5.5.7.3.2");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(server, https =>
        {
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
            https.ClientCertificateValidation = (_, _, _) => true;
        })));
        await using var app = builder.Build();
        app.Run(context => context.Response.WriteAsync(context.Connection.ClientCertificate?.Subject ?? "nobody"));
        await app.StartAsync(TestContext.Current.CancellationToken);
        var remote = new GatewayRemote
        {
            Url = new Uri($"https://localhost:{new Uri(app.Urls.First()).Port}/mcp"),
            TrustedCertificates = trusted ? authority.ExportCertificatePem() : null,
            ClientCertificate = client ? ours.ExportCertificatePem() + "\n" + ours.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem() : null,
            Generation = 1,
        };
        using var http = RemoteHttp.Create(remote, new EgressRules(["loopback"]), new GatewayOptions());
        using var request = new HttpRequestMessage(HttpMethod.Get, remote.Url);
        try
        {
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
            return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        }
        catch (HttpRequestException e)
        {
            return RemoteException.From(e).Failure.ToString();
        }
    }

    [Fact]
    public async Task Server_OfOurAuthority_Trusted() => Assert.Equal("nobody", await AskAsync("localhost", trusted: true, client: false));

    [Fact]
    public async Task Server_WantsACertificate_GetsOurs() => Assert.Equal("CN=mcpcan", await AskAsync("localhost", trusted: true, client: true));

    [Fact]
    public async Task Server_OfAnUnknownAuthority_Refused() => Assert.Equal("Tls", await AskAsync("localhost", trusted: false, client: false));

    [Fact]
    public async Task Server_WithAnotherName_Refused() => Assert.Equal("Tls", await AskAsync("elsewhere.example", trusted: true, client: false));

    [Fact]
    public void Certificate_ThatCannotBeRead_NamedAsSuch()
    {
        var remote = new GatewayRemote { Url = new Uri("https://localhost/"), ClientCertificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", Generation = 1 };
        var failure = Assert.Throws<RemoteException>(() => RemoteHttp.Create(remote, new EgressRules([]), new GatewayOptions()));
        Assert.Equal(RemoteFailure.Tls, failure.Failure);
    }
}
