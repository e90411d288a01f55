using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;

namespace McpCan.Gateway;

/// <summary>
/// The first event of HTTP+SSE (2024-11-05): it names the address that messages are posted to. The server's own address must not reach
/// the client, so everything up to this event is held and the event is written anew.
/// </summary>
internal sealed class EndpointEvent
{
    private const int Longest = 16 << 10;
    private readonly ArrayBufferWriter<byte> _held = new(1024);

    /// <summary>What follows the event in what was read.</summary>
    public ReadOnlyMemory<byte> Rest { get; private set; }

    /// <summary>Reads until the event is whole and gives the address in it; null when the server sent something else.</summary>
    public async Task<string?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var start = 0;
        while (_held.WrittenCount < Longest)
        {
            var read = await stream.ReadAsync(_held.GetMemory(1024), cancellationToken);
            if (read == 0) return null;
            _held.Advance(read);
            while (EndOf(_held.WrittenSpan[start..]) is > 0 and var length)
            {
                var text = Encoding.UTF8.GetString(_held.WrittenSpan.Slice(start, length));
                start += length;
                if (!Parse(text, out var data)) continue; // a comment or a retry line before it
                Rest = _held.WrittenMemory[start..];
                return data;
            }
        }
        return null;
    }

    // Length of the first whole event with its blank line, or 0. All three line ends of the SSE format are known.
    private static int EndOf(ReadOnlySpan<byte> bytes)
    {
        var lineStart = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] is not ((byte)'\r' or (byte)'\n')) continue;
            var blank = i == lineStart;
            if (bytes[i] == (byte)'\r' && i + 1 < bytes.Length && bytes[i + 1] == (byte)'\n') i++;
            if (blank) return i + 1;
            lineStart = i + 1;
        }
        return 0;
    }

    // False when the block dispatches no event; data is null when the event is another than "endpoint".
    private static bool Parse(string block, out string? data)
    {
        string? name = null;
        data = null;
        foreach (var line in block.Split(["\r\n", "\r", "\n"], StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("event:", StringComparison.Ordinal)) name = line["event:".Length..].Trim();
            else if (line.StartsWith("data:", StringComparison.Ordinal)) data = line["data:".Length..].Trim();
        }
        if (data is null) return false;
        if (name != "endpoint") data = null;
        return true;
    }

    /// <summary>The session id in our bridge's address.</summary>
    public static string? SessionIn(string address)
    {
        var query = address.IndexOf('?');
        if (query < 0) return null;
        var values = QueryHelpers.ParseQuery(address[query..]);
        return values.TryGetValue("sessionId", out var id) || values.TryGetValue("session_id", out id) ? id.ToString() : null;
    }
}
