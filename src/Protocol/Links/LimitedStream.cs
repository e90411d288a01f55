namespace McpCan.Protocol.Links;

/// <summary>A server's body that must not be silent for longer than a limit. Every failure to read is a <see cref="RemoteException"/>.</summary>
public sealed class LimitedStream(Stream inner, TimeSpan silence, TimeProvider time, CancellationToken end) : Stream
{
    readonly CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(end);
    ITimer? timer;

    /// <summary>When bytes came last.</summary>
    public long LastRead { get; private set; } = time.GetTimestamp();

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            var reading = inner.ReadAsync(buffer, cancel.Token);
            if (reading.IsCompleted || silence == Timeout.InfiniteTimeSpan)
            {
                var count = await reading;
                LastRead = time.GetTimestamp();
                return count;
            }
            timer ??= time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), cancel, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            timer.Change(silence, Timeout.InfiniteTimeSpan);
            var read = await reading;
            timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            LastRead = time.GetTimestamp();
            return read;
        }
        catch (OperationCanceledException) when (!end.IsCancellationRequested)
        {
            throw new RemoteException(RemoteFailure.Timeout, $"the server sent nothing for {silence.TotalSeconds:0.#} seconds");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw RemoteException.From(e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        timer?.Dispose();
        inner.Dispose();
        cancel.Dispose();
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    /// <inheritdoc/>
    public override bool CanRead => true;
    /// <inheritdoc/>
    public override bool CanSeek => false;
    /// <inheritdoc/>
    public override bool CanWrite => false;
    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();
    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    /// <inheritdoc/>
    public override void Flush() { }
    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
