using System.Text.Json;
using System.Threading.Channels;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace McpCan.Server.Instances;

/// <summary>One JSON-RPC message as it went over the line.</summary>
/// <param name="Time">When.</param>
/// <param name="Sent">True from us to the server.</param>
/// <param name="Text">The message, cut when it is very long.</param>
/// <param name="Length">Its whole length in characters.</param>
public sealed record PlaygroundFrame(DateTimeOffset Time, bool Sent, string Text, int Length);

/// <summary>Keeps the last messages of a session. Bounded in number and in size of each.</summary>
internal sealed class PlaygroundFrames(TimeProvider time)
{
    private const int Most = 200;
    private const int Longest = 32_768;
    private readonly Queue<PlaygroundFrame> _frames = new();
    private readonly Lock _lock = new();

    public void Add(bool sent, JsonRpcMessage message)
    {
        var text = JsonSerializer.Serialize(message, McpJsonUtilities.DefaultOptions);
        var frame = new PlaygroundFrame(time.GetUtcNow(), sent, text.Length > Longest ? text[..Longest] : text, text.Length);
        lock (_lock)
        {
            _frames.Enqueue(frame);
            while (_frames.Count > Most) _frames.Dequeue();
        }
    }

    public IReadOnlyList<PlaygroundFrame> Since(DateTimeOffset start)
    {
        lock (_lock) return [.. _frames.Where(f => f.Time >= start)];
    }
}

/// <summary>A transport of the SDK whose messages are noted.</summary>
internal sealed class NotedTransport(IClientTransport inner, PlaygroundFrames frames) : IClientTransport
{
    public string Name => inner.Name;

    public async Task<ITransport> ConnectAsync(CancellationToken cancellationToken = default) => new Noted(await inner.ConnectAsync(cancellationToken), frames);

    private sealed class Noted(ITransport inner, PlaygroundFrames frames) : ITransport
    {
        public string? SessionId => inner.SessionId;
        public ChannelReader<JsonRpcMessage> MessageReader { get; } = new NotedReader(inner.MessageReader, frames);

        public Task SendMessageAsync(JsonRpcMessage message, CancellationToken cancellationToken = default)
        {
            frames.Add(sent: true, message);
            return inner.SendMessageAsync(message, cancellationToken);
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class NotedReader(ChannelReader<JsonRpcMessage> inner, PlaygroundFrames frames) : ChannelReader<JsonRpcMessage>
    {
        public override Task Completion => inner.Completion;

        public override bool TryRead(out JsonRpcMessage item)
        {
            if (!inner.TryRead(out item!)) return false;
            frames.Add(sent: false, item);
            return true;
        }

        public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) => inner.WaitToReadAsync(cancellationToken);
    }
}
