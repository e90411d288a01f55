using McpCan.Server.Hosting;
using McpCan.Server.Instances;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>A remote server while it is edited. Secrets are write-only: an empty field keeps what is stored.</summary>
public sealed class RemoteDraft
{
    public string? Url { get; set; }
    public string Transport { get; set; } = RemoteTransports.Auto;
    public List<EnvEntry> Headers { get; private init; } = [];
    public int RequestSeconds { get; set; } = new RemoteTimeouts().RequestSeconds;
    public int StreamIdleSeconds { get; set; } = new RemoteTimeouts().StreamIdleSeconds;
    public string? TrustedCertificates { get; set; }
    public string? ClientCertificate { get; set; }
    public string? ClientKey { get; set; }
    /// <summary>Whether a private key is stored.</summary>
    public bool KeyKept { get; set; }

    public static RemoteDraft Of(RemoteServer? r) => r is null ? new() : new()
    {
        Url = r.Url,
        Transport = r.Transport,
        Headers = [.. r.Headers.OrderBy(h => h.Key, StringComparer.OrdinalIgnoreCase).Select(h => new EnvEntry { Name = h.Key, Value = h.Value.Secret ? "" : h.Value.Value, Secret = h.Value.Secret, Kept = h.Value.Secret })],
        RequestSeconds = r.Timeouts.RequestSeconds,
        StreamIdleSeconds = r.Timeouts.StreamIdleSeconds,
        TrustedCertificates = r.Tls.TrustedCertificates,
        ClientCertificate = r.Tls.ClientCertificate,
        KeyKept = r.Tls.ClientKey is not null,
    };

    /// <summary>All of it, over what is stored.</summary>
    public RemoteInput ToInput(RemoteServer? stored)
    {
        var headers = (stored?.Headers.Keys ?? []).ToDictionary(k => k, _ => (EnvInput?)null, StringComparer.OrdinalIgnoreCase);
        foreach (var header in Headers.Where(h => h.Name.Length > 0)) headers[header.Name] = header.Kept ? new EnvInput(null, true) : new EnvInput(header.Value, header.Secret);
        var key = !string.IsNullOrWhiteSpace(ClientKey) ? new EnvInput(ClientKey, true) : KeyKept && !string.IsNullOrWhiteSpace(ClientCertificate) ? new EnvInput(null, true) : null;
        return new RemoteInput
        {
            Url = Url,
            Transport = Transport,
            Headers = headers,
            Timeouts = new RemoteTimeoutsInput(RequestSeconds, StreamIdleSeconds),
            Tls = new RemoteTlsInput { TrustedCertificates = TrustedCertificates, ClientCertificate = ClientCertificate, ClientKey = new Patch<EnvInput>(true, key) },
        };
    }
}
