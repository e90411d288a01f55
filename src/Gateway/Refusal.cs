using System.Buffers;
using System.Text.Json;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway;

/// <summary>An answer of the gateway itself: HTTP status, JSON-RPC error and the name that the metrics count it under.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Code">JSON-RPC error code.</param>
/// <param name="Failure">Name for the metrics.</param>
/// <param name="Text">What the client reads.</param>
/// <param name="Reason">What the access record says, when it may say more than the client is told.</param>
internal sealed record Refusal(int Status, int Code, string Failure, string Text, string? Reason = null)
{
    // Reading the id of a refused request is a courtesy with limits: 64 KiB and one second.
    private const int CourtesyBytes = 64 << 10;
    private static readonly TimeSpan CourtesyTime = TimeSpan.FromSeconds(1);

    public static Refusal NotAuthorized(string reason) =>
        new(401, McpErrors.Refused, "token", "A valid token for this address is required: send it as \"Authorization: Bearer …\".", reason);

    /// <summary>The token itself is good, so its holder is told; the request would not become right by another credential (RFC 9110, 403).</summary>
    public static readonly Refusal WrongAddress =
        new(403, McpErrors.Refused, "address", "This token cannot be used from this network address.", "The token is not open to the client's address.");

    public static readonly Refusal SessionNotFound =
        new(404, McpErrors.SessionNotFound, "session", "Session not found or ended; initialize again.");

    public static Refusal TooLarge(long limit) =>
        new(413, McpErrors.Refused, "too_large", $"The request is larger than this server takes ({limit} bytes).");

    /// <summary>Sends it as a JSON-RPC error with the request's id, when that can be read; nothing of the response may be sent yet.</summary>
    public async Task SendAsync(GatewayExchange exchange, bool readId = true)
    {
        var response = exchange.Context.Response;
        (exchange.Error, exchange.ErrorCode, exchange.Failure) = (Reason ?? Text, Code, Failure);
        response.StatusCode = Status;
        if (readId) await ReadIdAsync(exchange);
        exchange.Filter?.Discard();
        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, exchange);
        response.ContentType = "application/json";
        response.ContentLength = buffer.WrittenCount;
        response.Headers.CacheControl = "no-store";
        exchange.ResponseBytes += buffer.WrittenCount;
        try
        {
            await response.Body.WriteAsync(buffer.WrittenMemory, exchange.Context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // the client left
        }
    }

    /// <summary>Writes the JSON-RPC error object.</summary>
    public void Write(IBufferWriter<byte> to, GatewayExchange exchange)
    {
        using var json = new Utf8JsonWriter(to, new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("jsonrpc"u8, "2.0"u8);
        json.WritePropertyName("id"u8);
        if (exchange.Request.Id is { } id && IsJson(id)) json.WriteRawValue(id, skipInputValidation: true);
        else json.WriteNullValue();
        json.WriteStartObject("error"u8);
        json.WriteNumber("code"u8, Code);
        json.WriteString("message"u8, Text);
        json.WriteStartObject("data"u8);
        json.WriteString("traceId"u8, exchange.TraceId);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static bool IsJson(byte[] id)
    {
        try
        {
            var reader = new Utf8JsonReader(id);
            if (!reader.Read() || reader.TokenType is not (JsonTokenType.String or JsonTokenType.Number)) return false;
            if (reader.TokenType == JsonTokenType.String) reader.GetString(); // throws on text that is no UTF-8
            return !reader.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static async Task ReadIdAsync(GatewayExchange exchange)
    {
        var request = exchange.Context.Request;
        if (!HttpMethods.IsPost(request.Method) || exchange.Request.Id is not null || exchange.RequestBytes > 0 || request.ContentLength > CourtesyBytes) return;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(exchange.Context.RequestAborted);
        limit.CancelAfter(CourtesyTime);
        try
        {
            while (exchange.RequestBytes < CourtesyBytes)
            {
                var read = await request.BodyReader.ReadAsync(limit.Token);
                exchange.RequestBytes += read.Buffer.Length;
                exchange.Request.Feed(read.Buffer);
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or BadHttpRequestException)
        {
            // no id then
        }
    }
}
