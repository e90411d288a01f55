using System.Buffers;
using System.IO.Pipelines;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway.Policy;

/// <summary>
/// A response body that lets nothing closed through: whoever writes it writes as ever. An event stream is held until each event is whole,
/// a JSON answer until its end.
/// </summary>
#pragma warning disable CA1001 // a semaphore that nobody waits for by its handle has nothing to free
internal sealed class PolicyBody(GatewayExchange exchange, IHttpResponseBodyFeature inner) : PipeWriter, IHttpResponseBodyFeature
#pragma warning restore CA1001
{
    private const int Most = 64 << 20;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private ArrayBufferWriter<byte>? _held;
    private int _scanned;
    private int _line;
    private bool _begun, _stream, _told, _off, _ended, _first = true;

    /// <summary>Whether an answer in JSON is a list, or may be; event streams are always judged.</summary>
    public bool Wanted { get; init; }
    /// <summary>Told once, when an event stream is open and its session known.</summary>
    public Action<PolicyBody>? StreamOpened { get; init; }

    public Stream Stream => field ??= AsStream(leaveOpen: true);

    public PipeWriter Writer => this;

    public override bool CanGetUnflushedBytes => inner.Writer.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.Writer.UnflushedBytes + (_held?.WrittenCount ?? 0);

    /// <summary>What was held is dropped and all that follows is our own.</summary>
    public void Discard() => (_off, _held) = (true, null);

    /// <summary>Sends an event of our own between two of the server's; false when the stream has ended.</summary>
    public async ValueTask<bool> TrySendEventAsync(ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            if (_ended || exchange.ClientGone) return false;
            inner.Writer.Write([.. "event: message\ndata: "u8, .. json.Span, .. "\n\n"u8]);
            return !(await inner.Writer.FlushAsync(cancellationToken)).IsCompleted;
        }
        catch (Exception e) when (e is InvalidOperationException or IOException)
        {
            return false;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>The end of the answer: what is held is judged and sent, and nothing after it, since the connection may belong to another exchange then.</summary>
    public async Task FinishAsync()
    {
        await _writing.WaitAsync();
        try
        {
            if (!_off && !exchange.ClientGone && _held is { WrittenCount: > 0 } held)
            {
                if (!_begun) Begin();
                if (!_off && !_stream) Answer(held.WrittenSpan); // a torn event is dropped, as by the client
                _held = null;
                await inner.Writer.FlushAsync(exchange.Context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // the client left
        }
        finally
        {
            Discard();
            _ended = true;
            _writing.Release();
        }
    }

    public override Memory<byte> GetMemory(int sizeHint = 0) => _off ? inner.Writer.GetMemory(sizeHint) : Held.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        if (_off) inner.Writer.Advance(bytes);
        else Held.Advance(bytes);
    }

    public override async ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_off) return await inner.Writer.FlushAsync(cancellationToken);
        if (!_begun) Begin();
        if (_off) return await inner.Writer.FlushAsync(cancellationToken);
        if (_held?.WrittenCount > Most)
        {
            exchange.Error = "An answer was too large to be judged by the token's rules.";
            exchange.Context.Abort();
            throw new IOException(exchange.Error);
        }
        if (!_stream) return new FlushResult(false, false);
        if (!_told && exchange.Ticket is not null)
        {
            _told = true;
            StreamOpened?.Invoke(this);
        }
        await _writing.WaitAsync(cancellationToken);
        try
        {
            PassEvents();
            return await inner.Writer.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    public override void CancelPendingFlush() => inner.Writer.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Writer.Complete(exception);

    public void DisableBuffering() => inner.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (!_begun && !_off) Begin();
        return _stream || _off ? inner.StartAsync(cancellationToken) : Task.CompletedTask;
    }

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public async Task CompleteAsync()
    {
        await FinishAsync();
        await inner.CompleteAsync();
    }

    private ArrayBufferWriter<byte> Held => _held ??= new(256);

    private void Begin()
    {
        _begun = true;
        var response = exchange.Context.Response;
        _stream = response.ContentType is { } type && type.TrimStart().StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);
        if (!_stream && !Wanted)
        {
            PassAll();
            return;
        }
        response.ContentLength = null;
    }

    // The answer is no list: it passes as if nobody stood here.
    private void PassAll()
    {
        if (_held is { } held) inner.Writer.Write(held.WrittenSpan);
        Discard();
    }

    private void PassEvents()
    {
        if (_held is not { } held) return;
        var bytes = held.WrittenSpan;
        var start = 0;
        while (EventEnd(bytes) is > 0 and var end)
        {
            Emit(bytes[start..end]);
            start = end;
        }
        if (start == bytes.Length)
        {
            (_held, _scanned, _line) = (null, 0, 0); // an idle stream holds no buffer
            return;
        }
        if (start == 0) return;
        var rest = new ArrayBufferWriter<byte>(bytes.Length - start);
        rest.Write(bytes[start..]);
        (_held, _scanned, _line) = (rest, _scanned - start, _line - start);
    }

    // Where the next event with its blank line ends, or 0. A torn CR LF counts as one line's end and a blank line of its own, which is harmless.
    private int EventEnd(ReadOnlySpan<byte> bytes)
    {
        while (_scanned < bytes.Length)
        {
            var next = bytes[_scanned..].IndexOfAny((byte)'\r', (byte)'\n');
            if (next < 0)
            {
                _scanned = bytes.Length;
                return 0;
            }
            var at = _scanned + next;
            var blank = at == _line;
            var after = at + 1 < bytes.Length && bytes[at] == (byte)'\r' && bytes[at + 1] == (byte)'\n' ? at + 2 : at + 1;
            (_scanned, _line) = (after, after);
            if (blank) return after;
        }
        return 0;
    }

    private void Emit(ReadOnlySpan<byte> block)
    {
        var first = _first;
        _first = false;
        if (exchange.Policy is not { HasRules: true } policy)
        {
            inner.Writer.Write(block);
            return;
        }
        EventFilter.Apply(block, policy, inner.Writer, first);
    }

    private void Answer(ReadOnlySpan<byte> json)
    {
        var outcome = FilterOutcome.Unchanged;
        var changed = new ArrayBufferWriter<byte>(256);
        if (exchange.Policy is { HasRules: true } policy)
        {
            outcome = exchange.Context.Response.Headers.ContentEncoding.Count > 0 ? FilterOutcome.Broken : ListFilter.Apply(json, policy, changed);
            if (outcome == FilterOutcome.Broken && !EventFilter.Suspicious(json)) outcome = FilterOutcome.Unchanged;
        }
        if (outcome is FilterOutcome.Broken or FilterOutcome.Dropped)
        {
            changed = new(256);
            var refusal = new Refusal(502, McpErrors.InternalError, "policy", "The server's answer cannot be read, so it cannot be checked against this token's rules.");
            (exchange.Error, exchange.ErrorCode, exchange.Failure) = (refusal.Text, refusal.Code, refusal.Failure);
            refusal.Write(changed, exchange);
            exchange.Context.Response.Headers.ContentEncoding = default;
            exchange.Context.Response.ContentType = "application/json";
            exchange.Context.Response.StatusCode = refusal.Status;
        }
        var body = outcome == FilterOutcome.Unchanged ? json : changed.WrittenSpan;
        if (!exchange.Context.Response.HasStarted) exchange.Context.Response.ContentLength = body.Length;
        inner.Writer.Write(body);
    }
}
