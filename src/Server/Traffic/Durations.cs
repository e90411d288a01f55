namespace McpCan.Server.Traffic;

/// <summary>Counts durations in buckets that grow by a fifth of e (22 %), from 0.1 ms to 3 hours; percentiles are as exact as a bucket is wide.</summary>
internal static class Durations
{
    /// <summary>Steps per factor of e.</summary>
    public const int Steps = 5;
    public const double Least = 0.1;
    public const double Most = 1e7;
    /// <summary>Logarithm step of the first bucket.</summary>
    public static readonly int First = (int)Math.Floor(Math.Log(Least) * Steps);

    /// <summary>Number of buckets.</summary>
    public static readonly int Count = (int)Math.Floor(Math.Log(Most) * Steps) - First + 1;

    /// <summary>The bucket of a duration, by the same formula that SQL uses.</summary>
    public static int Bucket(double milliseconds) => FromLog((long)Math.Floor(Math.Log(Math.Clamp(milliseconds, Least, Most)) * Steps));

    /// <summary>The bucket of a logarithm that was computed in the database.</summary>
    public static int FromLog(long step) => (int)Math.Clamp(step - First, 0, Count - 1);

    /// <summary>The duration that the given share of all calls did not exceed, or null without calls.</summary>
    public static double? Percentile(ReadOnlySpan<long> buckets, double share)
    {
        long total = 0;
        foreach (var n in buckets) total += n;
        if (total == 0) return null;
        var rank = share * total;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (buckets[i] == 0) continue;
            if (rank <= buckets[i])
            {
                var (low, high) = (Math.Exp((First + i) / (double)Steps), Math.Exp((First + i + 1) / (double)Steps));
                return Math.Round(low + (high - low) * (rank / buckets[i]), 2);
            }
            rank -= buckets[i];
        }
        return Math.Round(Most);
    }
}
