using System.Text.Json;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Http;

/// <summary>
/// Streamable HTTP for the legacy revisions (spec: basic/transports of 2025-03-26 to 2025-11-25).
/// Each POST is classified by itself: one of the modern era goes to the <see cref="ModernEndpoint"/>; where the host has
/// none, it gets the error that makes clients of both eras fall back to <c>initialize</c>.
/// <code>
/// POST -> 1 headers -> 2 body -> 3 envelope -> 4 era -> modern: its own endpoint
///                                                    -> legacy: 5 initialize opens a session / others find theirs
///         6 notification or response: 202   request: to the server, then JSON or an event stream
/// </code>
/// </summary>
public sealed class McpEndpoint(SessionTable sessions, ModernEndpoint? modern = null)
{
    /// <summary>Names who calls, as the gateway found out.</summary>
    public const string PrincipalHeader = "Mcpcan-Principal";

    readonly SessionOptions options = sessions.Options;

    /// <summary>Handles a request to the MCP address.</summary>
    public Task HandleAsync(HttpContext http) => http.Request.Method switch
    {
        "POST" => PostAsync(http),
        "GET" => GetAsync(http),
        "DELETE" => DeleteAsync(http),
        _ => Answer.MethodNotAllowed(http, "GET, POST, DELETE"),
    };

    // The modern era has neither stream nor session of its own (2026-07-28, Earlier Streamable HTTP Revisions).
    bool IsModernOnly(HttpRequest request) => modern is not null && HeaderCheck.IsModern(request);

    async Task PostAsync(HttpContext http)
    {
        if (!HttpRules.AcceptsAnswers(http.Request))
        {
            await Answer.Error(http, 406, McpErrors.Refused, "Not Acceptable: the client must accept both application/json and text/event-stream");
            return;
        }
        if (!HttpRules.IsJson(http.Request))
        {
            await Answer.Error(http, 415, McpErrors.Refused, "Unsupported Media Type: Content-Type must be application/json");
            return;
        }
        if (await RequestBody.ReadAsync(http.Request, options.MaxMessageBytes) is not { } body)
        {
            await Answer.Error(http, 413, McpErrors.Refused, $"The message is longer than {options.MaxMessageBytes} bytes");
            return;
        }
        Task handled;
        try
        {
            handled = Receive(http, body, out var keepBody);
            if (keepBody) await handled;
        }
        finally
        {
            body.Dispose();
        }
        await handled;
    }

