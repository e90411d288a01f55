using System.Text.Json;
using McpCan.Gateway;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>Makes stored remote servers from what people send, and what the gateway needs from what is stored.</summary>
public sealed class RemoteSettings(SecretProtector protector, TimeProvider time)
{
    /// <summary>The remote server that results from <paramref name="input"/> over the present one; faults go to <paramref name="checks"/>.</summary>
    internal RemoteServer? Over(RemoteServer? current, RemoteInput input, Checks checks, string field = "remote")
    {
        var next = Url(current ?? new RemoteServer { ProtectedUrl = "", Url = "" }, input, $"{field}.url", checks);
        if (input.Transport.Given) next = next with { Transport = input.Transport.Value ?? RemoteTransports.Auto };
        if (input.Timeouts.Given)
        {
            var (old, given) = (input.Timeouts.Value is null ? new() : next.Timeouts, input.Timeouts.Value);
            next = next with { Timeouts = new(given?.RequestSeconds ?? old.RequestSeconds, given?.StreamIdleSeconds ?? old.StreamIdleSeconds) };
        }
        if (input.Headers.Given) next = next with { Headers = Headers(next.Headers, input.Headers.Value, $"{field}.headers", checks) };
        if (input.Tls.Given) next = next with { Tls = input.Tls.Value is { } tls ? Tls(next.Tls, tls, $"{field}.tls", checks) : new() };
        RemoteRules.Transport(next.Transport, $"{field}.transport", checks);
        RemoteRules.Timeouts(next.Timeouts, $"{field}.timeouts", checks);
        return current is not null && Same(current, next) ? current : next with { Generation = Math.Max((current?.Generation ?? 0) + 1, time.GetUtcNow().ToUnixTimeMilliseconds()) };
    }

    /// <summary>A copy that counts as changed: the sessions of clients end.</summary>
    internal RemoteServer Renewed(RemoteServer remote) => remote with { Generation = Math.Max(remote.Generation + 1, time.GetUtcNow().ToUnixTimeMilliseconds()) };

    /// <summary>What the gateway needs, secrets in the clear; for memory only.</summary>
    /// <exception cref="ProblemException">409 when a stored secret cannot be read.</exception>
    internal GatewayRemote Open(RemoteServer remote) => new()
    {
        Url = new Uri(protector.Unprotect(remote.ProtectedUrl)),
        Transport = remote.Transport switch
        {
            RemoteTransports.StreamableHttp => RemoteTransport.StreamableHttp,
            RemoteTransports.Sse => RemoteTransport.Sse,
            _ => RemoteTransport.Auto,
        },
        Headers = [.. remote.Headers.Select(h => KeyValuePair.Create(h.Key, h.Value.Secret ? protector.Unprotect(h.Value.Value) : h.Value.Value))],
        RequestTimeout = TimeSpan.FromSeconds(remote.Timeouts.RequestSeconds),
        StreamIdleTimeout = TimeSpan.FromSeconds(remote.Timeouts.StreamIdleSeconds),
        TrustedCertificates = remote.Tls.TrustedCertificates,
        ClientCertificate = remote.Tls is { ClientCertificate: { } certificate, ClientKey: { } key } ? $"{certificate.TrimEnd()}\n{protector.Unprotect(key)}" : null,
        Generation = remote.Generation,
    };

    private RemoteServer Url(RemoteServer current, RemoteInput input, string field, Checks checks)
    {
        if (!input.Url.Given && current.Url.Length > 0) return current;
        var given = input.Url.Value?.Trim();
        if (given == current.Url && current.Url.Length > 0) return current;
        var url = given is null ? null : RemoteUrl.Unmask(given, given.Contains(RemoteUrl.Masked, StringComparison.Ordinal) && current.ProtectedUrl.Length > 0 ? protector.Unprotect(current.ProtectedUrl) : null);
        checks.That(given is null || url is not null, field, $"There is no stored value for '{RemoteUrl.Masked}'; give the value itself.");
        if (given is not null && url is null) return current;
        var fault = RemoteUrl.Fault(url);
        checks.That(fault is null, field, fault ?? "");
        return fault is null ? current with { ProtectedUrl = protector.Protect(url!), Url = RemoteUrl.Mask(url!) } : current;
    }

    private Dictionary<string, EnvValue> Headers(IReadOnlyDictionary<string, EnvValue> current, IReadOnlyDictionary<string, EnvInput?>? input, string field, Checks checks)
    {
        // Names of headers know no case.
        var headers = input is null ? new(StringComparer.OrdinalIgnoreCase) : new Dictionary<string, EnvValue>(current, StringComparer.OrdinalIgnoreCase);
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, header) in input ?? new Dictionary<string, EnvInput?>())
        {
            var here = $"{field}.{name}";
            checks.That(seen.Add(name), here, "The header is named twice.");
            var stored = headers.GetValueOrDefault(name);
            headers.Remove(name);
            if (header is null) continue;
            RemoteRules.HeaderName(name, here, checks);
            if (header.Keep)
            {
                checks.That(stored is { Secret: true }, here, "There is no stored secret to keep; give its value.");
                if (stored is not null) headers[name] = stored;
                continue;
            }
            RemoteRules.HeaderValue(header.Value ?? "", here, checks);
            headers[name] = header.Secret ? new EnvValue(protector.Protect(header.Value!), true) : new EnvValue(header.Value ?? "");
        }
        RemoteRules.HeaderCount(headers.Count, field, checks);
        return headers;
    }

    private RemoteTls Tls(RemoteTls current, RemoteTlsInput input, string field, Checks checks)
    {
        var trusted = Text(input.TrustedCertificates.Or(current.TrustedCertificates));
        var certificate = Text(input.ClientCertificate.Or(current.ClientCertificate));
        var stored = current.ClientKey;
        var key = input.ClientKey is { Given: true, Value: var given }
            ? given switch { null => null, { Keep: true } => Kept(), _ => Text(given.Value) }
            : Kept();
        checks.That(input.ClientKey.Value is not { Keep: true } || stored is not null, $"{field}.clientKey", "There is no stored key to keep; give it.");
        RemoteRules.Tls(trusted, certificate, key, field, checks);
        var unchanged = key is not null && stored is not null && !(input.ClientKey is { Given: true, Value.Keep: false });
        return new RemoteTls(trusted, certificate, key is null ? null : unchanged ? stored : protector.Protect(key));

        string? Kept() => stored is null ? null : protector.Unprotect(stored);
    }

    private static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    private static bool Same(RemoteServer a, RemoteServer b) => JsonSerializer.Serialize(a) == JsonSerializer.Serialize(b);
}
