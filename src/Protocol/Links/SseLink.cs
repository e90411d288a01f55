using System.Text;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sse;

namespace McpCan.Protocol.Links;

/// <summary>A client's side of HTTP+SSE (2024-11-05, basic/transports): everything comes on one stream, messages go by POST to the address that the stream names first.</summary>
public sealed class SseLink : HttpLink
{
    const int LongestAddress = 8 * 1024;
    Uri messages;
    long busySince; // when a request was sent while no other waited

    SseLink(RemoteServer server) : base(server) => messages = server.Url;

    /// <summary>Opens the stream and reads the address for messages. Throws <see cref="RemoteException"/>.</summary>
    internal static async Task<SseLink> OpenAsync(RemoteServer server, CancellationToken cancellationToken)
    {
        var link = new SseLink(server);
        HttpResponseMessage? response = null;
        try
        {
            using var request = server.CreateRequest(HttpMethod.Get, server.Url, "text/event-stream", null);
            response = await link.SendAsync(request, server.RequestTimeout, cancellationToken);
            if (!response.IsSuccessStatusCode) throw RemoteException.OfStatus((int)response.StatusCode);
            if (!Is(response, "text/event-stream")) throw RemoteException.NotMcp("the server does not speak HTTP+SSE at this address");
            var body = await link.BodyAsync(response, Timeout.InfiniteTimeSpan, link.Life); // silent as long as nothing is asked
            var reader = new SseReader(body, server.MaxMessageBytes);
            link.messages = await AddressAsync(server, reader, cancellationToken);
            _ = link.RunAsync(response, reader, body);
            return link;
        }
        catch
        {
            response?.Dispose();
            link.Stop();
            throw;
        }
    }

    static async Task<Uri> AddressAsync(RemoteServer server, SseReader reader, CancellationToken cancellationToken)
    {
        bool isThere;
        try
        {
            isThere = await NextAsync(reader).AsTask().WaitAsync(server.RequestTimeout, server.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw RemoteException.TimedOut(server.RequestTimeout);
        }
        if (!isThere || reader.EventName != "endpoint" || reader.Data.Length is 0 or > LongestAddress)
            throw RemoteException.NotMcp("the server does not speak HTTP+SSE at this address");
        return Resolve(server.Url, Encoding.UTF8.GetString(reader.Data))
            ?? throw RemoteException.NotMcp("the server names an address for messages that is not its own");
    }

    /// <summary>The address for messages, seen from ours; null when it lies at another origin.</summary>
    public static Uri? Resolve(Uri url, string address)
        => Uri.TryCreate(url, address.Trim(), out var messages) && messages.Scheme == url.Scheme && messages.Port == url.Port && messages.UserInfo.Length == 0
            && string.Equals(messages.IdnHost, url.IdnHost, StringComparison.OrdinalIgnoreCase) ? messages : null;

    async Task RunAsync(HttpResponseMessage response, SseReader reader, LimitedStream body)
    {
        var limit = Server.StreamIdleTimeout;
        await using var watch = Server.Time.CreateTimer(_ => EndWhenSilent(body, limit), null, limit / 4, limit / 4);
        var reason = "the server closed its stream";
        try
        {
            while (await NextAsync(reader))
            {
                if (reader.Data.Length > 0 && TryReceive(reader.Data, null, out var handled) && !handled.IsCompletedSuccessfully) await handled;
            }
        }
        catch (RemoteException e)
        {
            reason = e.Message;
        }
        catch (OperationCanceledException)
        {
            // stopped
        }
        finally
        {
            reader.Dispose();
            await body.DisposeAsync();
            response.Dispose();
        }
        End(reason);
    }

    void EndWhenSilent(LimitedStream body, TimeSpan limit)
    {
        var since = Math.Max(body.LastRead, Interlocked.Read(ref busySince));
        if (PendingCount == 0 || Server.Time.GetElapsedTime(since) < limit) return;
        End($"the server sent nothing for {limit.TotalSeconds:0.#} seconds");
        Stop();
    }

    /// <inheritdoc/>
    public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        Span<byte> space = stackalloc byte[20];
        string? reason;
        byte[] body = [];
        if (PendingCount == 0) Interlocked.Exchange(ref busySince, Server.Time.GetTimestamp());
        lock (Gate)
        {
            reason = Register(call);
            if (reason is null)
            {
                var number = Splice.Number(call.Id, space);
                body = Bytes(new Splice(message, envelope.Id, number, envelope.ProgressToken, number));
            }
        }
        if (reason is null) return new(PostAsync(body, call));
        call.OnLost(reason);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message) => EndReason is null ? new(PostAsync(Bytes(message), null)) : default;

    async Task PostAsync(byte[] body, PendingCall? call)
    {
        try
        {
            using var request = Server.CreateRequest(HttpMethod.Post, messages, "application/json, text/event-stream", body);
            using var response = await SendAsync(request, Server.RequestTimeout, Life);
            if (response.IsSuccessStatusCode)
            {
                await DrainAsync(response);
                return;
            }
            if (call is not null) Lose(call, RemoteException.OfStatus((int)response.StatusCode).Message);
        }
        catch (RemoteException e)
        {
            if (call is not null) Lose(call, e.Message);
        }
        catch (OperationCanceledException)
        {
            if (call is not null) Lose(call, "the session was ended");
        }
    }
}
