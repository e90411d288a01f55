using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>Requests of our own in the modern form.</summary>
public static class ModernMessage
{
    /// <summary>The metadata of a request that we make for ourselves.</summary>
    static ReadOnlySpan<byte> OwnMeta =>
        @"""io.modelcontextprotocol/protocolVersion"":""2026-07-28"",""io.modelcontextprotocol/clientInfo"":{""name"":""mcpcan-bridge"",""version"":""0.1.0""},""io.modelcontextprotocol/clientCapabilities"":{}"u8;

    /// <summary>server/discover</summary>
    public static byte[] Discover() => Request("server/discover"u8, default);

    /// <summary>tools/list</summary>
    public static byte[] ListTools(string? cursor)
        => Request("tools/list"u8, cursor is null ? default : [.. @",""cursor"":"u8, .. JsonText.Quote(cursor)]);

    static byte[] Request(ReadOnlySpan<byte> method, ReadOnlySpan<byte> more)
        => [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":"""u8, .. method, .. @""",""params"":{""_meta"":{"u8, .. OwnMeta, (byte)'}', .. more, .. "}}"u8];
}
