using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Logs;

/// <summary>Writes log lines as NDJSON: many lines with one flush while they come fast, each line soon when they come slowly.</summary>
internal static class LogStream
{
    private const int Ahead = 1024;
    private const int FlushBytes = 64 << 10;
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(60);
    // Lines are data for programs, never part of a page: only what JSON itself asks for is escaped.
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task WriteAsync(IAsyncEnumerable<LogLine> lines, PipeWriter output, bool follow, CancellationToken cancellationToken)
    {
        // So that a follower sees the status and headers before the first line comes.
        await output.FlushAsync(cancellationToken);
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var channel = Channel.CreateBounded<LogLine>(new BoundedChannelOptions(Ahead) { SingleReader = true, SingleWriter = true });
        var reader = ReadAsync(lines, channel.Writer, reading.Token);
        try
        {
            while (await channel.Reader.WaitToReadAsync(cancellationToken))
            {
                if (!await DrainAsync(channel.Reader, output, cancellationToken)) return;
                if (follow) await Task.Delay(Gather, cancellationToken);
            }
        }
        finally
        {
            await reading.CancelAsync();
            await reader.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await reader;
    }

    /// <summary>Writes what is there; false when nobody reads any more.</summary>
    private static async Task<bool> DrainAsync(ChannelReader<LogLine> lines, PipeWriter output, CancellationToken cancellationToken)
    {
        var unflushed = 0L;
        while (lines.TryRead(out var line))
        {
            unflushed += Write(line, output);
            if (unflushed < FlushBytes) continue;
            if ((await output.FlushAsync(cancellationToken)).IsCompleted) return false;
            unflushed = 0;
        }
        return !(await output.FlushAsync(cancellationToken)).IsCompleted;
    }

    private static long Write(LogLine line, PipeWriter output)
    {
        using var writer = new Utf8JsonWriter(output, new JsonWriterOptions { Encoder = Json.Encoder, SkipValidation = true });
        JsonSerializer.Serialize(writer, line, Json);
        writer.Flush();
        output.GetSpan(1)[0] = (byte)'\n';
        output.Advance(1);
        return writer.BytesCommitted + 1;
    }

    private static async Task ReadAsync(IAsyncEnumerable<LogLine> lines, ChannelWriter<LogLine> channel, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var line in lines.WithCancellation(cancellationToken)) await channel.WriteAsync(line, cancellationToken);
            channel.Complete();
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            channel.Complete();
        }
        catch (Exception e)
        {
            channel.Complete(e);
        }
    }
}
