using System.Buffers;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Http;

/// <summary>The body of a POST in one pooled piece.</summary>
struct RequestBody(byte[] array, int start, int length) : IDisposable
{
    public readonly ReadOnlySpan<byte> Span => array.AsSpan(start, length);

    /// <summary>Whether the body is UTF-8, as JSON between systems must be (RFC 8259 §8.1).</summary>
    public readonly bool IsUtf8 => Utf8.IsValid(Span);

    public void Dispose()
    {
        if (array.Length > 0) ArrayPool<byte>.Shared.Return(array);
        array = [];
    }

    /// <summary>Reads the body; null when it is longer than the limit.</summary>
    public static async ValueTask<RequestBody?> ReadAsync(HttpRequest request, int maxBytes)
    {
        if (request.ContentLength > maxBytes) return null;
        var array = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? 4096));
        var length = 0;
        try
        {
            while (true)
            {
                var read = await request.BodyReader.ReadAsync(request.HttpContext.RequestAborted);
                foreach (var part in read.Buffer)
                {
                    if (length + part.Length > maxBytes) return null;
                    if (length + part.Length > array.Length) Grow(ref array, length, length + part.Length);
                    part.Span.CopyTo(array.AsSpan(length));
                    length += part.Length;
                }
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            var start = array.AsSpan(0, length).StartsWith("\uFEFF"u8) ? 3 : 0;
            var body = new RequestBody(array, start, length - start);
            array = [];
            return body;
        }
        finally
        {
            if (array.Length > 0) ArrayPool<byte>.Shared.Return(array);
        }
    }

    static void Grow(ref byte[] array, int length, int needed)
    {
        var bigger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, array.Length * 2));
        array.AsSpan(0, length).CopyTo(bigger);
        ArrayPool<byte>.Shared.Return(array);
        array = bigger;
    }
}
