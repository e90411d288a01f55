namespace McpCan.Server.Traffic;

/// <summary>A stored access record; see <see cref="Gateway.AccessRecord"/> for the meaning of the fields.</summary>
public sealed class AccessLogEntry
{
    /// <summary>Rising number; the cursor.</summary>
    public long Id { get; set; }
    /// <summary>Arrival (UTC).</summary>
    public DateTimeOffset Time { get; set; }
    public string? InstanceId { get; set; }
    public string? TokenId { get; set; }
    public string? ClientName { get; set; }
    public string? ClientVersion { get; set; }
    public string? ClientAddress { get; set; }
    public string? Session { get; set; }
    public required string HttpMethod { get; set; }
    public string? Method { get; set; }
    public string? Target { get; set; }
    public int Status { get; set; }
    public int? ErrorCode { get; set; }
    public string? Error { get; set; }
    public double DurationMs { get; set; }
    public long RequestBytes { get; set; }
    public long ResponseBytes { get; set; }
    public string? TraceId { get; set; }
    public string? Era { get; set; }
    public double? FirstByteMs { get; set; }
    /// <summary>The kept payloads, while they are.</summary>
    public string? PayloadId { get; set; }
}

/// <summary>What an exchange carried, redacted and cut. Apart from the records, so that lists stay light and each has its own time to live.</summary>
public sealed class AccessPayload
{
    /// <summary>Random.</summary>
    public required string Id { get; set; }
    /// <summary>Arrival (UTC).</summary>
    public DateTimeOffset Time { get; set; }
    public string? Request { get; set; }
    public string? Response { get; set; }
}
