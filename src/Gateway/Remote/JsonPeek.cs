using McpCan.Protocol.Messages;

namespace McpCan.Gateway.Remote;

/// <summary>Reads members of JSON text.</summary>
internal static class JsonPeek
{
    /// <summary>The value of a member; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Member(ReadOnlySpan<byte> json, ReadOnlySpan<byte> name) =>
        JsonSeek.Member(json, new TextRange(0, json.Length), name) is { IsPresent: true } range ? range.Of(json) : default;
}
