using System.Net.Http.Headers;
using System.Text;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Links;

/// <summary>The headers of a modern request, which repeat what its body says (2026-07-28, basic/transports/streamable-http, Standard Headers).</summary>
static class ModernHeaders
{
    // Read from the message as it goes out: whoever adds metadata to one keeps no positions but those that he needs.
    public static List<KeyValuePair<string, string>> Of(ReadOnlySpan<byte> message)
    {
        var envelope = EnvelopeReader.Read(message);
        var headers = new List<KeyValuePair<string, string>>(3)
        {
            new("MCP-Protocol-Version", JsonText.Read(envelope.ModernVersion.Of(message)) ?? McpRevision.R20260728.Name()),
        };
        if (JsonText.Read(envelope.MethodName.Of(message)) is not { } method) return headers;
        headers.Add(new("Mcp-Method", Encode(method)));
        var name = method switch
        {
            "tools/call" or "prompts/get" => envelope.Name,
            "resources/read" => envelope.Uri,
            _ => default,
        };
        if (name.IsPresent && JsonText.Read(name.Of(message)) is { } text) headers.Add(new("Mcp-Name", Encode(text)));
        return headers;
    }

    /// <summary>A text as a header value: what is not plain ASCII goes as Base64.</summary>
    public static string Encode(string value)
    {
        var isPlain = !value.AsSpan().ContainsAnyExceptInRange(' ', '~') && !value.StartsWith(' ') && !value.EndsWith(' ')
            && !value.StartsWith("=?base64?", StringComparison.OrdinalIgnoreCase);
        return isPlain ? value : $"=?base64?{Convert.ToBase64String(Encoding.UTF8.GetBytes(value))}?=";
    }

    public static void Add(HttpRequestHeaders to, IEnumerable<KeyValuePair<string, string>> headers)
    {
        foreach (var (name, value) in headers) to.TryAddWithoutValidation(name, value);
    }
}
