using System.Net;

namespace McpCan.Server.Hosting;

/// <summary>Answers 403 to host names that are not ours: a page elsewhere whose name was rebound to our address gets nothing.</summary>
internal sealed class HostCheck(RequestDelegate next, McpCanOptions options)
{
    private readonly string[] _allowed =
        [.. options.AllowedHosts, .. options.PublicUrl is { } url ? [new Uri(url).Host] : Array.Empty<string>()];

    public Task InvokeAsync(HttpContext context) =>
        IsAllowed(context.Request.Host.Host)
            ? next(context)
            : Problems.WriteAsync(context, new ProblemException(403, "host-not-allowed",
                $"Requests for this host name are not allowed. Set {Configuration.Name(nameof(McpCanOptions.AllowedHosts))} if it is yours."));

    /// <summary>An address in place of a name cannot be rebound, so addresses are always allowed.</summary>
    private bool IsAllowed(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || IPAddress.TryParse(host, out _)
        || Array.Exists(_allowed, a => a == "*" || a.Equals(host, StringComparison.OrdinalIgnoreCase)
            || (a.StartsWith("*.", StringComparison.Ordinal) && host.EndsWith(a[1..], StringComparison.OrdinalIgnoreCase)));
}
