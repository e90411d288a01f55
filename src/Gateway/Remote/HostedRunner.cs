using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway.Remote;

/// <summary>Runs an exchange in an engine of this process: seals what the engine names a session, and looks at what passes for the record.</summary>
internal sealed class HostedRunner(Forwarder forwarder, OpenExchanges open, GatewayMetrics metrics)
{
    public async Task RunAsync(GatewayExchange exchange, GatewayRoute route, HostedServer server, long generation)
    {
        var context = exchange.Context;
        var outer = context.RequestAborted;
        var hosted = new HostedExchange(exchange, route, forwarder, generation);
        open.Add(exchange);
        if (exchange.IsStream) metrics.StreamOpened();
        try
        {
            hosted.Enter(exchange.Open());
            await server.HandleAsync(context, exchange.Endpoint);
            hosted.Note();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            if (hosted.TooLarge && !context.Response.HasStarted) await Refusal.TooLarge(route.MaxRequestBytes).SendAsync(exchange, readId: false);
            else if (exchange.Ended == EndReason.None) (exchange.Failure, exchange.Error) = ("client_left", "The client left before the answer.");
        }
        finally
        {
            context.RequestAborted = outer;
            if (exchange.IsStream) metrics.StreamClosed();
            open.Remove(exchange);
        }
    }
}

/// <summary>An exchange as the engine sees it.</summary>
internal sealed class HostedExchange(GatewayExchange exchange, GatewayRoute route, Forwarder forwarder, long generation)
{
    private static readonly object Key = new();
    private EventStreamScanner? _events;
    private EnvelopeScanner? _message;

    public bool TooLarge { get; private set; }

    public void Enter(CancellationToken cancellationToken)
    {
        var context = exchange.Context;
        context.RequestAborted = cancellationToken;
        var headers = context.Request.Headers;
        headers[HeaderRules.Principal] = exchange.Principal;
        headers.Remove(HeaderRules.Session);
        if (exchange.Ticket is { } ticket)
        {
            if (exchange.Endpoint == GatewayEndpoint.Mcp) headers[HeaderRules.Session] = ticket.UpstreamSession;
            else context.Request.QueryString = QueryString.Create("sessionId", ticket.UpstreamSession);
        }
        context.Items[Key] = this;
        context.Response.OnStarting(static state => ((HostedExchange)state).SealSession(), this);
        if (HttpMethods.IsPost(context.Request.Method)) context.Features.Set<IRequestBodyPipeFeature>(new BodyPipe(new WatchedReader(context.Request.BodyReader, this)));
        var response = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        context.Features.Set<IHttpResponseBodyFeature>(new WatchedBody(response, new WatchedWriter(response.Writer, this)));
    }

    /// <summary>The address for the messages of an HTTP+SSE session that the engine opened.</summary>
    public static string MessageAddress(HttpContext context, string session)
    {
        var hosted = (HostedExchange)context.Items[Key]!;
        return Forwarder.MessageAddress(hosted.Exchange, hosted.Forwarder.Issue(hosted.Exchange, hosted.Generation, session));
    }

    private GatewayExchange Exchange => exchange;
    private Forwarder Forwarder => forwarder;
    private long Generation => generation;

    private Task SealSession()
    {
        var headers = exchange.Context.Response.Headers;
        if (headers[HeaderRules.Session] is [{ Length: > 0 } session])
        {
            headers[HeaderRules.Session] = session == exchange.Ticket?.UpstreamSession ? exchange.SealedSession : forwarder.Issue(exchange, generation, session);
        }
        return Task.CompletedTask;
    }

    private void OnRequest(in ReadResult read)
    {
        exchange.RequestBytes += read.Buffer.Length;
        exchange.Request.Feed(read.Buffer);
        if (exchange.RequestBytes <= route.MaxRequestBytes) return;
        TooLarge = true;
        throw new IOException("The request is larger than the instance allows.");
    }

    private void OnResponse(ReadOnlySpan<byte> bytes)
    {
        if (_events is null && _message is null)
        {
            if (exchange.Context.Response.ContentType?.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) == true) _events = new();
            else _message = new();
        }
        if (_message is not null) _message.Feed(bytes);
        else if (!exchange.IsStream) _events!.Feed(bytes);
        exchange.ResponseBytes += bytes.Length;
    }

    /// <summary>What the answer was.</summary>
    public void Note()
    {
        exchange.ErrorCode ??= _message?.ErrorCode ?? _events?.ErrorCode;
        if (_message is { IsToolError: true } || _events is { IsToolError: true }) exchange.Error ??= "The tool reported an error.";
    }

    private sealed class BodyPipe(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader { get; } = reader;
    }

    // The engine takes all of each read, so each read is new.
    private sealed class WatchedReader(PipeReader inner, HostedExchange watcher) : PipeReader
    {
        public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(cancellationToken);
            watcher.OnRequest(read);
            return read;
        }

        public override bool TryRead(out ReadResult result)
        {
            if (!inner.TryRead(out result)) return false;
            watcher.OnRequest(result);
            return true;
        }

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);
        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);
        public override void CancelPendingRead() => inner.CancelPendingRead();
        public override void Complete(Exception? exception = null) => inner.Complete(exception);
    }

    private sealed class WatchedWriter(PipeWriter inner, HostedExchange watcher) : PipeWriter
    {
        private Memory<byte> _last;

        public override Memory<byte> GetMemory(int sizeHint = 0) => _last = inner.GetMemory(sizeHint);
        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override void Advance(int bytes)
        {
            watcher.OnResponse(_last.Span[..bytes]);
            _last = default;
            inner.Advance(bytes);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);
        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;
        public override long UnflushedBytes => inner.UnflushedBytes;
        public override void CancelPendingFlush() => inner.CancelPendingFlush();
        public override void Complete(Exception? exception = null) => inner.Complete(exception);
    }

    private sealed class WatchedBody(IHttpResponseBodyFeature inner, PipeWriter writer) : IHttpResponseBodyFeature
    {
        private Stream? _stream;

        public PipeWriter Writer { get; } = writer;
        public Stream Stream => _stream ??= Writer.AsStream(leaveOpen: true);
        public Task CompleteAsync() => inner.CompleteAsync();
        public void DisableBuffering() => inner.DisableBuffering();
        public Task StartAsync(CancellationToken cancellationToken = default) => inner.StartAsync(cancellationToken);
        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => inner.SendFileAsync(path, offset, count, cancellationToken);
    }
}
