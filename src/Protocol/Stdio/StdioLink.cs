using System.Text;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Stdio;

/// <summary>The link to one stdio server: whole lines both ways (spec: basic/transports, stdio).</summary>
public sealed class StdioLink : ServerLink
{
    readonly Stream output;
    readonly LineWriter writer;
    readonly int maxLineBytes;

    /// <summary>A link over a server's standard input and output.</summary>
    public StdioLink(Stream input, Stream output, int maxLineBytes)
    {
        this.output = output;
        this.maxLineBytes = maxLineBytes;
        writer = new(input, Gate);
    }

    /// <summary>Receives lines on standard output that are no messages.</summary>
    public Action<string>? Noise { get; init; }

    /// <inheritdoc/>
    public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        Span<byte> space = stackalloc byte[20];
        string? reason;
        lock (Gate)
        {
            reason = Register(call);
            if (reason is null)
            {
                var number = Splice.Number(call.Id, space);
                writer.Add(new Splice(message, envelope.Id, number, envelope.ProgressToken, number));
            }
        }
        if (reason is null) return writer.FlushAsync();
        call.OnLost(reason);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(Splice message)
    {
        lock (Gate)
        {
            if (EndReason is not null || !writer.Add(message)) return default;
        }
        return writer.FlushAsync();
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
        var looksRight = (line[0] is (byte)'{' or (byte)'[') && (line[^1] is (byte)'}' or (byte)']');
        if (looksRight && TryReceive(line, related: null, out var handled)) return handled;
        Noise?.Invoke(Encoding.UTF8.GetString(line[..Math.Min(line.Length, 64 * 1024)]));
        return default;
    }
}
