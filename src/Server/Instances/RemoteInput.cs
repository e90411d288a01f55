using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>A remote MCP server; in a PATCH what is left out stays.</summary>
public sealed record RemoteInput
{
    /// <summary>Its address: <c>http</c> or <c>https</c>. Values of the query that stand as <c>***</c> stay as stored.</summary>
    public Patch<string> Url { get; init; }
    /// <summary><c>auto</c> (default), <c>streamable-http</c> or <c>sse</c>.</summary>
    public Patch<string> Transport { get; init; }
    /// <summary>Headers to send to it; null removes one, <c>{ "secret": true }</c> keeps a stored secret. Null in place of the object removes all.</summary>
    public Patch<IReadOnlyDictionary<string, EnvInput?>> Headers { get; init; }
    /// <summary>Time limits; null for the defaults.</summary>
    public Patch<RemoteTimeoutsInput> Timeouts { get; init; }
    /// <summary>TLS options; null for none.</summary>
    public Patch<RemoteTlsInput> Tls { get; init; }
}

/// <summary>Time limits to set.</summary>
/// <param name="RequestSeconds">Until an answer begins: 1 to 3600, default 60.</param>
/// <param name="StreamIdleSeconds">How long an open stream may be silent: 5 to 86400, default 300.</param>
public sealed record RemoteTimeoutsInput(int? RequestSeconds = null, int? StreamIdleSeconds = null);

/// <summary>TLS options to set, in PEM; null removes one.</summary>
public sealed record RemoteTlsInput
{
    /// <summary>Authorities that are trusted besides the system's.</summary>
    public Patch<string> TrustedCertificates { get; init; }
    /// <summary>Our certificate (chain) for servers that ask for one.</summary>
    public Patch<string> ClientCertificate { get; init; }
    /// <summary>Its private key, unencrypted: <c>{ "secret": "…" }</c>; <c>{ "secret": true }</c> keeps the stored one.</summary>
    public Patch<EnvInput> ClientKey { get; init; }
}
