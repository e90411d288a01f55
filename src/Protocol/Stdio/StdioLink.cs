using System.Text;
using System.Text.Json;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Stdio;

/// <summary>
/// The link to one stdio server: own integer ids and progress tokens outward (servers are known to drop ids such
/// as 2.5 or beyond 64 bits), whole lines inward, each given to the call or to the owner that it belongs to.
/// </summary>
public sealed class StdioLink
{
    readonly Lock gate = new();
    readonly Dictionary<long, PendingCall> pending = [];
    readonly Stream output;
    readonly LineWriter writer;
    readonly int maxLineBytes;
    long lastId;
    string? ended;

    /// <summary>A link over a server's standard input and output.</summary>
    public StdioLink(Stream input, Stream output, int maxLineBytes)
    {
        this.output = output;
        this.maxLineBytes = maxLineBytes;
        writer = new(input, gate);
    }

    /// <summary>Who receives what the server sends of its own accord.</summary>
    public IServerMessages? Owner { get; private set; }

    /// <summary>Gives the link its owner, who is told at once when the server has gone already.</summary>
    public void Adopt(IServerMessages owner)
    {
        string? reason;
        lock (gate)
        {
            Owner = owner;
            reason = ended;
        }
        if (reason is not null) owner.OnLinkEnded(this, reason);
    }

    /// <summary>Receives lines on standard output that are no messages.</summary>
    public Action<string>? Noise { get; init; }

    /// <summary>How many requests wait for an answer.</summary>
    public int PendingCount
    {
        get
        {
            lock (gate) return pending.Count;
        }
    }

    /// <summary>Sends a request with ids of our own. When the server is gone, the call is told so.</summary>
    public ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        Span<byte> space = stackalloc byte[20];
        string? reason;
        lock (gate)
        {
            reason = ended;
            if (reason is null)
            {
                call.Id = ++lastId;
                pending.Add(call.Id, call);
                var number = Splice.Number(call.Id, space);
                writer.Add(new Splice(message, envelope.Id, number, envelope.ProgressToken, number));
            }
        }
        if (reason is null) return writer.FlushAsync();
        call.OnLost(reason);
        return default;
    }

    /// <summary>Sends a notification or a response.</summary>
    public ValueTask SendAsync(Splice message)
    {
        lock (gate)
        {
            if (ended is not null || !writer.Add(message)) return default;
        }
        return writer.FlushAsync();
    }

    /// <summary>Stops waiting for an answer; false when it has come already.</summary>
    public bool Forget(PendingCall call)
    {
        lock (gate) return pending.Remove(call.Id);
    }

    /// <summary>Reads until the server closes its output. Then gives every pending call the reason.</summary>
    public async Task RunAsync(Func<Exception?, Task<string>> explain, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        using (var reader = new LineReader(output, maxLineBytes))
        {
            try
            {
                do
                {
                    while (Next(reader, out var handled))
                    {
                        if (!handled.IsCompletedSuccessfully) await handled; // backpressure: the server's pipe fills up
                    }
                }
                while (await reader.FillAsync(cancellationToken));
                if (!reader.Rest().IsEmpty) await Receive(reader.Rest());
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                failure = e;
            }
        }
        End(await explain(failure));
    }

    bool Next(LineReader reader, out ValueTask handled)
    {
        handled = default;
        if (!reader.TryRead(out var line)) return false;
        handled = Receive(line);
        return true;
    }

    ValueTask Receive(ReadOnlySpan<byte> line)
    {
        // Whatever does not look like a message is noise: many servers print banners.
        if (line[0] is not ((byte)'{' or (byte)'[') || line[^1] is not ((byte)'}' or (byte)']')) return Ignore(line);
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.ReadFromServer(line);
        }
        catch (JsonException)
        {
            return Ignore(line);
        }
        switch (envelope.Kind)
        {
            case MessageKind.Response:
                return ReceiveResponse(line, envelope);
            case MessageKind.Notification when envelope.Method == KnownMethod.Progress:
                PendingCall? running;
                lock (gate) pending.TryGetValue(Envelope.ReadInteger(envelope.ProgressToken.Of(line)), out running);
                return running is null ? default : running.OnProgress(line, envelope); // late progress has no taker
            case MessageKind.Request or MessageKind.Notification:
                return Owner is null ? default : Owner.OnServerMessage(this, line, envelope);
            case MessageKind.Batch:
                return ReceiveBatch(line.ToArray());
            default:
                return Ignore(line);
        }
    }

    ValueTask ReceiveResponse(ReadOnlySpan<byte> line, in Envelope envelope)
    {
        PendingCall? call;
        lock (gate)
        {
            // JSON-RPC 2.0 §5: the id is null when the server could not read the request; with one call open it is that one.
            if (envelope.IdType == JsonTokenType.Null && pending.Count == 1) pending.Remove(pending.Keys.First(), out call);
            else pending.Remove(envelope.OwnId(line), out call);
        }
        return call is null ? default : call.OnAnswer(line, envelope);
    }

    async ValueTask ReceiveBatch(byte[] line)
    {
        foreach (var part in EnvelopeReader.Split(line))
        {
            if (line[part.Start] == (byte)'{') await Receive(part.Of(line));
        }
    }

    ValueTask Ignore(ReadOnlySpan<byte> line)
    {
        Noise?.Invoke(Encoding.UTF8.GetString(line[..Math.Min(line.Length, 64 * 1024)]));
        return default;
    }

    void End(string reason)
    {
        PendingCall[] left;
        IServerMessages? owner;
        lock (gate)
        {
            owner = Owner;
            ended = reason;
            left = [.. pending.Values];
            pending.Clear();
        }
        owner?.OnLinkEnded(this, reason); // first, so that a client which hears of the end finds the session gone
        foreach (var call in left) call.OnLost(reason);
    }
}
