using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway.Policy;

/// <summary>Holds the requests of a token with rules against them, and puts a filter before the answers. Tokens without rules never come here.</summary>
internal sealed class PolicyGate
{
    // Open streams of HTTP+SSE sessions, for refusals that must come on them.
    private readonly ConcurrentDictionary<(string Instance, string Session), PolicyBody> _streams = new();

    public int Streams => _streams.Count;

    /// <summary>True when the exchange was answered here.</summary>
    public async Task<bool> JudgeAsync(GatewayExchange exchange)
    {
        var lists = !HttpMethods.IsPost(exchange.Context.Request.Method);
        if (!lists)
        {
            if (await ReadAsync(exchange) is { } refusal)
            {
                await refusal.SendAsync(exchange, readId: false);
                return true;
            }
            List<JudgedMessage> messages;
            bool batch;
            try
            {
                messages = RequestJudge.Judge(exchange.Held!.Value.Span, exchange.Policy!, Modern(exchange), out batch);
            }
            catch (JsonException)
            {
                Note(exchange);
                await new Refusal(400, McpErrors.ParseError, "policy", "Parse error: the request is no JSON.").SendAsync(exchange, readId: false);
                return true;
            }
            if (messages.Any(m => m.Denial is not null))
            {
                await RefuseAsync(exchange, messages, batch);
                return true;
            }
            if (!batch && HeadersDiffer(exchange.Context.Request, messages[0]))
            {
                Note(exchange);
                await new Refusal(400, McpErrors.HeaderMismatch, "policy", "Header mismatch: Mcp-Method or Mcp-Name does not say what the body says.").SendAsync(exchange, readId: false);
                return true;
            }
            lists = messages.Any(m => m.Lists);
        }
        Filter(exchange, lists);
        return false;
    }

    /// <summary>
    /// The token's policy was changed while the exchange is open. What goes through a filter is judged by the new rules from now on;
    /// what has none, or asked for something that is closed now, is ended, so that the client asks again.
    /// </summary>
    public static void Change(GatewayExchange exchange, AccessPolicy? policy)
    {
        var before = exchange.Policy;
        exchange.Policy = policy;
        if (policy is not { HasRules: true }) return;
        if (policy.Tools == before?.Tools && policy.Prompts == before?.Prompts && policy.Resources == before?.Resources) return;
        var request = exchange.Request;
        var rule = request.Method switch
        {
            "tools/call" => policy.Tools,
            "prompts/get" => policy.Prompts,
            "resources/read" => policy.Resources,
            _ => null,
        };
        var closed = rule is not null && request.Target is { } target && !ResourceNames.Open(rule, target, request.Method == "resources/read");
        var unfiltered = exchange.Filter is null && (exchange.IsStream || request.Method is EnvelopeScanner.Batch || request.Method?.EndsWith("/list", StringComparison.Ordinal) == true);
        if (closed || unfiltered || request.Method == "subscriptions/listen") exchange.End(EndReason.PolicyChanged);
    }

    private void Filter(GatewayExchange exchange, bool lists)
    {
        var context = exchange.Context;
        var inner = context.Features.Get<IHttpResponseBodyFeature>()!;
        var body = new PolicyBody(exchange, inner) { Wanted = lists, StreamOpened = exchange.Endpoint == GatewayEndpoint.Sse ? Remember : null };
        exchange.Filter = body;
        context.Features.Set<IHttpResponseBodyFeature>(body);

        void Remember(PolicyBody stream)
        {
            if (exchange.Ticket is not { } ticket) return;
            var key = (ticket.InstanceId, ticket.UpstreamSession);
            _streams[key] = stream;
            context.Response.OnCompleted(() =>
            {
                _streams.TryRemove(KeyValuePair.Create(key, stream));
                return Task.CompletedTask;
            });
        }
    }

