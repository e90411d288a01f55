namespace McpCan.Server.Runtimes.Docker;

/// <summary>Where a Docker or Podman engine is reached.</summary>
/// <param name="Endpoint"><c>unix:///run/docker.sock</c>, or <c>tcp://host:2376</c>.</param>
/// <param name="Tls">Certificates for <c>tcp</c>; null means: not encrypted.</param>
public sealed record EngineAddress(Uri Endpoint, EngineTls? Tls = null)
{
    /// <summary>Whether the engine is behind a socket of this machine, so that both see the same files.</summary>
    public bool IsSocket => Endpoint.Scheme == "unix";

    /// <summary>Reads an address as a person writes it; null with a sentence that says what is wrong.</summary>
    public static EngineAddress? Parse(string text, EngineTls? tls, out string? problem)
    {
        problem = null;
        if (!Uri.TryCreate(text?.Trim(), UriKind.Absolute, out var uri)) problem = "Must be an address such as unix:///var/run/docker.sock or tcp://host:2376.";
        else if (uri.Scheme == "unix") problem = uri.Host.Length > 0 || uri.AbsolutePath.Length < 2 ? "A socket's address has three slashes: unix:///var/run/docker.sock." : tls is not null ? "A socket needs no certificates." : null;
        else if (uri.Scheme != "tcp") problem = "Must begin with unix:// or tcp://.";
        else if (uri.Host.Length == 0 || uri.Port <= 0) problem = "Must name host and port: tcp://host:2376.";
        else if (uri.UserInfo.Length > 0 || uri.AbsolutePath is not ("" or "/") || uri.Query.Length > 0) problem = "Must be host and port only: tcp://host:2376.";
        return problem is null ? new(uri!, tls) : null;
    }

    /// <inheritdoc/>
    /// <remarks>Never the certificates.</remarks>
    public override string ToString() => Endpoint.ToString();
}

/// <summary>Certificates for an engine that is reached over the network, as PEM.</summary>
/// <param name="CertificateAuthority">Who signed the engine's certificate; null for the system's authorities.</param>
/// <param name="Certificate">Our certificate.</param>
/// <param name="Key">Its private key, not encrypted.</param>
public sealed record EngineTls(string? CertificateAuthority, string Certificate, string Key)
{
    /// <inheritdoc/>
    public override string ToString() => "certificates";
}
