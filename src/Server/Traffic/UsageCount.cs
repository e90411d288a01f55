namespace McpCan.Server.Traffic;

/// <summary>What a workload used in one minute (after some days: in one hour). Sums and maxima only, so that minutes add up to hours.</summary>
public sealed class UsageCount
{
    /// <summary>Instance.</summary>
    public required string InstanceId { get; set; }
    /// <summary>Start, in minutes since year 1; a multiple of 60 for hours.</summary>
    public long Minute { get; set; }
    /// <summary>How often it was looked at.</summary>
    public int Samples { get; set; }
    /// <summary>Seconds that <see cref="CpuSeconds"/>, <see cref="ReceivedBytes"/> and <see cref="SentBytes"/> were counted over.</summary>
    public double Seconds { get; set; }
    /// <summary>CPU time.</summary>
    public double CpuSeconds { get; set; }
    /// <summary>Resident memory, summed over the samples.</summary>
    public long MemorySum { get; set; }
    /// <summary>Most resident memory at a time.</summary>
    public long MemoryMost { get; set; }
    /// <summary>Most processes at a time.</summary>
    public int ProcessesMost { get; set; }
    /// <summary>Bytes from the network; null where that is not measured.</summary>
    public long? ReceivedBytes { get; set; }
    /// <summary>Bytes to the network; null where that is not measured.</summary>
    public long? SentBytes { get; set; }
}
