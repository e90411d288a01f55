using System.Buffers;
using System.Text.Json;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using McpCan.Protocol.Sse;

namespace McpCan.Protocol.Links;

/// <summary>What the two links over HTTP have in common: requests with limits, bodies with limits, answers that fit their call.</summary>
public abstract class HttpLink : ServerLink, IServerConnection, IDisposable
{
    const int SmallBody = 64 * 1024;
    static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(1);

    readonly CancellationTokenSource life = new();
    int stopped;

    private protected HttpLink(RemoteServer server)
    {
        Server = server;
        Life = life.Token;
    }

    private protected RemoteServer Server { get; }

    /// <summary>Cancelled when the link is stopped.</summary>
    private protected CancellationToken Life { get; }

    ServerLink IServerConnection.Link => this;

    /// <summary>Ends the link, and our session at the server.</summary>
    public void Stop()
    {
        if (Interlocked.Exchange(ref stopped, 1) != 0) return;
        End("the session was ended");
        life.Cancel();
        OnStopped();
        life.Dispose();
    }

    /// <summary>The same.</summary>
    public void Dispose()
    {
        Stop();
        GC.SuppressFinalize(this);
    }

    private protected virtual void OnStopped() { }

    /// <summary>Sends a request and waits for the head of its answer. Throws <see cref="RemoteException"/>.</summary>
    private protected async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, TimeSpan limit, CancellationToken cancellationToken)
    {
        Server.AddHeaders(request);
        using var timer = new CancellationTokenSource(limit, Server.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        HttpResponseMessage response;
        try
        {
            response = await Server.Http.SendAsync(request, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw timer.IsCancellationRequested ? RemoteException.TimedOut(limit) : new RemoteException(RemoteFailure.Unreachable, "the server cannot be reached");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw RemoteException.From(e);
        }
        if (response.Content.Headers.ContentEncoding.Count == 0 || response.Content.Headers.ContentEncoding.All(e => e == "identity")) return response;
        response.Dispose();
        throw RemoteException.NotMcp("the server's answer is compressed although that was not asked for");
    }

    private protected async Task<LimitedStream> BodyAsync(HttpResponseMessage response, TimeSpan silence, CancellationToken cancellationToken)
        => new(await response.Content.ReadAsStreamAsync(cancellationToken), silence, Server.Time, cancellationToken);

    private protected static bool Is(HttpResponseMessage response, string type)
        => string.Equals(response.Content.Headers.ContentType?.MediaType, type, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a body to its end and gives it to <paramref name="take"/>; the whole may take as long as a stream may be silent.</summary>
    private protected async Task<T> ReadAllAsync<T>(HttpResponseMessage response, int maxBytes, Func<byte[], int, T> take, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(Server.StreamIdleTimeout, Server.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        var array = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(response.Content.Headers.ContentLength ?? 0, 4096, maxBytes));
        try
        {
            await using var body = await BodyAsync(response, Timeout.InfiniteTimeSpan, both.Token);
            var length = 0;
            while (true)
            {
                var read = await body.ReadAsync(array.AsMemory(length), CancellationToken.None);
                if (read == 0) return take(array, length);
                length += read;
                if (length < array.Length) continue;
                if (length >= maxBytes) throw RemoteException.NotMcp($"the server's answer is longer than {maxBytes} bytes");
                var bigger = ArrayPool<byte>.Shared.Rent(array.Length * 2);
                array.AsSpan(0, length).CopyTo(bigger);
                ArrayPool<byte>.Shared.Return(array);
                array = bigger;
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw RemoteException.TimedOut(Server.StreamIdleTimeout);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    /// <summary>Reads what is left of a small body, so that its connection can be used again.</summary>
    private protected async Task DrainAsync(HttpResponseMessage response)
    {
        if (response.Content.Headers.ContentLength is > SmallBody) return;
        using var limit = new CancellationTokenSource(DrainTime, Server.Time);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
            var array = new byte[1024];
            for (var length = 0; length < SmallBody;)
            {
                var read = await body.ReadAsync(array, limit.Token);
                if (read == 0) return;
                length += read;
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            // then the connection is closed
        }
    }

    /// <summary>
    /// Takes a message from the response to a call; false when it is none. A response must be the call's own, which
    /// keeps a server that lies from answering others (a null id is the call's: it could not be read).
    /// </summary>
    private protected bool TryReceiveFor(PendingCall call, ReadOnlySpan<byte> message, out ValueTask handled)
    {
        handled = default;
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.ReadFromServer(message);
        }
        catch (JsonException)
        {
            return false;
        }
        if (envelope.Kind != MessageKind.Response) return TryReceive(message, call, out handled);
        var isItsOwn = envelope.IdType == JsonTokenType.Null || envelope.OwnId(message) == call.Id;
        if (isItsOwn && base.Forget(call))
        {
            OnAnswering(call, message, envelope);
            handled = call.OnAnswer(message, envelope);
        }
        return true;
    }

    /// <summary>A call is about to be given its answer.</summary>
    private protected virtual void OnAnswering(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope) { }

    /// <summary>Tells a call that waits that no answer will come.</summary>
    private protected void Lose(PendingCall call, string reason)
    {
        if (base.Forget(call)) call.OnLost(reason);
    }

    private protected static byte[] Bytes(Splice message)
    {
        var bytes = new byte[message.Length];
        message.CopyTo(bytes, oneLine: false);
        return bytes;
    }

    private protected async Task PauseAsync(TimeSpan time, CancellationToken cancellationToken) => await Task.Delay(time, Server.Time, cancellationToken);

    private protected static async ValueTask<bool> NextAsync(SseReader reader)
    {
        try
        {
            return await reader.ReadAsync(CancellationToken.None);
        }
        catch (InvalidDataException)
        {
            throw RemoteException.NotMcp("an event of the server is too long");
        }
    }
}
