using System.Text;

namespace McpCan.Server.Hosting;

/// <summary>Refuses addresses that carry U+0000 or bytes that are no UTF-8: no name has them, and databases choke on them.</summary>
internal static class BadText
{
    public static Task Refuse(HttpContext context, RequestDelegate next)
    {
        var query = context.Request.QueryString.Value;
        return Bad(context.Request.Path.Value) || (query?.Contains('%') == true && BadEscapes(query))
            ? Problems.WriteAsync(context, new ProblemException(400, "bad-address", "The address contains characters that are not valid UTF-8 text."))
            : next(context);
    }

    private static bool Bad(string? path) => path is not null && (path.Contains('\0') || path.Contains('\uFFFD'));

    private static bool BadEscapes(string query)
    {
        var bytes = System.Net.WebUtility.UrlDecodeToBytes(Encoding.ASCII.GetBytes(query), 0, query.Length);
        return bytes.Contains((byte)0) || !System.Text.Unicode.Utf8.IsValid(bytes);
    }
}
