using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace McpCan.Gateway;

/// <summary>
/// Which headers pass. Both lists name what may pass: credentials, cookies, our own <c>Mcpcan-*</c> names, forwarded and hop-by-hop headers
/// of the client never reach a server, and a server cannot set cookies or policies on our origin.
/// </summary>
internal static class HeaderRules
{
    public const string Principal = McpCan.Protocol.Http.McpEndpoint.PrincipalHeader;
    public const string Session = "Mcp-Session-Id";

    /// <summary>Copies what may pass from the client, and adds what we say ourselves.</summary>
    public static void CopyRequest(GatewayExchange exchange, HttpRequestMessage to)
    {
        foreach (var (name, values) in exchange.Context.Request.Headers)
        {
            if (MayGoUp(name)) to.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
        if (exchange.Endpoint == GatewayEndpoint.Mcp && exchange.Ticket is { } ticket)
        {
            to.Headers.TryAddWithoutValidation(Session, ticket.UpstreamSession);
        }
        if (exchange.TraceParent is { } parent) to.Headers.TryAddWithoutValidation("traceparent", parent);
    }

    /// <summary>Copies what may pass to the client; the session id is the caller's business.</summary>
    public static void CopyResponse(HttpResponseMessage from, HttpResponse to, bool rewritten)
    {
        Copy(from.Headers.NonValidated, to.Headers, rewritten);
        Copy(from.Content.Headers.NonValidated, to.Headers, rewritten);
        to.Headers.XContentTypeOptions = "nosniff";
        if (!IsProtocolType(from.Content.Headers.ContentType?.MediaType)) to.Headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
    }

    public static bool IsEventStream(HttpResponseMessage response) =>
        string.Equals(response.Content.Headers.ContentType?.MediaType, "text/event-stream", StringComparison.OrdinalIgnoreCase);

    public static string? SessionOf(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues(Session, out var values) ? values.ToString() : null;

    private static void Copy(HttpHeadersNonValidated from, IHeaderDictionary to, bool rewritten)
    {
        foreach (var (name, values) in from)
        {
            if (!MayGoDown(name) || (rewritten && name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))) continue;
            var value = values.ToString();
            if (Ascii.IsValid(value)) to[name] = new StringValues(value);
        }
    }

    private static bool MayGoUp(string name) => name.Length switch
    {
        6 => Is(name, "Accept"),
        10 => Is(name, "User-Agent") || Is(name, "tracestate") || IsProtocolName(name),
        13 => Is(name, "Last-Event-ID") || IsProtocolName(name),
        15 => Is(name, "Accept-Language") || IsProtocolName(name),
        _ => IsProtocolName(name),
    };

    private static bool MayGoDown(string name) =>
        Is(name, "Content-Type") || Is(name, "Content-Length") || Is(name, "Content-Encoding") || Is(name, "Cache-Control")
        || Is(name, "Retry-After") || Is(name, "Allow") || Is(name, "X-Accel-Buffering") || IsProtocolName(name);

    // MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Param-…; the session id is replaced, and our own names begin with "Mcpcan-".
    private static bool IsProtocolName(string name) => name.StartsWith("Mcp-", StringComparison.OrdinalIgnoreCase) && !Is(name, Session);

    private static bool IsProtocolType(string? type) => type is null || Is(type, "application/json") || Is(type, "text/event-stream");

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
