namespace McpCan.Server.Instances;

/// <summary>A remote MCP server as it is stored: its address and every secret are protected.</summary>
public sealed record RemoteServer
{
    /// <summary>Address, protected: its query may carry secrets.</summary>
    public required string ProtectedUrl { get; init; }
    /// <summary>Address as it is shown: the values of its query are masked.</summary>
    public required string Url { get; init; }
    /// <summary>One of <see cref="RemoteTransports"/>.</summary>
    public string Transport { get; init; } = RemoteTransports.Auto;
    /// <summary>Headers that are sent to it; secret values are protected.</summary>
    public IReadOnlyDictionary<string, EnvValue> Headers { get; init; } = new Dictionary<string, EnvValue>();
    /// <summary>How long it may take to begin an answer.</summary>
    public RemoteTimeouts Timeouts { get; init; } = new();
    /// <summary>Whom it must be, and who we are to it.</summary>
    public RemoteTls Tls { get; init; } = new();
    /// <summary>Rises with every change; sealed in the session ids of clients.</summary>
    public long Generation { get; init; }
}

/// <summary>Time limits of a remote server.</summary>
/// <param name="RequestSeconds">Until an answer begins.</param>
/// <param name="StreamIdleSeconds">How long an open stream may be silent.</param>
public sealed record RemoteTimeouts(int RequestSeconds = 60, int StreamIdleSeconds = 300);

/// <summary>TLS options of a remote server, in PEM.</summary>
/// <param name="TrustedCertificates">Authorities that are trusted besides the system's.</param>
/// <param name="ClientCertificate">Our certificate (chain).</param>
/// <param name="ClientKey">Its private key, protected.</param>
public sealed record RemoteTls(string? TrustedCertificates = null, string? ClientCertificate = null, string? ClientKey = null);

/// <summary>The transports of remote servers.</summary>
public static class RemoteTransports
{
    /// <summary>Found out at the first use.</summary>
    public const string Auto = "auto";
    /// <summary>Streamable HTTP.</summary>
    public const string StreamableHttp = "streamable-http";
    /// <summary>The older HTTP+SSE.</summary>
    public const string Sse = "sse";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Auto, StreamableHttp, Sse];
}

/// <summary>A remote server as the API shows it; secrets are never part of it.</summary>
/// <param name="Url">Address; the values of its query are masked. Sent back as it is, it stays as stored.</param>
/// <param name="Transport"><c>auto</c>, <c>streamable-http</c> or <c>sse</c>.</param>
/// <param name="Headers">Headers that are sent to it; a secret one shows as <c>{ "secret": true }</c>.</param>
public sealed record RemoteView(string Url, string Transport, IReadOnlyDictionary<string, EnvInput> Headers, RemoteTimeouts Timeouts, RemoteTlsView Tls)
{
    internal static RemoteView? Of(RemoteServer? r) => r is null ? null : new(
        r.Url, r.Transport, r.Headers.OrderBy(h => h.Key, StringComparer.OrdinalIgnoreCase).ToDictionary(h => h.Key, h => new EnvInput(h.Value.Secret ? null : h.Value.Value, h.Value.Secret)),
        r.Timeouts, new RemoteTlsView(r.Tls.TrustedCertificates, r.Tls.ClientCertificate, r.Tls.ClientKey is null ? null : new EnvInput(null, true)));
}

/// <summary>TLS options as the API shows them.</summary>
/// <param name="TrustedCertificates">Authorities in PEM that are trusted besides the system's.</param>
/// <param name="ClientCertificate">Our certificate (chain) in PEM.</param>
/// <param name="ClientKey"><c>{ "secret": true }</c> when a private key is stored.</param>
public sealed record RemoteTlsView(string? TrustedCertificates, string? ClientCertificate, EnvInput? ClientKey);
