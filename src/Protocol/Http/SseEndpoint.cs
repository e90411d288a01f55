using System.Buffers;
using System.Text;
using System.Text.Json;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Http;

/// <summary>The HTTP+SSE transport of 2024-11-05: one stream carries everything, messages come by POST, the end of the stream ends the session.</summary>
public sealed class SseEndpoint(SessionTable sessions)
{
    readonly SessionOptions options = sessions.Options;

    /// <summary>Gives the address for a session's messages; relative to the stream's own when nobody says otherwise.</summary>
    public Func<HttpContext, string, string> AddressOf { get; init; } = static (_, session) => "message?sessionId=" + session;

    /// <summary>Opens the stream; its first event names the address for messages, relative to the stream's own.</summary>
    public async Task StreamAsync(HttpContext http)
    {
        if (http.Request.Method != "GET")
        {
            await Answer.MethodNotAllowed(http, "GET");
            return;
        }
        if (!HttpRules.AcceptsStream(http.Request))
        {
            await Answer.Error(http, 406, McpErrors.Refused, "Not Acceptable: the client must accept text/event-stream");
            return;
        }
        McpSession session;
        try
        {
            session = await sessions.OpenAsync(http.Request.Headers[McpEndpoint.PrincipalHeader].ToString(), overSse: true, http.RequestAborted);
        }
        catch (ServerUnavailableException e)
        {
            if (e.IsBusy) http.Response.Headers.RetryAfter = "5";
            await Answer.Error(http, 503, McpErrors.ServerUnavailable, e.Message);
            return;
        }
        try
        {
            // The session is in the table before its address goes out: a quick client would get 404 otherwise.
            Answer.BeginStream(http);
            http.Response.BodyWriter.Write(Encoding.ASCII.GetBytes($"event: endpoint\ndata: {AddressOf(http, session.Id)}\n\n"));
            await session.ListenAsync(http, null, session.Listen);
        }
        finally
        {
            session.End("the client closed the stream");
        }
    }

    /// <summary>Takes a message; its answer goes to the stream.</summary>
    public async Task MessageAsync(HttpContext http)
    {
        if (http.Request.Method != "POST")
        {
            await Answer.MethodNotAllowed(http, "POST");
            return;
        }
        if (!HttpRules.IsJson(http.Request))
        {
            await Answer.Error(http, 415, McpErrors.Refused, "Unsupported Media Type: Content-Type must be application/json");
            return;
        }
        var id = http.Request.Query["sessionId"].ToString();
        if (id.Length == 0)
        {
            await Answer.Error(http, 400, McpErrors.Refused, "Bad Request: sessionId is missing");
            return;
        }
        if (!sessions.TryGet(id, out var session) || !session.OverSse || !McpEndpoint.IsOwner(http, session))
        {
            await Answer.Error(http, 404, McpErrors.SessionNotFound, "Session not found: it has ended or never was");
            return;
        }
        if (await RequestBody.ReadAsync(http.Request, options.MaxMessageBytes) is not { } body)
        {
            await Answer.Error(http, 413, McpErrors.Refused, $"The message is longer than {options.MaxMessageBytes} bytes");
            return;
        }
        using (body)
        {
            var problem = await ReceiveAsync(session, body);
            if (problem is null) await Answer.Accepted(http);
            else await Answer.Error(http, 400, problem.Value.Code, problem.Value.Message);
        }
    }

    async ValueTask<(int Code, string Message)?> ReceiveAsync(McpSession session, RequestBody body)
    {
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.Read(body.Span);
        }
        catch (JsonException)
        {
            return (McpErrors.ParseError, "Parse error: the body is not valid JSON");
        }
        if (!body.IsUtf8) return (McpErrors.ParseError, "Parse error: the body is not valid UTF-8");
        if (envelope.Kind == MessageKind.Batch) return (McpErrors.InvalidRequest, "Invalid Request: batches are not part of this transport");
        if (McpEndpoint.Problem(envelope) is { } problem) return (McpErrors.InvalidRequest, problem);
        if (envelope.Kind != MessageKind.Request)
        {
            await session.ForwardAsync(body.Span, envelope);
            return null;
        }
        var call = new ClientCall(session, body.Span, envelope, session.Listen, batch: null);
        if (envelope.Method == KnownMethod.Discover)
        {
            await session.SendUnrelated(new Splice(RpcMessage.Error(envelope.Id.Of(body.Span), McpErrors.MethodNotFound, "Method not found")));
            return null;
        }
        if (envelope.Method == KnownMethod.Initialize) session.Revision = McpRevisions.ParseJson(envelope.ProtocolVersion.Of(body.Span));
        await session.StartAsync(call, body.Span, envelope);
        return null;
    }
}
