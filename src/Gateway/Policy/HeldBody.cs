using System.Buffers;
using System.IO.Pipelines;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway.Policy;

/// <summary>Reads a request's body whole, because it must be judged before any of it goes on; who reads it afterwards reads it as if nothing had happened.</summary>
internal static class HeldBody
{
    // Of all exchanges together; above it clients are asked to come again.
    private const long MostHeld = 512L << 20;
    private static long held;

    public static async Task<Refusal?> HoldAsync(GatewayExchange exchange, long limit)
    {
        if (exchange.Held is not null) return null;
        var request = exchange.Context.Request;
        if (request.ContentLength > limit) return Refusal.TooLarge(limit);
        var reader = request.BodyReader;
        var body = new ArrayBufferWriter<byte>((int)Math.Clamp(request.ContentLength ?? 1024, 256, 1 << 20));
        var counted = 0L;
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(exchange.Context.RequestAborted);
                var length = read.Buffer.Length;
                counted += length;
                if (Interlocked.Add(ref held, length) > MostHeld) return Busy(exchange);
                if (body.WrittenCount + length > limit)
                {
                    exchange.Request.Feed(body.WrittenSpan); // for the id in the answer
                    exchange.Request.Feed(read.Buffer);
                    exchange.RequestBytes = body.WrittenCount + length;
                    reader.AdvanceTo(read.Buffer.End);
                    return Refusal.TooLarge(limit);
                }
                foreach (var segment in read.Buffer) body.Write(segment.Span);
                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException or OperationCanceledException)
        {
            Release(counted);
            return new(400, McpErrors.InvalidRequest, "broken_body", "The request's body broke off or is malformed.");
        }
        catch
        {
            Release(counted);
            throw;
        }
        exchange.Context.Response.OnCompleted(() =>
        {
            Release(counted);
            return Task.CompletedTask;
        });
        Put(exchange, body.WrittenMemory);
        return null;
    }

    private static void Put(GatewayExchange exchange, ReadOnlyMemory<byte> body)
    {
        exchange.Held = body;
        exchange.Context.Request.Body = new MemoryStream(body.ToArray(), writable: false);
        exchange.Context.Features.Set<IRequestBodyPipeFeature>(new Pipe(PipeReader.Create(new ReadOnlySequence<byte>(body))));
    }

    private static Refusal Busy(GatewayExchange exchange)
    {
        exchange.Context.Response.Headers.RetryAfter = "2";
        return new(503, McpErrors.Refused, "busy", "Too many large requests are under way here. Try again in a moment.");
    }

    private static void Release(long bytes) => Interlocked.Add(ref held, -bytes);

    private sealed class Pipe(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader { get; } = reader;
    }
}
