using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>Reads the envelope of a message and leaves the rest alone: no object is built, no text decoded.</summary>
public static class EnvelopeReader
{
    // Depth costs one bit a level in the reader; the limit on the size of a message bounds it.
    static readonly JsonReaderOptions Options = new() { MaxDepth = int.MaxValue };

    /// <summary>Reads a whole message. Throws <see cref="JsonException"/> when it is not JSON.</summary>
    public static Envelope Read(ReadOnlySpan<byte> message)
    {
        var envelope = Read(message, stopAtResult: false, out var reader);
        while (reader.Read()) { } // throws on anything after the value
        return envelope;
    }

    /// <summary>Reads a server's message; of a response only as far as its id and the start of its result.</summary>
    public static Envelope ReadFromServer(ReadOnlySpan<byte> message)
        => ResponseShape.TryRead(message, out var envelope) ? envelope : Read(message, stopAtResult: true, out _);

    static Envelope Read(ReadOnlySpan<byte> message, bool stopAtResult, out Utf8JsonReader reader)
    {
        reader = new Utf8JsonReader(message, Options);
        var envelope = new Envelope();
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            reader.Skip();
            envelope.Kind = MessageKind.Batch;
            return envelope;
        }
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return envelope;
        }
        bool isResponse = false, isNonsense = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
            {
                reader.Read();
                envelope.IdType = reader.TokenType;
                envelope.Id = Value(ref reader);
            }
            else if (reader.ValueTextEquals("method"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.String) envelope.Method = Known(ref reader);
                else isNonsense = true; // a method is a string (JSON-RPC 2.0 §4)
                envelope.MethodName = Value(ref reader);
            }
            else if (reader.ValueTextEquals("params"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.StartObject) ReadParams(ref reader, ref envelope);
                else reader.Skip();
            }
            else if (reader.ValueTextEquals("result"u8) || reader.ValueTextEquals("error"u8))
            {
                isResponse = true;
                var isResult = reader.ValueTextEquals("result"u8);
                reader.Read();
                if (stopAtResult && envelope.Id.IsPresent)
                {
                    envelope.Result = isResult ? new((int)reader.TokenStartIndex, 1) : default;
                    break;
                }
                var value = Value(ref reader);
                if (isResult) envelope.Result = value;
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }
        envelope.Kind = isNonsense ? MessageKind.Invalid : envelope.MethodName.IsPresent && !isResponse
            ? envelope.Id.IsPresent ? MessageKind.Request : MessageKind.Notification
            : isResponse ? MessageKind.Response : MessageKind.Invalid;
        return envelope;
    }

    /// <summary>The <c>protocolVersion</c> in an initialize result.</summary>
    public static TextRange FindProtocolVersion(ReadOnlySpan<byte> message, TextRange result)
    {
        if (!result.IsPresent) return default;
        var reader = new Utf8JsonReader(message[result.Start..], Options);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals("protocolVersion"u8);
            reader.Read();
            var value = Value(ref reader);
            if (found) return new(value.Start + result.Start, value.Length);
        }
        return default;
    }

    /// <summary>The messages of a batch.</summary>
    public static List<TextRange> Split(ReadOnlySpan<byte> batch)
    {
        var parts = new List<TextRange>();
        var reader = new Utf8JsonReader(batch, Options);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) parts.Add(Value(ref reader));
        return parts;
    }

    static void ReadParams(ref Utf8JsonReader reader, ref Envelope envelope)
    {
        var start = (int)reader.TokenStartIndex;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("_meta"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.StartObject) ReadMeta(ref reader, ref envelope);
                else reader.Skip();
            }
            else if (reader.ValueTextEquals("name"u8)) envelope.Name = Next(ref reader);
            else if (reader.ValueTextEquals("uri"u8)) envelope.Uri = Next(ref reader);
            else if (reader.ValueTextEquals("requestId"u8)) envelope.RequestId = Next(ref reader);
            else if (reader.ValueTextEquals("protocolVersion"u8)) envelope.ProtocolVersion = Next(ref reader);
            else if (reader.ValueTextEquals("arguments"u8)) envelope.Arguments = Next(ref reader);
            else if (envelope.Method == KnownMethod.Progress && reader.ValueTextEquals("progressToken"u8)) envelope.ProgressToken = Next(ref reader);
            else if (reader.ValueTextEquals("clientInfo"u8)) envelope.ClientInfo = Next(ref reader);
            else if (reader.ValueTextEquals("capabilities"u8)) envelope.ClientCapabilities = Next(ref reader);
            else if (reader.ValueTextEquals("level"u8)) envelope.LogLevel = Next(ref reader);
            else if (reader.ValueTextEquals("inputResponses"u8)) envelope.InputResponses = Next(ref reader);
            else if (reader.ValueTextEquals("requestState"u8)) envelope.RequestState = Next(ref reader);
            else if (reader.ValueTextEquals("notifications"u8)) envelope.Filter = Next(ref reader);
            else Next(ref reader);
        }
        envelope.Params = new(start, (int)reader.BytesConsumed - start);
    }

    static void ReadMeta(ref Utf8JsonReader reader, ref Envelope envelope)
    {
        var start = (int)reader.TokenStartIndex;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("progressToken"u8) && envelope.Method != KnownMethod.Progress) envelope.ProgressToken = Next(ref reader);
            else if (reader.ValueTextEquals("io.modelcontextprotocol/protocolVersion"u8)) envelope.ModernVersion = Next(ref reader);
            else if (reader.ValueTextEquals("io.modelcontextprotocol/clientInfo"u8)) envelope.ClientInfo = Next(ref reader);
            else if (reader.ValueTextEquals("io.modelcontextprotocol/clientCapabilities"u8)) envelope.ClientCapabilities = Next(ref reader);
            else if (reader.ValueTextEquals("io.modelcontextprotocol/logLevel"u8)) envelope.LogLevel = Next(ref reader);
            else if (reader.ValueTextEquals("io.modelcontextprotocol/subscriptionId"u8)) envelope.SubscriptionId = Next(ref reader);
            else Next(ref reader);
        }
        envelope.Meta = new(start, (int)reader.BytesConsumed - start);
    }

    static TextRange Next(ref Utf8JsonReader reader)
    {
        reader.Read();
        return Value(ref reader);
    }

    static TextRange Value(ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return new(start, (int)reader.BytesConsumed - start);
    }

    static KnownMethod Known(ref Utf8JsonReader reader)
    {
        var method = reader.ValueSpan;
        if (reader.ValueIsEscaped)
        {
            if (method.Length > 256) return KnownMethod.Other;
            var unescaped = new byte[method.Length];
            try
            {
                method = unescaped.AsSpan(0, reader.CopyString(unescaped));
            }
            catch (InvalidOperationException)
            {
                return KnownMethod.Other; // half a surrogate pair, or no UTF-8
            }
        }
        if (method.SequenceEqual("tools/call"u8)) return KnownMethod.CallTool; // by far the most frequent
        if (method.SequenceEqual("initialize"u8)) return KnownMethod.Initialize;
        if (method.SequenceEqual("ping"u8)) return KnownMethod.Ping;
        if (method.StartsWith("notifications/"u8)) return KnownNotification(method["notifications/".Length..]);
        if (method.SequenceEqual("resources/subscribe"u8)) return KnownMethod.Subscribe;
        if (method.SequenceEqual("resources/unsubscribe"u8)) return KnownMethod.Unsubscribe;
        if (method.SequenceEqual("logging/setLevel"u8)) return KnownMethod.SetLevel;
        if (method.SequenceEqual("server/discover"u8)) return KnownMethod.Discover;
        if (method.SequenceEqual("subscriptions/listen"u8)) return KnownMethod.Listen;
        if (method.SequenceEqual("prompts/get"u8)) return KnownMethod.GetPrompt;
        if (method.SequenceEqual("resources/read"u8)) return KnownMethod.ReadResource;
        if (method.EndsWith("/list"u8) && (method.SequenceEqual("tools/list"u8) || method.SequenceEqual("prompts/list"u8)
            || method.SequenceEqual("resources/list"u8) || method.SequenceEqual("resources/templates/list"u8))) return KnownMethod.List;
        return KnownMethod.Other;
    }

    static KnownMethod KnownNotification(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("progress"u8)) return KnownMethod.Progress;
        if (name.SequenceEqual("message"u8)) return KnownMethod.LogMessage;
        if (name.SequenceEqual("initialized"u8)) return KnownMethod.Initialized;
        if (name.SequenceEqual("cancelled"u8)) return KnownMethod.Cancelled;
        if (name.SequenceEqual("resources/updated"u8)) return KnownMethod.ResourceUpdated;
        if (name.SequenceEqual("roots/list_changed"u8)) return KnownMethod.RootsChanged;
        return name.EndsWith("/list_changed"u8) ? KnownMethod.ListChanged : KnownMethod.Other;
    }
}
