using System.Text;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway;

/// <summary>The server's body on its way to the client: each piece is sent on at once, and looked at for how the call was answered.</summary>
internal sealed class ResponseCopy(GatewayExchange exchange, HttpResponseMessage from)
{
    private const int PieceBytes = 16 << 10;
    private readonly bool _stream = HeaderRules.IsEventStream(from);
    private readonly EventStreamScanner? _events = HeaderRules.IsEventStream(from) ? new() : null;
    private readonly EnvelopeScanner? _message = HeaderRules.IsEventStream(from) ? null : new();

    /// <summary>The server's body broke off.</summary>
    public bool ServerBroke { get; private set; }

    /// <summary>How it broke off.</summary>
    public Exception? Failure { get; private set; }

    public bool IsEventStream => _stream;
    public bool Answered => _events?.Answered ?? true;
    public bool BetweenEvents => _events?.BetweenEvents ?? false;
    public bool Resumable => _events?.HasIds ?? false;

    public async Task RunAsync(Stream body, ReadOnlyMemory<byte> first, CancellationToken cancellationToken)
    {
        var writer = exchange.Context.Response.BodyWriter;
        if (!first.IsEmpty) Write(first.Span);
        // Clients wait for the headers of a stream before they go on; the first event may be minutes away.
        if (_stream) await writer.FlushAsync(cancellationToken);
        while (true)
        {
            int read;
            try
            {
#pragma warning disable CA2022 // a read of nothing waits for data, so that a waiting stream holds no buffer
                if (_stream) await body.ReadAsync(Memory<byte>.Empty, cancellationToken);
#pragma warning restore CA2022
                var piece = writer.GetMemory(PieceBytes);
                read = await body.ReadAsync(piece, cancellationToken);
                if (read == 0) break;
                Scan(piece.Span[..read]);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                (ServerBroke, Failure) = (true, e);
                break;
            }
            writer.Advance(read);
            exchange.ResponseBytes += read;
            await writer.FlushAsync(cancellationToken);
        }
        Note();
    }

    /// <summary>Sends an event of our own.</summary>
    public async Task SendEventAsync(ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        Write([.. "event: message\ndata: "u8, .. json.Span, .. "\n\n"u8]);
        await exchange.Context.Response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>The <c>endpoint</c> event with our own address.</summary>
    public static byte[] EndpointEvent(string address) => Encoding.ASCII.GetBytes($"event: endpoint\ndata: {address}\n\n");

    private void Write(ReadOnlySpan<byte> bytes)
    {
        var writer = exchange.Context.Response.BodyWriter;
        bytes.CopyTo(writer.GetSpan(bytes.Length));
        writer.Advance(bytes.Length);
        exchange.ResponseBytes += bytes.Length;
    }

    private void Scan(ReadOnlySpan<byte> piece)
    {
        if (_message is not null) _message.Feed(piece);
        else if (!exchange.IsStream) _events!.Feed(piece);
    }

    private void Note()
    {
        var (code, toolError) = _message is not null ? (_message.ErrorCode, _message.IsToolError) : (_events!.ErrorCode, _events.IsToolError);
        exchange.ErrorCode ??= code;
        if (toolError) exchange.Error ??= "The tool reported an error.";
    }
}
