using System.Buffers;
using System.Text.Json;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>A modern request as a legacy server is to see it: without the metadata of the modern era. In a pooled buffer.</summary>
readonly ref struct LegacyRequest
{
    readonly byte[] buffer;
    readonly int length;

    /// <summary>Where the parts stand now.</summary>
    public readonly Envelope Envelope;

    public ReadOnlySpan<byte> Message => buffer.AsSpan(0, length);

    public LegacyRequest(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        buffer = ArrayPool<byte>.Shared.Rent(message.Length);
        var meta = envelope.Meta;
        message[..meta.Start].CopyTo(buffer);
        // A server of both eras takes a request with modern metadata for one of the modern era and refuses it here.
        var kept = Keep(meta.Of(message), buffer.AsSpan(meta.Start), out var token);
        message[meta.End..].CopyTo(buffer.AsSpan(meta.Start + kept));
        length = message.Length - meta.Length + kept;
        Envelope = envelope;
        if (Envelope.Id.Start > meta.Start) Envelope.Id = new(Envelope.Id.Start - meta.Length + kept, Envelope.Id.Length);
        if (token.IsPresent) Envelope.ProgressToken = new(meta.Start + token.Start, token.Length);
    }

    // Copies the members that are not of the protocol, as they are; what is kept is never longer than what was there.
    static int Keep(ReadOnlySpan<byte> meta, Span<byte> target, out TextRange token)
    {
        token = default;
        var at = 0;
        target[at++] = (byte)'{';
        var reader = new Utf8JsonReader(meta, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isProtocol = reader.ValueSpan.StartsWith("io.modelcontextprotocol/"u8);
            var isToken = reader.ValueTextEquals("progressToken"u8);
            var start = (int)reader.TokenStartIndex;
            reader.Read();
            var value = (int)reader.TokenStartIndex;
            reader.Skip();
            var end = (int)reader.BytesConsumed;
            if (isProtocol) continue;
            if (at > 1) target[at++] = (byte)',';
            meta[start..end].CopyTo(target[at..]);
            if (isToken) token = new(at + value - start, end - value);
            at += end - start;
        }
        target[at++] = (byte)'}';
        return at;
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(buffer);
}

/// <summary>What is added to each result of one legacy server, so that it is a result of the modern era.</summary>
sealed class ResultAdditions
{
    readonly byte[] plain, cacheable, serverInfo;

    /// <summary>The additions for a server with this initialize result.</summary>
    public ResultAdditions(ReadOnlySpan<byte> initializeResult)
    {
        var info = JsonEdit.Member(initializeResult, "serverInfo"u8);
        serverInfo = info.IsEmpty ? [] : [.. @"""io.modelcontextprotocol/serverInfo"":"u8, .. info];
        byte[] meta = [.. @"""_meta"":{"u8, .. serverInfo, .. "},"u8];
        plain = [.. @"{""resultType"":""complete"","u8, .. meta];
        cacheable = [.. @"{""resultType"":""complete"",""ttlMs"":0,""cacheScope"":""private"","u8, .. meta];
    }

    /// <summary><c>"io.modelcontextprotocol/serverInfo":{…}</c>, or nothing.</summary>
    public ReadOnlySpan<byte> ServerInfo => serverInfo;

    /// <summary>Gives an exchange a legacy server's answer.</summary>
    public ValueTask Finish(ModernExchange exchange, KnownMethod method, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (!envelope.Result.IsPresent) return FinishError(exchange, message, envelope);
        var start = envelope.Result.Start;
        var result = message[start..];
        if (result[0] != (byte)'{') return exchange.Finish(new Splice(message, envelope.Id, exchange.ClientId));
        var isCacheable = method is KnownMethod.List or KnownMethod.ReadResource;
        // Absent from the bytes is absent for certain; what looks like it is there is looked at closely.
        var mayHave = result.IndexOf("\"_meta\""u8) >= 0 || result.IndexOf("\"resultType\""u8) >= 0
            || isCacheable && (result.IndexOf("\"ttlMs\""u8) >= 0 || result.IndexOf("\"cacheScope\""u8) >= 0);
        if (mayHave) return exchange.Finish(new Splice(AddMissing(message, envelope.Id, exchange.ClientId, start, isCacheable)));
        var members = (isCacheable ? cacheable : plain).AsSpan();
        if (JsonEdit.IsEmptyObject(result, 0)) members = members[..^1];
        return exchange.Finish(new Splice(message, envelope.Id, exchange.ClientId, new(start, 1), members));
    }

    byte[] AddMissing(ReadOnlySpan<byte> message, TextRange id, ReadOnlySpan<byte> clientId, int start, bool isCacheable)
    {
        var edit = new JsonEdit().Replace(id, clientId);
        var missing = new ArrayBufferWriter<byte>();
        void Add(ReadOnlySpan<byte> member)
        {
            if (missing.WrittenCount > 0) missing.Write(","u8);
            missing.Write(member);
        }
        if (!JsonEdit.Member(message, start, "resultType"u8).IsPresent) Add(@"""resultType"":""complete"""u8);
        if (isCacheable && !JsonEdit.Member(message, start, "ttlMs"u8).IsPresent) Add(@"""ttlMs"":0"u8);
        if (isCacheable && !JsonEdit.Member(message, start, "cacheScope"u8).IsPresent) Add(@"""cacheScope"":""private"""u8);
        var meta = JsonEdit.Member(message, start, "_meta"u8);
        if (!meta.IsPresent) Add([.. @"""_meta"":{"u8, .. serverInfo, (byte)'}']);
        else if (meta.Of(message)[0] == (byte)'{' && !JsonEdit.Member(message, meta.Start, "io.modelcontextprotocol/serverInfo"u8).IsPresent) edit.Add(message, meta.Start, serverInfo);
        return edit.Add(message, start, missing.WrittenSpan).Apply(message);
    }

    // The codes of earlier revisions must not be used any more (2026-07-28, basic, Error Codes).
    static ValueTask FinishError(ModernExchange exchange, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var error = JsonEdit.Member(message, 0, "error"u8);
        var code = error.IsPresent ? JsonEdit.Member(message, error.Start, "code"u8) : default;
        var replaced = Envelope.ReadInteger(code.Of(message)) switch
        {
            McpErrors.ResourceNotFound => "-32602"u8,
            McpErrors.UrlElicitationRequired => "-32603"u8,
            _ => default,
        };
        return replaced.IsEmpty
            ? exchange.Finish(new Splice(message, envelope.Id, exchange.ClientId), ModernExchange.StatusOf(message))
            : exchange.Finish(new Splice(message, envelope.Id, exchange.ClientId, code, replaced));
    }

    /// <summary>The result of server/discover for a server with this initialize result.</summary>
    public byte[] Discover(ReadOnlySpan<byte> initializeResult)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        buffer.Write(@"{""resultType"":""complete"",""supportedVersions"":[""2026-07-28""],""capabilities"":"u8);
        buffer.Write(Capabilities(JsonEdit.Member(initializeResult, "capabilities"u8)));
        if (JsonEdit.Member(initializeResult, "instructions"u8) is { IsEmpty: false } instructions)
        {
            buffer.Write(@",""instructions"":"u8);
            buffer.Write(instructions);
        }
        buffer.Write(@",""ttlMs"":0,""cacheScope"":""private"",""_meta"":{"u8);
        buffer.Write(serverInfo);
        buffer.Write("}}"u8);
        return buffer.WrittenSpan.ToArray();
    }

    // The tasks of 2025-11-25 are another protocol than the extension of the modern era.
    static ReadOnlySpan<byte> Capabilities(ReadOnlySpan<byte> declared)
    {
        if (declared is not [(byte)'{', ..]) return "{}"u8;
        var kept = new ArrayBufferWriter<byte>(declared.Length + 1);
        foreach (var (name, value) in JsonEdit.Members(declared))
        {
            if (name == "tasks") continue;
            kept.Write(kept.WrittenCount == 0 ? "{"u8 : ","u8);
            kept.Write(JsonText.Quote(name));
            kept.Write(":"u8);
            kept.Write(value.Of(declared));
        }
        if (kept.WrittenCount == 0) return "{}"u8;
        kept.Write("}"u8);
        return kept.WrittenSpan;
    }
}
