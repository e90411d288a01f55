using System.Buffers;
using McpCan.Protocol.Http;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Modern;

/// <summary>
/// A modern client's <c>subscriptions/listen</c> at a shared legacy server: list changes and updates of the resources
/// that it names, each tagged with the subscription's id, which is that of the request (2026-07-28, basic/patterns/subscriptions).
/// </summary>
sealed class LegacyListen : ISharedListener
{
    const int MaxUris = 1000, MaxEarly = 100;

    readonly Lock gate = new();
    readonly ModernExchange exchange;
    readonly byte[] tag;
    readonly HashSet<string> kinds = [];
    readonly List<string> uris;
    readonly List<byte[]> early = [];
    bool isAcknowledged;

    LegacyListen(ModernExchange exchange, ReadOnlySpan<byte> filter, ReadOnlySpan<byte> capabilities)
    {
        this.exchange = exchange;
        tag = [.. @"""io.modelcontextprotocol/subscriptionId"":"u8, .. exchange.ClientId];
        foreach (var kind in (string[])["tools", "prompts", "resources"])
        {
            if (IsTrue(filter, kind + "ListChanged") && IsTrue(JsonEdit.Member(capabilities, Ascii(kind)), "listChanged")) kinds.Add(kind);
        }
        uris = IsTrue(JsonEdit.Member(capabilities, "resources"u8), "subscribe") ? JsonEdit.Strings(JsonEdit.Member(filter, "resourceSubscriptions"u8)) : [];
    }

    static bool IsTrue(ReadOnlySpan<byte> value, string member) => JsonEdit.Member(value, Ascii(member)).SequenceEqual("true"u8);
    static byte[] Ascii(string text) => System.Text.Encoding.ASCII.GetBytes(text);

    /// <summary>Runs the subscription until the client leaves.</summary>
    public static async Task RunAsync(ModernContext context, HttpContext http, RequestBody body, Envelope envelope, string principal, SharedServer shared)
    {
        if (envelope.Filter.Of(body.Span) is not [(byte)'{', ..])
        {
            await Answer.Error(http, 200, McpErrors.InvalidParams, "Invalid params: notifications must say what is to be sent", envelope.Id.Of(body.Span));
            return;
        }
        var exchange = new ModernExchange(context, http, principal, body.Span, envelope);
        var listen = new LegacyListen(exchange, envelope.Filter.Of(body.Span), JsonEdit.Member(shared.InitializeResult, "capabilities"u8));
        if (listen.uris.Count > MaxUris)
        {
            await Answer.Error(http, 200, McpErrors.InvalidParams, $"Invalid params: more than {MaxUris} resources", envelope.Id.Of(body.Span));
            return;
        }
        exchange.Leaving = () => shared.Leave(listen);
        shared.Join(listen);
        foreach (var uri in listen.uris) shared.Subscribe(listen, uri);
        listen.Acknowledge();
        await exchange.RunAsync(default);
    }

    void Acknowledge()
    {
        lock (gate)
        {
            isAcknowledged = true;
            _ = exchange.Send(new Splice(Acknowledgement())).AsTask();
            foreach (var message in early) _ = exchange.Send(new Splice(message)).AsTask();
            early.Clear();
        }
    }

    byte[] Acknowledgement()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        buffer.Write(@"{""jsonrpc"":""2.0"",""method"":""notifications/subscriptions/acknowledged"",""params"":{""_meta"":{"u8);
        buffer.Write(tag);
        buffer.Write(@"},""notifications"":{"u8);
        var separator = "";
        foreach (var kind in kinds)
        {
            buffer.Write(Ascii($"{separator}\"{kind}ListChanged\":true"));
            separator = ",";
        }
        if (uris.Count > 0)
        {
            buffer.Write(Ascii(separator + "\"resourceSubscriptions\":["));
            for (var i = 0; i < uris.Count; i++)
            {
                if (i > 0) buffer.Write(","u8);
                buffer.Write(JsonText.Quote(uris[i]));
            }
            buffer.Write("]"u8);
        }
        buffer.Write("}}}"u8);
        return buffer.WrittenSpan.ToArray();
    }

    ValueTask ISharedListener.OnChange(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (envelope.Method == KnownMethod.ListChanged)
        {
            var name = JsonText.Read(envelope.MethodName.Of(message)) ?? "";
            if (!kinds.Contains(name.Split('/') is [_, var kind, _] ? kind : "")) return default;
        }
        var tagged = Tag(message, envelope);
        lock (gate)
        {
            if (isAcknowledged) return exchange.Send(new Splice(tagged));
            if (early.Count < MaxEarly) early.Add(tagged); // the acknowledgement is the first message
            return default;
        }
    }

    byte[] Tag(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var edit = new JsonEdit();
        if (envelope.Meta.IsPresent) edit.Add(message, envelope.Meta.Start, tag);
        else if (envelope.Params.IsPresent) edit.Add(message, envelope.Params.Start, [.. @"""_meta"":{"u8, .. tag, (byte)'}']);
        else edit.Add(message, 0, [.. @"""params"":{""_meta"":{"u8, .. tag, .. "}}"u8]);
        return edit.Apply(message);
    }
}
