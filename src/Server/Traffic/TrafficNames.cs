using McpCan.Gateway;

namespace McpCan.Server.Traffic;

/// <summary>
/// Bounds what clients choose freely: of every instance so many methods, tools and clients are counted by name, the rest as "(other)".
/// A name that was quiet for an hour makes room; names that only ever failed (made-up tools) get at most half of the places.
/// For one thread: the writer's.
/// </summary>
internal sealed class TrafficNames(int most = 200)
{
    public const string Other = "(other)";
    private const int MostInstances = 10_000;
    private readonly Dictionary<(string Instance, char Kind), Dictionary<string, Seen>> _names = [];

    /// <summary>What the record is counted under.</summary>
    public TrafficKey Key(AccessRecord record)
    {
        var minute = record.Time.UtcTicks / TimeSpan.TicksPerMinute;
        var (instance, failed) = (record.InstanceId ?? "", TrafficWindow.IsError(record.Status, record.ErrorCode));
        return new(minute, instance, Known(instance, 'm', record.Method, minute, failed), Known(instance, 't', record.Target, minute, failed),
            record.TokenId ?? "", Known(instance, 'c', record.ClientName, minute, failed), Durations.Bucket(record.DurationMs));
    }

    private string Known(string instance, char kind, string? name, long minute, bool failed)
    {
        if (string.IsNullOrEmpty(name)) return "";
        if (!_names.TryGetValue((instance, kind), out var names))
        {
            if (_names.Count >= MostInstances) _names.Clear();
            _names[(instance, kind)] = names = new Dictionary<string, Seen>(StringComparer.Ordinal);
        }
        if (names.TryGetValue(name, out var seen))
        {
            names[name] = new Seen(Math.Max(minute, seen.Minute), seen.OnlyFailed && failed);
            return name;
        }
        if (names.Count >= most || (failed && names.Count >= most / 2))
        {
            foreach (var (old, when) in names)
            {
                if (when.Minute < minute - 60) names.Remove(old);
            }
        }
        if (names.Count >= most || (failed && names.Values.Count(s => s.OnlyFailed) >= most / 2)) return Other;
        names[name] = new Seen(minute, failed);
        return name;
    }

    private readonly record struct Seen(long Minute, bool OnlyFailed);
}
