using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway;

/// <summary>The first bytes of a body, kept while it passes.</summary>
internal sealed class PayloadCopy(int most)
{
    private byte[] _bytes = [];
    private int _kept;

    /// <summary>Bytes of the whole body.</summary>
    public long Total { get; private set; }
    public ReadOnlySpan<byte> Kept => _bytes.AsSpan(0, _kept);
    public bool Cut => Total > _kept;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        Total += bytes.Length;
        bytes = bytes[..Math.Min(bytes.Length, most - _kept)];
        if (bytes.IsEmpty) return;
        if (_kept + bytes.Length > _bytes.Length) Array.Resize(ref _bytes, Math.Min(most, Math.Max(_kept + bytes.Length, _bytes.Length * 2)));
        bytes.CopyTo(_bytes.AsSpan(_kept));
        _kept += bytes.Length;
    }
}

/// <summary>A request body that leaves a copy of what was consumed.</summary>
internal sealed class CopyingReader(PipeReader inner, PayloadCopy copy) : PipeReader, IRequestBodyPipeFeature
{
    private ReadOnlySequence<byte> _last;

    public PipeReader Reader => this;

    public override bool TryRead(out ReadResult result)
    {
        if (!inner.TryRead(out result)) return false;
        _last = result.Buffer;
        return true;
    }

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var result = await inner.ReadAsync(cancellationToken);
        _last = result.Buffer;
        return result;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        foreach (var segment in _last.Slice(_last.Start, consumed)) copy.Add(segment.Span);
        _last = default;
        inner.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead() => inner.CancelPendingRead();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);
}

/// <summary>A response body that leaves a copy of what was written.</summary>
internal sealed class CopyingBody(IHttpResponseBodyFeature inner, PayloadCopy copy) : PipeWriter, IHttpResponseBodyFeature
{
    private Memory<byte> _memory;
    private Stream? _stream;

    public Stream Stream => _stream ??= AsStream(leaveOpen: true);

    public PipeWriter Writer => this;

    public override bool CanGetUnflushedBytes => inner.Writer.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.Writer.UnflushedBytes;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _memory = inner.Writer.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        copy.Add(_memory.Span[..bytes]);
        _memory = _memory[bytes..];
        inner.Writer.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.Writer.FlushAsync(cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        copy.Add(source.Span);
        return inner.Writer.WriteAsync(source, cancellationToken);
    }

    public override void CancelPendingFlush() => inner.Writer.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Writer.Complete(exception);

    public void DisableBuffering() => inner.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default) => inner.StartAsync(cancellationToken);

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => inner.SendFileAsync(path, offset, count, cancellationToken);

    public Task CompleteAsync() => inner.CompleteAsync();
}