    Task Receive(HttpContext http, RequestBody body, out bool keepBody)
    {
        keepBody = false;
        var message = body.Span;
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.Read(message);
        }
        catch (JsonException)
        {
            return Answer.Error(http, 400, McpErrors.ParseError, "Parse error: the body is not valid JSON");
        }
        if (!body.IsUtf8) return Answer.Error(http, 400, McpErrors.ParseError, "Parse error: the body is not valid UTF-8");
        if (modern is not null && HeaderCheck.IsModern(http, envelope)) return modern.Receive(http, body, envelope, out keepBody);
        if (RefuseModern(http, message, envelope) is { } refused) return refused;
        if (envelope.Kind == MessageKind.Batch)
        {
            keepBody = true;
            return PostBatchAsync(http, body);
        }
        if (Problem(envelope) is { } problem) return Answer.Error(http, 400, McpErrors.InvalidRequest, problem);
        if (envelope is { Kind: MessageKind.Request, Method: KnownMethod.Initialize })
        {
            keepBody = true;
            return InitializeAsync(http, body, envelope);
        }
        if (Find(http, out var session) is { } notFound) return notFound;
        if (envelope.Kind != MessageKind.Request)
        {
            var forwarded = session.ForwardAsync(message, envelope);
            return forwarded.IsCompletedSuccessfully ? Answer.Accepted(http) : AcceptAfter(http, forwarded);
        }
        var call = new ClientCall(session, message, envelope, http);
        var sent = session.StartAsync(call, message, envelope);
        sessions.WatchHeld();
        return AnswerAsync(http, session, call, sent);
    }

    static async Task AcceptAfter(HttpContext http, ValueTask forwarded)
    {
        await forwarded;
        await Answer.Accepted(http);
    }

    /// <summary>The rules of JSON-RPC that a client's message must keep (spec: basic, Messages).</summary>
    internal static string? Problem(in Envelope envelope) => envelope.Kind switch
    {
        MessageKind.Invalid => "Invalid Request: neither a request nor a notification nor a response",
        MessageKind.Request when envelope.IdType is not (JsonTokenType.String or JsonTokenType.Number)
            => "Invalid Request: the id must be a string or a number",
        _ => null,
    };

    static Task? RefuseModern(HttpContext http, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var id = envelope is { Kind: MessageKind.Request, IdType: JsonTokenType.String or JsonTokenType.Number } ? envelope.Id.Of(message) : default;
        // 400, not 404: with 404 a client of both eras would take -32601 as the word of a modern server.
        if (envelope.Method == KnownMethod.Discover) return Answer.Error(http, 400, McpErrors.MethodNotFound, "Method not found", id);
        var knownHeader = HttpRules.HasKnownVersion(http.Request, out var version);
        if (envelope.ModernVersion.IsPresent)
        {
            var asked = JsonText.Read(envelope.ModernVersion.Of(message));
            return Answer.Json(http, 400, RpcMessage.UnsupportedVersion(id, asked ?? version));
        }
        // An initialize negotiates in its body; some clients add the newest version that they know as a header.
        if (knownHeader || envelope.Method == KnownMethod.Initialize) return null;
        return Answer.Json(http, 400, RpcMessage.UnsupportedVersion(id, version));
    }

    async Task InitializeAsync(HttpContext http, RequestBody body, Envelope envelope)
    {
        var id = envelope.Id.Of(body.Span).ToArray();
        McpSession session;
        try
        {
            session = await sessions.OpenAsync(http.Request.Headers[PrincipalHeader].ToString(), overSse: false, http.RequestAborted);
        }
        catch (ServerUnavailableException e)
        {
            if (e.IsBusy) http.Response.Headers.RetryAfter = "5";
            await Answer.Error(http, e.IsBusy ? 503 : 200, McpErrors.ServerUnavailable, e.Message, id);
            return;
        }
        session.Revision = McpRevisions.ParseJson(envelope.ProtocolVersion.Of(body.Span));
        if (session.Revision > McpRevision.R20251125) session.Revision = McpRevision.R20251125;
        var call = new ClientCall(session, body.Span, envelope, http);
        // Who left before the session's id was said cannot come back to it.
        using var left = http.RequestAborted.UnsafeRegister(static call => ((ClientCall)call!).EndUnheard(), call);
        var sent = session.StartAsync(call, body.Span, envelope);
        sessions.WatchHeld();
        await AnswerAsync(http, session, call, sent);
    }

    async Task AnswerAsync(HttpContext http, McpSession session, ClientCall call, ValueTask sent)
    {
        if (!sent.IsCompletedSuccessfully) await sent;
        await call.Decided;
        if (call.Stream is not { } stream) return;
        if (call.Method == KnownMethod.Initialize) http.Response.Headers["Mcp-Session-Id"] = session.Id;
        Answer.BeginStream(http);
        await stream.PumpAsync(http, null, session.PrimesStreams, options);
    }

    // Batches exist in 2025-03-26 alone. Servers are known to ignore arrays, so each message goes alone.
    async Task PostBatchAsync(HttpContext http, RequestBody body)
    {
        if (Find(http, out var session) is { } notFound)
        {
            await notFound;
            return;
        }
        var parts = EnvelopeReader.Split(body.Span);
        var envelopes = parts.ConvertAll(part => EnvelopeReader.Read(part.Of(body.Span)));
        var problem = session.Revision != McpRevision.R20250326 ? "Invalid Request: batches exist only in revision 2025-03-26"
            : parts.Count == 0 ? "Invalid Request: the batch is empty"
            : envelopes.Exists(e => e.Method == KnownMethod.Initialize) ? "Invalid Request: initialize cannot be part of a batch"
            : envelopes.Select(e => Problem(e)).FirstOrDefault(p => p is not null);
        if (problem is not null)
        {
            await Answer.Error(http, 400, McpErrors.InvalidRequest, problem);
            return;
        }
        var requests = envelopes.Count(e => e.Kind == MessageKind.Request);
        var stream = requests > 0 ? session.NewStream() : null;
        var batch = new BatchStream(requests);
        for (var i = 0; i < parts.Count; i++)
        {
            var part = parts[i];
            if (envelopes[i].Kind == MessageKind.Request)
                await session.StartAsync(new ClientCall(session, part.Of(body.Span), envelopes[i], stream!, batch), part.Of(body.Span), envelopes[i]);
            else
                await session.ForwardAsync(part.Of(body.Span), envelopes[i]);
        }
        if (stream is null)
        {
            await Answer.Accepted(http);
            return;
        }
        Answer.BeginStream(http);
        await stream.PumpAsync(http, null, session.PrimesStreams, options);
    }

    async Task GetAsync(HttpContext http)
    {
        if (IsModernOnly(http.Request))
        {
            await Answer.MethodNotAllowed(http, "POST");
            return;
        }
        if (!HttpRules.AcceptsStream(http.Request))
        {
            await Answer.Error(http, 406, McpErrors.Refused, "Not Acceptable: the client must accept text/event-stream");
            return;
        }
        if (!HttpRules.HasKnownVersion(http.Request, out var version))
        {
            await Answer.Json(http, 400, RpcMessage.UnsupportedVersion(default, version));
            return;
        }
        if (Find(http, out var session) is { } notFound)
        {
            await notFound;
            return;
        }
        var stream = session.Listen;
        long? after = null;
        var lastEventId = http.Request.Headers["Last-Event-ID"].ToString();
        if (lastEventId.Length > 0)
        {
            if (session.FindStream(lastEventId, out var sequence) is not { } resumed)
            {
                await Answer.Error(http, 400, McpErrors.InvalidRequest, "Last-Event-ID is not an event of this session, or no longer kept");
                return;
            }
            stream = resumed;
            after = sequence;
        }
        session.Touch();
        Answer.BeginStream(http);
        await session.ListenAsync(http, after, stream);
        session.Touch();
    }

    Task DeleteAsync(HttpContext http)
    {
        if (IsModernOnly(http.Request)) return Answer.MethodNotAllowed(http, "POST");
        if (Find(http, out var session) is { } notFound) return notFound;
        session.End("the session was ended by the client");
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    Task? Find(HttpContext http, out McpSession session)
    {
        session = null!;
        var id = http.Request.Headers["Mcp-Session-Id"].ToString();
        if (id.Length == 0) return Answer.Error(http, 400, McpErrors.Refused, "Bad Request: the Mcp-Session-Id header is missing; begin with initialize");
        if (!sessions.TryGet(id, out var found) || found.OverSse || !IsOwner(http, found))
            return Answer.Error(http, 404, McpErrors.SessionNotFound, "Session not found: it has ended or never was; initialize again");
        session = found;
        return null;
    }

    /// <summary>A session belongs to the principal that opened it; the gateway names the principal.</summary>
    internal static bool IsOwner(HttpContext http, McpSession session)
        => session.Principal.Length == 0 || http.Request.Headers[PrincipalHeader].ToString() == session.Principal;
}
