using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace McpCan.Protocol.Http;

/// <summary>The transport's rules about headers, with the tolerance that real clients need.</summary>
static class HttpRules
{
    public static bool IsJson(HttpRequest request)
    {
        var type = request.ContentType.AsSpan();
        var end = type.IndexOf(';');
        if (end >= 0) type = type[..end];
        return type.Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A POST must accept both forms of answer; a header that is not there accepts everything (RFC 9110 §12.5.1).</summary>
    public static bool AcceptsAnswers(HttpRequest request) => Accepts(request, "application/json") && Accepts(request, "text/event-stream");

    public static bool AcceptsStream(HttpRequest request) => Accepts(request, "text/event-stream");

    static bool Accepts(HttpRequest request, string type)
    {
        var accept = request.Headers.Accept;
        if (StringValues.IsNullOrEmpty(accept)) return true;
        foreach (var line in accept)
        {
            foreach (var part in line.AsSpan().Split(','))
            {
                var range = line.AsSpan()[part];
                var end = range.IndexOf(';');
                if (end >= 0) range = range[..end];
                range = range.Trim();
                if (range.Equals(type, StringComparison.OrdinalIgnoreCase) || range is "*/*") return true;
                if (range.EndsWith("/*") && type.AsSpan().StartsWith(range[..^1], StringComparison.OrdinalIgnoreCase)) return true;
            }
        }
        return false;
    }

    /// <summary>
    /// The version header: absent is fine, any legacy revision is fine even when it is not the negotiated one
    /// (a widespread client does that), anything else is 400.
    /// </summary>
    public static bool HasKnownVersion(HttpRequest request, out string version)
    {
        version = request.Headers["MCP-Protocol-Version"].ToString();
        return version.Length == 0 || McpRevisions.Parse(version) is > McpRevision.Unknown and < McpRevision.R20260728;
    }
}
