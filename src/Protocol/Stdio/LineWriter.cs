using System.Buffers;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Stdio;

/// <summary>
/// Writes messages to a server's standard input, one a line. One write runs at a time; what comes in meanwhile
/// is gathered and goes out with the next. Whoever would make the backlog too long waits.
/// </summary>
sealed class LineWriter(Stream stream, Lock gate)
{
    const int MaxBacklog = 4 * 1024 * 1024, Usual = 64 * 1024;
    ArrayBufferWriter<byte> filling = new(4096), sending = new(4096);
    TaskCompletionSource? drained;
    bool isSending, isBroken;

    /// <summary>Adds a message to what is to be sent. Call with the gate held; then <see cref="FlushAsync"/> without it.</summary>
    public bool Add(Splice message)
    {
        if (isBroken) return false;
        var length = message.Length;
        var target = filling.GetSpan(length + 1);
        message.CopyTo(target, oneLine: true);
        target[length] = (byte)'\n';
        filling.Advance(length + 1);
        return true;
    }

    /// <summary>Sends what was added, or leaves it to the write that is under way.</summary>
    public ValueTask FlushAsync()
    {
        lock (gate)
        {
            if (isSending)
            {
                if (filling.WrittenCount < MaxBacklog) return default;
                drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                return new(drained.Task);
            }
            isSending = true;
        }
        var sent = SendAsync();
        return sent.IsCompleted ? default : WaitForLarge(sent);
    }

    // A small message need not be waited for: the pipe is written to behind the caller's back.
    ValueTask WaitForLarge(Task sent) => sending.WrittenCount < MaxBacklog ? default : new(sent);

    async Task SendAsync()
    {
        while (true)
        {
            TaskCompletionSource? waiting;
            lock (gate)
            {
                waiting = drained;
                drained = null;
                if (filling.WrittenCount == 0 || isBroken)
                {
                    isSending = false;
                    waiting?.TrySetResult();
                    return;
                }
                (filling, sending) = (sending, filling);
            }
            waiting?.TrySetResult();
            try
            {
                await stream.WriteAsync(sending.WrittenMemory);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // The end of the server is noticed and reported where its output is read.
                lock (gate) isBroken = true;
            }
            if (sending.Capacity > Usual * 8) sending = new(4096);
            else sending.ResetWrittenCount();
        }
    }
}
