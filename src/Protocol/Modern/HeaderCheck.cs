using System.Text;
using System.Text.Json;
using McpCan.Protocol.Http;
using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace McpCan.Protocol.Modern;

/// <summary>What is wrong with a modern request before a server sees it.</summary>
readonly record struct Problem(int Code, string Message);

/// <summary>
/// The headers of a modern POST must say what its body says (2026-07-28, basic/transports/streamable-http, Server
/// Validation): whoever routes by the header and whoever works by the body must not be told different things.
/// </summary>
static class HeaderCheck
{
    const string Prefix = "=?base64?", Suffix = "?=";

    /// <summary>Whether a POST is of the modern era: by its body, else by its version header.</summary>
    public static bool IsModern(HttpContext http, in Envelope envelope)
    {
        if (envelope.ModernVersion.IsPresent) return true;
        // An initialize negotiates in its body; some clients add the newest version that they know as a header.
        if (envelope.Kind == MessageKind.Request && envelope.Method == KnownMethod.Initialize) return false;
        return IsModern(http.Request) || envelope is { Kind: MessageKind.Request, Method: KnownMethod.Discover or KnownMethod.Listen };
    }

    /// <summary>Whether the version header names the modern era.</summary>
    public static bool IsModern(HttpRequest request)
        => request.Headers["MCP-Protocol-Version"] is { Count: > 0 } version && McpRevisions.IsModernDate(version.ToString());

    /// <summary>What is wrong with the headers and the metadata of a request, if anything.</summary>
    public static Problem? Check(HttpRequest request, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (envelope.Kind == MessageKind.Batch) return new(McpErrors.InvalidRequest, "Invalid Request: batches are not part of this revision");
        if (envelope.Kind == MessageKind.Response) return new(McpErrors.InvalidRequest, "Invalid Request: a client does not send responses in this revision");
        if (McpEndpoint.Problem(envelope) is { } invalid) return new(McpErrors.InvalidRequest, invalid);
        if (envelope.Kind == MessageKind.Notification) return null; // header rules for notifications are not defined
        if (JsonText.Read(envelope.ModernVersion.Of(message)) is not { } version)
            return new(McpErrors.InvalidParams, "Invalid params: _meta must have io.modelcontextprotocol/protocolVersion");
        if (envelope.ClientCapabilities.Of(message) is not [(byte)'{', ..])
            return new(McpErrors.InvalidParams, "Invalid params: _meta must have io.modelcontextprotocol/clientCapabilities");
        var headers = request.Headers;
        return Differs("MCP-Protocol-Version", headers["MCP-Protocol-Version"], envelope.ModernVersion.Of(message), version, encoded: false)
            ?? Differs("Mcp-Method", headers["Mcp-Method"], envelope.MethodName.Of(message), null, encoded: false)
            ?? CheckName(headers["Mcp-Name"], message, envelope);
    }

    static Problem? CheckName(StringValues header, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var source = envelope.Method switch
        {
            KnownMethod.CallTool or KnownMethod.GetPrompt => envelope.Name,
            KnownMethod.ReadResource => envelope.Uri,
            _ => default,
        };
        if (envelope.Method == KnownMethod.Other && header.Count > 0 && envelope.MethodName.Of(message).StartsWith("\"tasks/"u8))
        {
            // The task extension mirrors the task's id (SEP-2663).
            var task = JsonEdit.Member(envelope.Params.Of(message), "taskId"u8);
            return task is [(byte)'"', ..] ? Differs("Mcp-Name", header, task, null, encoded: true) : null;
        }
        if (envelope.Method is not (KnownMethod.CallTool or KnownMethod.GetPrompt or KnownMethod.ReadResource)) return null;
        if (source.Of(message) is not [(byte)'"', ..])
            return new(McpErrors.InvalidParams, $"Invalid params: {(envelope.Method == KnownMethod.ReadResource ? "uri" : "name")} must be a string");
        return Differs("Mcp-Name", header, source.Of(message), null, encoded: true);
    }

    /// <summary>Compares a header with a string of the body (as written, with quotes).</summary>
    static Problem? Differs(string name, StringValues header, ReadOnlySpan<byte> json, string? text, bool encoded)
    {
        if (header.Count == 0) return new(McpErrors.HeaderMismatch, $"Header mismatch: the {name} header is missing");
        var value = header.ToString();
        if (encoded && IsEncoded(value))
        {
            if (Decode(value) is not { } decoded) return new(McpErrors.HeaderMismatch, $"Header mismatch: {name} is not valid Base64");
            value = decoded;
        }
        else if (!json.Contains((byte)'\\') && Ascii.Equals(json[1..^1], value))
        {
            return null;
        }
        else if (!IsPlain(value))
        {
            return new(McpErrors.HeaderMismatch, $"Header mismatch: {name} has characters that must be encoded");
        }
        text ??= JsonText.Read(json);
        return value == text ? null : new(McpErrors.HeaderMismatch, $"Header mismatch: the {name} header '{Short(value)}' does not match the body's value '{Short(text)}'");
    }

    static string Short(string? text) => text is { Length: > 100 } ? text[..100] : text ?? "";

    /// <summary>Whether a header value carries the sentinel of an encoded value.</summary>
    static bool IsEncoded(string value)
        => value.Length >= Prefix.Length + Suffix.Length && value.StartsWith(Prefix, StringComparison.Ordinal) && value.EndsWith(Suffix, StringComparison.Ordinal);

    static string? Decode(string value)
    {
        var text = value.AsSpan()[Prefix.Length..^Suffix.Length];
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64Chars(text, bytes, out var length)) return null;
        var utf8 = bytes.AsSpan(0, length);
        return System.Text.Unicode.Utf8.IsValid(utf8) ? Encoding.UTF8.GetString(utf8) : null;
    }

    static bool IsPlain(string value) => !value.AsSpan().ContainsAnyExceptInRange('\t', '~') && !value.AsSpan().ContainsAnyInRange('\n', '\u001f');

    /// <summary>Compares the <c>Mcp-Param-*</c> headers of a tools/call with its arguments.</summary>
    public static Problem? CheckParameters(HttpRequest request, ReadOnlySpan<byte> arguments, IReadOnlyList<ToolParameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            var name = "Mcp-Param-" + parameter.Header;
            var header = request.Headers[name];
            var value = arguments;
            foreach (var step in parameter.Path) value = JsonEdit.Member(value, step);
            if (value.IsEmpty || value.SequenceEqual("null"u8))
            {
                if (header.Count > 0) return new(McpErrors.HeaderMismatch, $"Header mismatch: {name} is sent, but the parameter is not");
                continue;
            }
            if (value[0] == (byte)'"')
            {
                if (Differs(name, header, value, null, encoded: true) is { } different) return different;
                continue;
            }
            if (header.Count == 0) return new(McpErrors.HeaderMismatch, $"Header mismatch: the {name} header is missing");
            var sent = header.ToString();
            if (IsEncoded(sent)) sent = Decode(sent) ?? "";
            if (!SameValue(sent, Encoding.UTF8.GetString(value)))
                return new(McpErrors.HeaderMismatch, $"Header mismatch: the {name} header '{Short(sent)}' does not match the body's value");
        }
        return null;
    }

    // Integers are compared as numbers: 42.0 and 42 are equal (Server Validation, note).
    static bool SameValue(string header, string body)
        => header == body
        || decimal.TryParse(header, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var a)
            && decimal.TryParse(body, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var b) && a == b;
}
