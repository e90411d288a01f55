using System.Buffers;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sse;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Sessions;

/// <summary>
/// One stream of events to a client: that of a POST, that of the GET, or that of an HTTP+SSE session. Events are
/// kept as they go out, so that a client that comes back with <c>Last-Event-ID</c> gets the later ones, and only
/// those of this stream (spec: basic/transports, Resumability and Redelivery).
/// </summary>
sealed class EventStream
{
    const int HighWater = 1024 * 1024, LowWater = 256 * 1024, WriteAtOnce = 256 * 1024;

    readonly Lock gate;
    readonly ReplayBuffer replay;
    readonly int number;
    readonly bool resumable, blocks;
    readonly Queue<Frame> kept = new();   // sequence firstKept .. next - 1
    readonly Queue<Frame> unwritten = new();
    long next = 1, written;               // the sequence of the next event, of the last one written
    long unread;
    Reader? reader;
    TaskCompletionSource? drained;

    readonly record struct Frame(byte[] Bytes, int Length, long Sequence);

    sealed class Reader(HttpContext http) : IDisposable
    {
        public readonly HttpContext Http = http;
        public readonly SemaphoreSlim Signal = new(0, 1);

        public void Dispose() => Signal.Dispose();
    }

    /// <summary>A stream of a session; the gate is the session's.</summary>
    public EventStream(Lock gate, ReplayBuffer replay, int number, bool resumable, bool blocks)
        => (this.gate, this.replay, this.number, this.resumable, this.blocks) = (gate, replay, number, resumable, blocks);

    public int Number => number;
    public bool IsComplete { get; private set; }
    public bool IsAttached => reader is not null;
    public long EndedAt { get; set; }

    /// <summary>Adds an event. Call with the gate held. The task ends when the client has caught up.</summary>
    public ValueTask Add(Splice message, bool last = false)
    {
        if (IsComplete) return default;
        if (reader is not null && !blocks && unread > replay.Limit) Cut();
        var bytes = ArrayPool<byte>.Shared.Rent(message.Length + SseFrame.Overhead);
        var length = SseFrame.Message(bytes, resumable ? number : -1, next, message);
        Enqueue(new(bytes, length, next++));
        if (last) IsComplete = true;
        Wake();
        if (reader is null || !blocks || unread < HighWater || last) return default;
        drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
        return new(drained.Task);
    }

    /// <summary>No more events will come. Call with the gate held.</summary>
    public void Complete()
    {
        IsComplete = true;
        Wake();
    }

    void Enqueue(Frame frame)
    {
        unwritten.Enqueue(frame);
        unread += frame.Length;
        replay.Added(this, frame.Length);
    }

    /// <summary>Lets go of the oldest event; 0 when it is still to be written to a client that is there.</summary>
    public int DropOldest(bool evenUnread)
    {
        if (kept.Count == 0)
        {
            if (unwritten.Count == 0 || reader is not null && !evenUnread) return 0;
            var lost = unwritten.Dequeue();
            unread -= lost.Length;
            return Free(lost);
        }
        return Free(kept.Dequeue());
    }

    static int Free(Frame frame)
    {
        ArrayPool<byte>.Shared.Return(frame.Bytes);
        return frame.Length;
    }

    /// <summary>
    /// Writes events to a response until the stream is complete, the client leaves or another response takes over.
    /// Events after <paramref name="after"/> come again; null goes on where the last response stopped.
    /// </summary>
    public async Task PumpAsync(HttpContext http, long? after, bool prime, SessionOptions options)
    {
        Reader me;
        var writer = http.Response.BodyWriter;
        lock (gate)
        {
            me = new Reader(http);
            Wake(); // a former reader sees that it was replaced
            reader = me;
            if (after is { } sequence) Rewind(sequence);
            if (prime) writer.Advance(SseFrame.Priming(writer.GetSpan(SseFrame.Overhead), number, written));
        }
        try
        {
            using var stall = new CancellationTokenSource();
            using var aborted = http.RequestAborted.Register(static s => ((CancellationTokenSource)s!).Cancel(), stall);
            while (true)
            {
                bool ended;
                lock (gate)
                {
                    if (reader != me) return;
                    WriteSome(writer);
                    ended = IsComplete && unwritten.Count == 0;
                }
                var flushing = writer.FlushAsync(stall.Token);
                if (!flushing.IsCompleted) stall.CancelAfter(options.StallLimit);
                var flushed = await flushing;
                if (flushed.IsCompleted || flushed.IsCanceled) return;
                stall.CancelAfter(Timeout.InfiniteTimeSpan);
                if (ended) return;
                if (!await me.Signal.WaitAsync(options.KeepAlive, stall.Token)) writer.Write(SseFrame.KeepAlive);
            }
        }
        catch (OperationCanceledException)
        {
            http.Abort(); // gone, or not reading for too long; the events stay for a resumption
        }
        finally
        {
            lock (gate)
            {
                if (reader == me)
                {
                    reader = null;
                    Drained();
                }
                me.Dispose();
            }
        }
    }

    void WriteSome(IBufferWriter<byte> writer)
    {
        var size = 0;
        while (size < WriteAtOnce && unwritten.TryDequeue(out var frame))
        {
            writer.Write(frame.Bytes.AsSpan(0, frame.Length));
            size += frame.Length;
            unread -= frame.Length;
            written = frame.Sequence;
            if (resumable) kept.Enqueue(frame);
            else replay.Removed(Free(frame));
        }
        if (unwritten.Count > 0) Wake();
        if (unread < LowWater) Drained();
    }

    void Rewind(long after)
    {
        Frame[] all = [.. kept, .. unwritten];
        kept.Clear();
        unwritten.Clear();
        unread = 0;
        foreach (var frame in all)
        {
            if (frame.Sequence <= after)
            {
                kept.Enqueue(frame);
                continue;
            }
            unwritten.Enqueue(frame);
            unread += frame.Length;
        }
        written = after;
    }

    /// <summary>Whether an event id that a client names is one of this stream.</summary>
    public bool Knows(long sequence) => sequence >= 0 && sequence < next;

    void Cut()
    {
        reader!.Http.Abort();
        Wake();
        reader = null;
        Drained();
    }

    void Wake()
    {
        if (reader is { Signal.CurrentCount: 0 }) reader.Signal.Release();
    }

    void Drained()
    {
        drained?.TrySetResult();
        drained = null;
    }

    /// <summary>Gives all memory back. Call with the gate held, once nobody reads.</summary>
    public void Clear()
    {
        while (kept.TryDequeue(out var frame)) replay.Removed(Free(frame));
        while (unwritten.TryDequeue(out var frame)) replay.Removed(Free(frame));
        unread = 0;
    }
}
