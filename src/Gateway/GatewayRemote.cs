namespace McpCan.Gateway;

/// <summary>The transport that a remote server speaks.</summary>
public enum RemoteTransport
{
    /// <summary>Found out at the first use (spec: basic/transports, Backwards Compatibility).</summary>
    Auto,
    /// <summary>Streamable HTTP, legacy or modern.</summary>
    StreamableHttp,
    /// <summary>HTTP+SSE of 2024-11-05.</summary>
    Sse,
}

/// <summary>A remote MCP server behind our address. Nothing of this ever reaches a client.</summary>
public sealed record GatewayRemote
{
    /// <summary>Its MCP address (for HTTP+SSE that of the stream).</summary>
    public required Uri Url { get; init; }
    /// <summary>What it speaks.</summary>
    public RemoteTransport Transport { get; init; }
    /// <summary>Headers that we add, secrets in clear; they replace any of the same name.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];
    /// <summary>How long the first byte of an answer may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>How long an open answer stream may be silent (comments count as a sign of life).</summary>
    public TimeSpan StreamIdleTimeout { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>Certificate authorities in PEM that are trusted besides the system's; null for the system's alone.</summary>
    public string? TrustedCertificates { get; init; }
    /// <summary>Our certificate (chain) in PEM for mutual TLS, with its private key in PEM behind it.</summary>
    public string? ClientCertificate { get; init; }
    /// <summary>Rises when any of this changes; sealed in session ids like a workload's run.</summary>
    public required long Generation { get; init; }
}
