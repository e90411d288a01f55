using System.Net;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway;

/// <summary>The client's body on its way to the server: counted, scanned, never kept and never cut.</summary>
internal sealed class RequestBody : HttpContent
{
    private readonly GatewayExchange _exchange;
    private readonly long _limit;
    private readonly CancellationToken _cancellation;
    private Task? _copy;

    public RequestBody(GatewayExchange exchange, long limit, CancellationToken cancellationToken)
    {
        (_exchange, _limit, _cancellation) = (exchange, limit, cancellationToken);
        if (exchange.Context.Request.ContentType is { } type) Headers.TryAddWithoutValidation("Content-Type", type);
    }

    /// <summary>The body turned out larger than the limit: the server got no end of message and forgets it.</summary>
    public bool TooLarge { get; private set; }

    /// <summary>The client's body broke off or was malformed at the HTTP level.</summary>
    public bool Broken { get; private set; }

    /// <summary>Waits until nothing reads the client's body any more; required before the exchange ends.</summary>
    public async Task SettleAsync()
    {
        if (_copy is null || _copy.IsCompleted) return;
        _exchange.Cancel();
        await _copy.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _exchange.Context.Request.ContentLength ?? -1;
        return length >= 0;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, _cancellation);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        _copy = CopyAsync(stream, cancellationToken);

    private async Task CopyAsync(Stream stream, CancellationToken cancellationToken)
    {
        var body = _exchange.Context.Request.BodyReader;
        while (true)
        {
            System.IO.Pipelines.ReadResult read;
            try
            {
                read = await body.ReadAsync(cancellationToken);
            }
            catch (Exception e) when (e is IOException or BadHttpRequestException)
            {
                Broken = true;
                throw;
            }
            var data = read.Buffer;
            _exchange.RequestBytes += data.Length;
            if (_exchange.RequestBytes > _limit)
            {
                _exchange.Request.Feed(data); // for the id in the answer
                body.AdvanceTo(data.End);
                TooLarge = true;
                throw new IOException("The request is larger than the instance allows.");
            }
            foreach (var segment in data)
            {
                _exchange.Request.Feed(segment.Span);
                await stream.WriteAsync(segment, cancellationToken);
            }
            body.AdvanceTo(data.End);
            if (read.IsCompleted) return;
        }
    }
}
