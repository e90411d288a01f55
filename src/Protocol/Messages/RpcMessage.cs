using System.Buffers;
using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>The messages that we write ourselves.</summary>
public static class RpcMessage
{
    /// <summary>An error for the request with this id (as written; empty for <c>null</c>).</summary>
    public static byte[] Error(ReadOnlySpan<byte> id, int code, string message)
        => Build(id, "error"u8, code, message, static (writer, code, message) =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("code"u8, code);
            writer.WriteString("message"u8, message);
            writer.WriteEndObject();
        });

    /// <summary>The error that makes a client of both eras fall back to <c>initialize</c>.</summary>
    public static byte[] UnsupportedVersion(ReadOnlySpan<byte> id, string requested) => UnsupportedVersion(id, requested, McpRevisions.Legacy);

    /// <summary>The error that tells a client which versions there are (2026-07-28, basic/versioning).</summary>
    public static byte[] UnsupportedVersion(ReadOnlySpan<byte> id, string requested, IReadOnlyList<string> supported)
        => Build(id, "error"u8, McpErrors.UnsupportedVersion, requested, (writer, code, requested) =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("code"u8, code);
            writer.WriteString("message"u8, "Unsupported protocol version");
            writer.WriteStartObject("data"u8);
            writer.WriteStartArray("supported"u8);
            foreach (var version in supported) writer.WriteStringValue(version);
            writer.WriteEndArray();
            writer.WriteString("requested"u8, requested);
            writer.WriteEndObject();
            writer.WriteEndObject();
        });

    /// <summary>The error for a request that needs a capability which the client did not declare (2026-07-28).</summary>
    public static byte[] MissingCapability(ReadOnlySpan<byte> id, string capability)
        => Build(id, "error"u8, McpErrors.MissingCapability, capability, static (writer, code, capability) =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("code"u8, code);
            writer.WriteString("message"u8, $"The server needs the client capability {capability}, which the request did not declare");
            writer.WriteStartObject("data"u8);
            writer.WriteStartObject("requiredCapabilities"u8);
            writer.WriteStartObject(capability);
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
        });

    /// <summary>A result (JSON as it is) for the request with this id.</summary>
    public static byte[] Result(ReadOnlySpan<byte> id, ReadOnlySpan<byte> result)
        => [.. @"{""jsonrpc"":""2.0"",""id"":"u8, .. id, .. @",""result"":"u8, .. result, (byte)'}'];

    /// <summary>The notification that a request of ours is cancelled.</summary>
    public static byte[] Cancelled(long id)
        => System.Text.Encoding.ASCII.GetBytes($$$"""{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{{{id}}},"reason":"the client closed the request"}}""");

    /// <summary>A request of our own with one parameter; the id is replaced when it is sent.</summary>
    public static byte[] Request(string method, string name, string value)
    {
        var buffer = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WriteNumber("id"u8, 0);
            writer.WriteString("method"u8, method);
            writer.WriteStartObject("params"u8);
            writer.WriteString(name, value);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    static byte[] Build(ReadOnlySpan<byte> id, ReadOnlySpan<byte> member, int code, string text, Action<Utf8JsonWriter, int, string> value)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, new() { SkipValidation = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WritePropertyName("id"u8);
            if (id.IsEmpty) writer.WriteNullValue();
            else writer.WriteRawValue(id, skipInputValidation: true);
            writer.WritePropertyName(member);
            value(writer, code, text);
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
