using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway;

/// <summary>Refuses requests that name a foreign host (DNS rebinding) or come from a foreign browser origin.</summary>
/// <remarks>MCP specification, basic/transports, "Security Warning": servers MUST validate the Origin header.</remarks>
public sealed class OriginGuard
{
    private readonly string[] _hosts;
    private readonly string[] _origins;

    /// <summary>Reads the allowed names once.</summary>
    public OriginGuard(IOptions<GatewayOptions> options)
    {
        var settings = options.Value;
        var publicUrl = Uri.TryCreate(settings.PublicUrl, UriKind.Absolute, out var uri) ? uri : null;
        _hosts = publicUrl is null ? settings.AllowedHosts : [publicUrl.Host, .. settings.AllowedHosts];
        _origins = publicUrl is null
            ? Trimmed(settings.AllowedOrigins)
            : [publicUrl.GetLeftPart(UriPartial.Authority), .. Trimmed(settings.AllowedOrigins)];
    }

    /// <summary>Whether the request's <c>Host</c> is one of ours: loopback, an IP address, or a configured name.</summary>
    public bool HostAllowed(HttpContext context)
    {
        var host = context.Request.Host.Host;
        if (IsLoopback(host)) return true;
        foreach (var allowed in _hosts)
        {
            if (Matches(host, allowed)) return true;
        }
        // An address cannot be rebound: a browser that names it has connected to it.
        return IPAddress.TryParse(host, out _);
    }

    /// <summary>Whether a browser page of <paramref name="origin"/> may call.</summary>
    public bool OriginAllowed(string origin, HttpContext context)
    {
        foreach (var allowed in _origins)
        {
            if (allowed == "*" || string.Equals(origin, allowed, StringComparison.OrdinalIgnoreCase)) return true;
        }
        if (!Uri.TryCreate(origin, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")) return false;
        if (IsLoopback(uri.IdnHost) || IsLoopback(uri.Host)) return true;
        var request = context.Request;
        return uri.Scheme == request.Scheme && string.Equals(uri.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase);
    }

    private static bool Matches(string host, string allowed) =>
        allowed == "*"
        || string.Equals(host, allowed, StringComparison.OrdinalIgnoreCase)
        || (allowed.StartsWith("*.", StringComparison.Ordinal) && host.EndsWith(allowed[1..], StringComparison.OrdinalIgnoreCase));

    private static bool IsLoopback(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase) || host is "127.0.0.1" or "[::1]" or "::1";

    private static string[] Trimmed(string[] origins) => [.. origins.Select(origin => origin.TrimEnd('/'))];
}
