using System.Buffers;
using System.Text.Json;

namespace McpCan.Bridge;

/// <summary>
/// The log of one run as NDJSON, in two files of bounded size: what does not fit any more is moved to the older
/// file, whose former content goes. Without a directory the lines go to our own standard output.
/// </summary>
sealed class BridgeLog : IDisposable
{
    const int MaxLine = 64 * 1024;

    readonly Lock gate = new();
    readonly ArrayBufferWriter<byte> buffer = new(1024);
    readonly Utf8JsonWriter json;
    readonly TimeProvider time;
    readonly string? path, olderPath;
    readonly long maxBytes;
    Stream output;
    long number, written;

    public BridgeLog(BridgeConfig config, TimeProvider time)
    {
        this.time = time;
        number = config.FirstLogNumber;
        maxBytes = config.LogBytes;
        json = new(buffer, new JsonWriterOptions { SkipValidation = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        if (config.LogDirectory is not { } directory)
        {
            output = Console.OpenStandardOutput();
            return;
        }
        Directory.CreateDirectory(directory);
        path = Path.Combine(directory, $"run-{config.Run}.ndjson");
        olderPath = Path.Combine(directory, $"run-{config.Run}.1.ndjson");
        output = Open();
        written = output.Length;
    }

    public void Bridge(string level, string message) => Write("bridge", level, message);

    public void Noise(string line) => Write("stdout", "warning", line);

    /// <summary>Writes a line; one that is too long is cut and says so.</summary>
    public void Write(string stream, string level, ReadOnlySpan<char> message)
    {
        lock (gate)
        {
            buffer.ResetWrittenCount();
            json.Reset();
            json.WriteStartObject();
            json.WriteNumber("n"u8, number++);
            json.WriteString("t"u8, time.GetUtcNow().UtcDateTime);
            json.WriteString("stream"u8, stream);
            json.WriteString("level"u8, level);
            if (message.Length <= MaxLine) json.WriteString("msg"u8, message);
            else json.WriteString("msg"u8, $"{message[..MaxLine]} … (cut: the line had {message.Length} characters)");
            json.WriteEndObject();
            json.Flush();
            buffer.Write("\n"u8);
            try
            {
                if (path is not null && written + buffer.WrittenCount > maxBytes / 2) Rotate();
                output.Write(buffer.WrittenSpan);
                written += buffer.WrittenCount;
            }
            catch (IOException)
            {
                // A full disk must not stop the servers.
            }
        }
    }

    void Rotate()
    {
        output.Dispose();
        File.Move(path!, olderPath!, overwrite: true);
        output = Open();
        written = 0;
    }

    FileStream Open() => new(path!, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    public void Dispose()
    {
        lock (gate)
        {
            output.Dispose();
            json.Dispose();
        }
    }
}
