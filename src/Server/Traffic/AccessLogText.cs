using McpCan.Gateway;

namespace McpCan.Server.Traffic;

/// <summary>Makes what clients said fit for storage: bounded, valid Unicode, no control characters.</summary>
internal static class AccessLogText
{
    public static AccessRecord Clean(AccessRecord record) => record with
    {
        InstanceId = Clean(record.InstanceId, 64),
        TokenId = Clean(record.TokenId, 64),
        ClientName = Clean(record.ClientName, 200),
        ClientVersion = Clean(record.ClientVersion, 100),
        ClientAddress = Clean(record.ClientAddress, 64),
        Session = Clean(record.Session, 64),
        HttpMethod = Clean(record.HttpMethod, 16)!,
        Method = Clean(record.Method, 200),
        Target = Clean(record.Target, 500),
        Error = Clean(record.Error, 500),
        TraceId = Clean(record.TraceId, 64),
        DurationMs = double.IsFinite(record.DurationMs) ? record.DurationMs : 0,
    };

    public static string? Clean(string? text, int most)
    {
        if (text is null || (text.Length <= most && !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))) return text;
        var clean = new char[Math.Min(text.Length, most)];
        for (var i = 0; i < clean.Length; i++)
        {
            var pair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            if (pair && i + 1 < clean.Length)
            {
                clean[i] = text[i];
                clean[++i] = text[i];
            }
            else clean[i] = char.IsSurrogate(text[i]) ? '\uFFFD' : char.IsControl(text[i]) || text[i] is '\u2028' or '\u2029' ? ' ' : text[i];
        }
        return new string(clean);
    }
}
