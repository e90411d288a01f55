using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace McpCan.Server.Traffic;

/// <summary>Writes access records as text for other programs.</summary>
internal static class AccessLogExport
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n;\t'");
    private static readonly (string Name, Func<AccessLogView, IFormattable?> Number, Func<AccessLogView, string?> Text)[] Columns =
    [
        ("time", _ => null, r => r.Time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        ("instanceId", _ => null, r => r.InstanceId), ("instance", _ => null, r => r.Instance),
        ("tokenId", _ => null, r => r.TokenId), ("token", _ => null, r => r.Token),
        ("clientName", _ => null, r => r.ClientName), ("clientVersion", _ => null, r => r.ClientVersion), ("clientAddress", _ => null, r => r.ClientAddress),
        ("session", _ => null, r => r.Session), ("era", _ => null, r => r.Era), ("httpMethod", _ => null, r => r.HttpMethod), ("method", _ => null, r => r.Method), ("target", _ => null, r => r.Target),
        ("status", r => r.Status, _ => null), ("errorCode", r => r.ErrorCode, _ => null), ("error", _ => null, r => r.Error),
        ("durationMs", r => r.DurationMs, _ => null), ("firstByteMs", r => r.FirstByteMs, _ => null), ("requestBytes", r => r.RequestBytes, _ => null), ("responseBytes", r => r.ResponseBytes, _ => null),
        ("traceId", _ => null, r => r.TraceId),
    ];

    public static async Task WriteCsvAsync(Stream stream, IAsyncEnumerable<AccessLogView> records, CancellationToken cancellationToken)
    {
        await using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\r\n" };
        await writer.WriteLineAsync(string.Join(',', Columns.Select(c => c.Name)).AsMemory(), cancellationToken);
        await foreach (var record in records.WithCancellation(cancellationToken))
            await writer.WriteLineAsync(string.Join(',', Columns.Select(c => c.Number(record)?.ToString(null, CultureInfo.InvariantCulture) ?? Field(c.Text(record)))).AsMemory(), cancellationToken);
    }

    public static async Task WriteLinesAsync(Stream stream, IAsyncEnumerable<AccessLogView> records, JsonSerializerOptions json, CancellationToken cancellationToken)
    {
        await foreach (var record in records.WithCancellation(cancellationToken))
        {
            await JsonSerializer.SerializeAsync(stream, record, json, cancellationToken);
            await stream.WriteAsync("\n"u8.ToArray(), cancellationToken);
        }
    }

    /// <summary>Text that a table program would run as a formula gets an apostrophe in front; clients choose these texts.</summary>
    internal static string Field(string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        if (text[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '＝' or '＋' or '－' or '＠') text = "'" + text;
        return text.AsSpan().ContainsAny(Special) || text != text.Trim() ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }
}
