using System.Text;
using McpCan.Gateway;

namespace McpCan.Server.Traffic;

/// <summary>Makes what clients said fit for storage: bounded, valid Unicode, no control characters.</summary>
internal static class AccessLogText
{
    /// <summary>Most characters of a payload, whatever an instance is set to.</summary>
    public const int LongestPayload = 512 << 10;

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
        Era = Clean(record.Era, 16),
        RequestPayload = CleanPayload(record.RequestPayload),
        ResponsePayload = CleanPayload(record.ResponsePayload),
        DurationMs = double.IsFinite(record.DurationMs) ? record.DurationMs : 0,
    };

    /// <summary>Lines stay; what databases do not take (NUL, halves of characters) is replaced.</summary>
    private static string? CleanPayload(string? text)
    {
        if (text is null) return null;
        if (text.Length > LongestPayload) text = text[..LongestPayload];
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Replace('\0', '\uFFFD')));
    }

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
