using System.Text.Json;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sse;

namespace McpCan.Protocol.Links;

/// <summary>What a remote server turned out to speak.</summary>
/// <param name="IsSse">HTTP+SSE of 2024-11-05; else Streamable HTTP.</param>
/// <param name="Legacy">Whether it takes <c>initialize</c>.</param>
/// <param name="Modern">Whether it speaks 2026-07-28.</param>
/// <param name="IsCertain">False when a question was left without an answer that shows anything: ask again before long.</param>
/// <param name="Hello">Its answer to <c>server/discover</c>, else to <c>initialize</c>; null where neither was asked.</param>
public sealed record RemoteVerdict(bool IsSse, bool Legacy, bool Modern, bool IsCertain, byte[]? Hello);

/// <summary>
/// Finds out what a remote server speaks: a modern request, then <c>initialize</c>, then the stream of HTTP+SSE
/// (2026-07-28, basic/transports/streamable-http, Backward Compatibility). A refusal of credentials, an error of the
/// server and silence show nothing about its era.
/// </summary>
public static class RemoteProbe
{
    const int MaxAnswerBytes = 4 * 1024 * 1024;
    static readonly TimeSpan DiscoverLimit = TimeSpan.FromSeconds(10);
    static readonly byte[] Initialize =
        [.. @"{""jsonrpc"":""2.0"",""id"":1,""method"":""initialize"",""params"":{""protocolVersion"":""2025-11-25"",""capabilities"":{},""clientInfo"":{""name"":""mcpcan"",""version"":""0.1.0""}}}"u8];

    /// <summary>Asks the server. Throws <see cref="RemoteException"/> when nothing can be said.</summary>
    public static async Task<RemoteVerdict> DetectAsync(RemoteServer server, bool trySse, bool onlySse, CancellationToken cancellationToken)
    {
        if (onlySse) return await SseAsync(server, true, cancellationToken);
        using var asker = new Asker(server);
        var (modern, isCertain, hello) = await asker.DiscoverAsync(cancellationToken);
        RemoteException? refused = null;
        try
        {
            var answer = await asker.InitializeAsync(cancellationToken);
            if (answer is not null) return new(false, true, modern, isCertain, hello ?? answer);
        }
        catch (RemoteException e) when (e.Failure is RemoteFailure.Status or RemoteFailure.NotMcp)
        {
            refused = e;
        }
        if (modern) return new(false, false, true, isCertain, hello);
        if (refused is { Status: >= 500 } || refused is not null && !trySse) throw refused;
        if (trySse)
        {
            try
            {
                return await SseAsync(server, isCertain, cancellationToken);
            }
            catch (RemoteException e) when (e.Failure is RemoteFailure.Status or RemoteFailure.NotMcp)
            {
                // said below
            }
        }
        throw RemoteException.NotMcp("no MCP server answers at this address" + (refused is { Status: > 0 } ? $" (HTTP status {refused.Status})" : ""));
    }

    static async Task<RemoteVerdict> SseAsync(RemoteServer server, bool isCertain, CancellationToken cancellationToken)
    {
        using var link = await server.OpenSseAsync(cancellationToken);
        return new(true, true, false, isCertain, null);
    }

    sealed class Asker(RemoteServer server) : HttpLink(server)
    {
        readonly record struct Answer(int Status, byte[] Message);

        public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope) => throw new NotSupportedException();
        public override ValueTask SendAsync(Splice message) => throw new NotSupportedException();

        public async Task<(bool Modern, bool IsCertain, byte[]? Hello)> DiscoverAsync(CancellationToken cancellationToken)
        {
            var message = ModernMessage.Discover();
            var limit = Server.RequestTimeout < DiscoverLimit ? Server.RequestTimeout : DiscoverLimit;
            Answer answer;
            try
            {
                answer = await AskAsync(message, ModernHeaders.Of(message), limit, null, cancellationToken);
            }
            catch (RemoteException e) when (e.Failure is RemoteFailure.Timeout or RemoteFailure.BrokeOff or RemoteFailure.NotMcp)
            {
                return (false, e.Failure == RemoteFailure.NotMcp, null);
            }
            if (answer.Status is 401 or 403 or 407) throw RemoteException.OfStatus(answer.Status);
            if (answer.Status is 408 or 429 or >= 500) return (false, false, null);
            var versions = JsonEdit.Member(JsonEdit.Member(answer.Message, "result"u8), "supportedVersions"u8);
            if (versions is [(byte)'[', ..]) return (true, true, answer.Message);
            var error = JsonEdit.Member(answer.Message, "error"u8);
            return (Envelope.ReadInteger(JsonEdit.Member(error, "code"u8)) switch
            {
                McpErrors.HeaderMismatch or McpErrors.MissingCapability => true,
                // A legacy server may know the code: what it lists counts.
                McpErrors.UnsupportedVersion => JsonEdit.Strings(JsonEdit.Member(JsonEdit.Member(error, "data"u8), "supported"u8)).Any(McpRevisions.IsModernDate),
                _ => false,
            }, true, null);
        }

        /// <summary>The server's answer to initialize; null when it refused it.</summary>
        public async Task<byte[]?> InitializeAsync(CancellationToken cancellationToken)
        {
            string? session = null;
            var answer = await AskAsync(Initialize, [], Server.RequestTimeout, id => session = id, cancellationToken);
            if (answer.Status is 401 or 403 or 407) throw RemoteException.OfStatus(answer.Status);
            if (JsonEdit.Member(answer.Message, "result"u8).IsEmpty)
            {
                if (answer.Status is < 200 or >= 300) throw RemoteException.OfStatus(answer.Status);
                return null;
            }
            if (session is not null) _ = EndAsync(session);
            return answer.Message;
        }

        async Task<Answer> AskAsync(byte[] message, List<KeyValuePair<string, string>> headers, TimeSpan limit, Action<string>? onSession, CancellationToken cancellationToken)
        {
            using var request = Server.CreateRequest(HttpMethod.Post, Server.Url, "application/json, text/event-stream", message);
            ModernHeaders.Add(request.Headers, headers);
            using var response = await SendAsync(request, limit, cancellationToken);
            var status = (int)response.StatusCode;
            if (response.Headers.NonValidated.TryGetValues("Mcp-Session-Id", out var ids)) onSession?.Invoke(ids.ToString());
            if (Is(response, "text/event-stream"))
            {
                await using var body = await BodyAsync(response, limit, cancellationToken);
                using var reader = new SseReader(body, MaxAnswerBytes);
                while (await NextAsync(reader))
                {
                    if (IsResponse(reader.Data)) return new(status, reader.Data.ToArray());
                }
                return new(status, []);
            }
            if (!Is(response, "application/json")) return new(status, []);
            var json = await ReadAllAsync(response, MaxAnswerBytes, static (array, length) => array.AsSpan(0, length).ToArray(), cancellationToken);
            return new(status, IsResponse(json) ? json : []);
        }

        static bool IsResponse(ReadOnlySpan<byte> message)
        {
            try
            {
                return EnvelopeReader.Read(message).Kind == MessageKind.Response;
            }
            catch (JsonException)
            {
                return false;
            }
        }

        async Task EndAsync(string session)
        {
            try
            {
                using var request = Server.CreateRequest(HttpMethod.Delete, Server.Url, "application/json", null);
                request.Headers.TryAddWithoutValidation("Mcp-Session-Id", session);
                using var response = await SendAsync(request, TimeSpan.FromSeconds(5), CancellationToken.None);
            }
            catch (RemoteException)
            {
                // it ends by itself some day
            }
        }
    }
}