    private static async Task<Refusal?> ReadAsync(GatewayExchange exchange)
    {
        // In another alphabet the server would read another text than we do.
        if (exchange.Context.Request.ContentType is { } type && Microsoft.Net.Http.Headers.MediaTypeHeaderValue.TryParse(type, out var media)
            && media.Charset is { HasValue: true } charset && !charset.ToString().Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
        {
            return new(415, McpErrors.InvalidRequest, "policy", "Messages are UTF-8.");
        }
        return await HeldBody.HoldAsync(exchange, exchange.Route!.MaxRequestBytes);
    }

    private async Task RefuseAsync(GatewayExchange exchange, List<JudgedMessage> messages, bool batch)
    {
        var denial = messages.First(m => m.Denial is not null).Denial!;
        Note(exchange);
        (exchange.Error, exchange.ErrorCode, exchange.Failure) = (denial.Reason, denial.Code, "policy");
        var answered = messages.Where(m => m.Id is not null || m.Denial?.Code == McpErrors.InvalidRequest).ToList();
        var response = exchange.Context.Response;
        if (answered.Count == 0)
        {
            response.StatusCode = 202; // a notification has no answer
            return;
        }
        if (exchange.Endpoint == GatewayEndpoint.Message && await SendOnStreamAsync(exchange, answered))
        {
            response.StatusCode = 202;
            return;
        }
        var body = new ArrayBufferWriter<byte>(256);
        if (batch) body.Write("["u8);
        foreach (var message in answered)
        {
            if (message != answered[0]) body.Write(","u8);
            Write(body, message, exchange.TraceId);
        }
        if (batch) body.Write("]"u8);
        // The stream of an HTTP+SSE session may be open at another replica: then only a failed POST tells the client.
        response.StatusCode = exchange.Endpoint == GatewayEndpoint.Message ? 403 : denial.Code == McpErrors.InvalidRequest ? 400 : 200;
        response.ContentType = "application/json";
        response.ContentLength = body.WrittenCount;
        response.Headers.CacheControl = "no-store";
        exchange.ResponseBytes += body.WrittenCount;
        try
        {
            await response.Body.WriteAsync(body.WrittenMemory, exchange.Context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // the client left
        }
    }

    private async Task<bool> SendOnStreamAsync(GatewayExchange exchange, List<JudgedMessage> messages)
    {
        if (exchange.Ticket is not { } ticket || !_streams.TryGetValue((ticket.InstanceId, ticket.UpstreamSession), out var stream)) return false;
        foreach (var message in messages)
        {
            var json = new ArrayBufferWriter<byte>(256);
            Write(json, message, exchange.TraceId);
            if (!await stream.TrySendEventAsync(json.WrittenMemory, exchange.Context.RequestAborted)) return false;
        }
        return true;
    }

    // The others of a batch were not carried out either: they are told so.
    private static void Write(IBufferWriter<byte> to, JudgedMessage message, string traceId)
    {
        using var json = new Utf8JsonWriter(to, new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("jsonrpc"u8, "2.0"u8);
        json.WritePropertyName("id"u8);
        if (message.Id is { } id && message.Denial?.Code != McpErrors.InvalidRequest) json.WriteRawValue(id, skipInputValidation: true);
        else json.WriteNullValue();
        json.WriteStartObject("error"u8);
        json.WriteNumber("code"u8, message.Denial?.Code ?? McpErrors.InvalidRequest);
        json.WriteString("message"u8, message.Denial?.Text ?? "Not carried out: another message of this batch was refused.");
        json.WriteStartObject("data"u8);
        json.WriteString("traceId"u8, traceId);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    // What the record shows of a request that goes no further.
    private static void Note(GatewayExchange exchange)
    {
        if (exchange.Held is not { } body) return;
        exchange.Request.Feed(body.Span);
        exchange.RequestBytes = body.Length;
    }

    private static bool Modern(GatewayExchange exchange) =>
        exchange.Context.Request.Headers["MCP-Protocol-Version"] is [{ } version] && McpRevisions.IsModernDate(version);

    private static bool HeadersDiffer(HttpRequest request, JudgedMessage message)
    {
        if (message.Method is null) return false;
        var (method, name) = (request.Headers["Mcp-Method"], request.Headers["Mcp-Name"]);
        return (method.Count > 0 && method.ToString() != message.Method) || (name.Count > 0 && message.Name is not null && Decode(name.ToString()) != message.Name);
    }

    // 2026-07-28, basic/transports/streamable-http: text beyond ASCII stands in Base64 between these marks.
    private static string? Decode(string header)
    {
        const string Start = "=?base64?", End = "?=";
        if (!header.StartsWith(Start, StringComparison.Ordinal) || !header.EndsWith(End, StringComparison.Ordinal) || header.Length < Start.Length + End.Length) return header;
        var bytes = new byte[header.Length];
        return Convert.TryFromBase64String(header[Start.Length..^End.Length], bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : null;
    }
}
