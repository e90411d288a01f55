using System.Runtime.InteropServices;
using McpCan.Gateway;

namespace McpCan.Server.Traffic;

/// <summary>
/// Calls of one minute (after some days: of one hour) that have everything in common, down to the bucket of their duration:
/// sums over any of the columns are right, and so are the percentiles of any sum.
/// </summary>
public sealed class TrafficCount
{
    /// <summary>Start, in minutes since year 1; a multiple of 60 for hours.</summary>
    public long Minute { get; set; }
    /// <summary>Instance; empty when the address named none.</summary>
    public required string InstanceId { get; set; }
    /// <summary>JSON-RPC method; empty when there was none.</summary>
    public required string Method { get; set; }
    /// <summary>Tool, prompt or resource; empty when there was none.</summary>
    public required string Target { get; set; }
    /// <summary>Token; empty without one.</summary>
    public required string TokenId { get; set; }
    /// <summary>Client's name; empty when it said none.</summary>
    public required string Client { get; set; }
    /// <summary>Bucket of the duration; see <see cref="Durations"/>.</summary>
    public int Bucket { get; set; }
    public long Calls { get; set; }
    public long Errors { get; set; }
    public long RequestBytes { get; set; }
    public long ResponseBytes { get; set; }
}

/// <summary>What the calls of a count have in common.</summary>
internal readonly record struct TrafficKey(long Minute, string InstanceId, string Method, string Target, string TokenId, string Client, int Bucket);

/// <summary>Turns a batch of records into counts.</summary>
internal static class TrafficBatch
{
    /// <summary>Counts of the batch, in the order of the table's key, so that two writers never wait for each other crosswise.</summary>
    public static List<TrafficCount> Count(IEnumerable<AccessRecord> records, TrafficNames names)
    {
        var counts = new Dictionary<TrafficKey, TrafficCount>();
        foreach (var record in records)
        {
            if (!TrafficWindow.IsCall(record)) continue;
            var key = names.Key(record);
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, key, out _);
            count ??= new TrafficCount { Minute = key.Minute, InstanceId = key.InstanceId, Method = key.Method, Target = key.Target, TokenId = key.TokenId, Client = key.Client, Bucket = key.Bucket };
            count.Calls++;
            if (TrafficWindow.IsError(record.Status, record.ErrorCode)) count.Errors++;
            count.RequestBytes += record.RequestBytes;
            count.ResponseBytes += record.ResponseBytes;
        }
        return [.. counts.OrderBy(c => c.Key, Order.Instance).Select(c => c.Value)];
    }

    private sealed class Order : IComparer<TrafficKey>
    {
        public static readonly Order Instance = new();

        public int Compare(TrafficKey x, TrafficKey y)
        {
            var order = string.CompareOrdinal(x.InstanceId, y.InstanceId);
            if (order == 0) order = x.Minute.CompareTo(y.Minute);
            if (order == 0) order = string.CompareOrdinal(x.Method, y.Method);
            if (order == 0) order = string.CompareOrdinal(x.Target, y.Target);
            if (order == 0) order = string.CompareOrdinal(x.TokenId, y.TokenId);
            if (order == 0) order = string.CompareOrdinal(x.Client, y.Client);
            return order != 0 ? order : x.Bucket.CompareTo(y.Bucket);
        }
    }
}
