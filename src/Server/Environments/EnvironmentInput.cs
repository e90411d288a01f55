using McpCan.Server.Hosting;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>What a new environment is to be.</summary>
public sealed record EnvironmentInput
{
    /// <summary>Name for people; unique.</summary>
    public required string Name { get; init; }
    /// <summary><c>docker</c> (Docker or Podman).</summary>
    public string Kind { get; init; } = EnvironmentKinds.Docker;
    /// <summary>The engine's address: <c>unix:///var/run/docker.sock</c>, the absolute path of a socket, or <c>tcp://host:2376</c>.</summary>
    public required string Address { get; init; }
    /// <summary>Certificates; needed for <c>tcp</c> to another machine.</summary>
    public TlsInput? Tls { get; init; }
    /// <summary>Whether new instances run here unless they say otherwise.</summary>
    public bool IsDefault { get; init; }
    /// <summary>Most that an instance may ask for here.</summary>
    public EnvironmentLimits? Limits { get; init; }
}

/// <summary>What is to change about an environment; what is left out stays.</summary>
public sealed record EnvironmentPatch
{
    /// <summary>Name for people.</summary>
    public Patch<string> Name { get; init; }
    /// <summary>The engine's address; refused while an instance that is there should run.</summary>
    public Patch<string> Address { get; init; }
    /// <summary>Certificates; parts that are left out stay, null removes all.</summary>
    public Patch<TlsInput> Tls { get; init; }
    /// <summary>Most that an instance may ask for here; null for no limits. Holds for changes from now on.</summary>
    public Patch<EnvironmentLimits> Limits { get; init; }
}

/// <summary>Certificates for an engine over the network, as PEM. They are stored encrypted and never shown again.</summary>
public sealed record TlsInput
{
    /// <summary>Who signed the engine's certificate; null for the system's authorities.</summary>
    public Patch<string> CertificateAuthority { get; init; }
    /// <summary>The client's certificate.</summary>
    public Patch<string> Certificate { get; init; }
    /// <summary>Its private key, not encrypted.</summary>
    public Patch<string> Key { get; init; }

    /// <summary>Complete certificates.</summary>
    public static implicit operator TlsInput?(EngineTls? tls) => tls is null ? null : new() { CertificateAuthority = tls.CertificateAuthority, Certificate = tls.Certificate, Key = tls.Key };

    internal EngineTls? Over(EngineTls? present)
    {
        var (authority, certificate, key) = (CertificateAuthority.Or(present?.CertificateAuthority), Certificate.Or(present?.Certificate), Key.Or(present?.Key));
        return string.IsNullOrWhiteSpace(authority) && string.IsNullOrWhiteSpace(certificate) && string.IsNullOrWhiteSpace(key)
            ? null : new(string.IsNullOrWhiteSpace(authority) ? null : authority, certificate ?? "", key ?? "");
    }
}
