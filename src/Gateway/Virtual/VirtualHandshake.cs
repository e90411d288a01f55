using System.Buffers;
using System.Text.Json;
using McpCan.Protocol;
using McpCan.Protocol.Messages;

namespace McpCan.Gateway.Virtual;

/// <summary>What a virtual server says of itself: the capabilities of its members taken together.</summary>
internal static class VirtualHandshake
{
    /// <summary>The result of initialize.</summary>
    public static byte[] Result(VirtualOffer offer, string name, IReadOnlyList<MemberLink> members)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("protocolVersion"u8, Version(members));
        json.WriteStartObject("capabilities"u8);
        foreach (var kind in (string[])["tools", "prompts", "resources"])
        {
            if (!Offers(members, kind)) continue;
            json.WriteStartObject(kind);
            json.WriteBoolean("listChanged"u8, true);
            if (kind == "resources" && members.Any(Subscribes)) json.WriteBoolean("subscribe"u8, true);
            json.WriteEndObject();
        }
        foreach (var kind in (string[])["logging", "completions"])
        {
            if (!Offers(members, kind)) continue;
            json.WriteStartObject(kind);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteStartObject("serverInfo"u8);
        json.WriteString("name"u8, name);
        json.WriteString("version"u8, $"{offer.Generation}");
        json.WriteEndObject();
        if (offer.Instructions is { } instructions) json.WriteString("instructions"u8, instructions);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Whether any member that is up has a capability.</summary>
    public static bool Offers(IReadOnlyList<MemberLink> members, string capability) =>
        members.Any(m => m.Has(System.Text.Encoding.ASCII.GetBytes(capability)));

    private static bool Subscribes(MemberLink member)
    {
        var resources = member.Capability("resources"u8);
        var subscribe = JsonSeek.Member(member.Hello, resources, "subscribe"u8);
        return subscribe.IsPresent && subscribe.Of(member.Hello).SequenceEqual("true"u8);
    }

    // Every member must be able to keep what we promise.
    private static string Version(IReadOnlyList<MemberLink> members) => members
        .Where(m => m.Hello.Length > 0)
        .Select(m => McpRevisions.Parse(JsonSeek.Text(m.Hello, JsonSeek.Member(m.Hello, new(0, m.Hello.Length), "result"u8), "protocolVersion"u8)))
        .Where(revision => revision != McpRevision.Unknown).DefaultIfEmpty(McpRevision.R20251125).Min().Name();
}
