using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>
/// Reads a workload's logs. The workload can write in that folder, so nothing there is trusted: no link is followed, lines are bounded,
/// and what is no log line is left out.
/// </summary>
internal sealed class LogFiles(WorkloadFolder folder, TimeProvider time)
{
    private const int LongestLine = 512 << 10;
    private const int Chunk = 64 << 10;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(80);
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    /// <summary>Lines that were asked for, oldest first.</summary>
    public async IAsyncEnumerable<LogLine> ReadAsync(LogQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var current = folder.Numbers?.Run ?? 0;
        var run = query.Run switch { null or "current" => current, "previous" => current - 1, var text => int.TryParse(text, out var number) ? number : 0 };
        var follows = query.Follow && query.Run is null or "current";
        var last = query.After ?? 0;
        if (run > 0)
        {
            foreach (var line in query.Tail is { } tail ? Tail(run, Math.Clamp(tail, 0, 100_000), l => Wanted(l, query)) : Forward(run, 0).Where(l => Wanted(l, query)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                last = Math.Max(last, line.N);
                yield return line;
            }
            if (query.Tail is not null) last = Math.Max(last, Tail(run, 1, _ => true).Select(l => l.N).FirstOrDefault());
        }
        if (!follows) yield break;
        var position = new Position();
        while (Directory.Exists(folder.Root))
        {
            var now = folder.Numbers?.Run ?? 0;
            for (; run <= now; run++)
            {
                var lines = position.Next(this, run, last);
                foreach (var line in lines)
                {
                    if (line.N <= last) continue;
                    last = line.N;
                    if (Wanted(line, query)) yield return line;
                }
                if (run == now) break;
            }
            await Task.Delay(Pace, time, cancellationToken);
        }
    }

    /// <summary>Highest number of a run's lines, or zero.</summary>
    public long LastNumber(int run) => Tail(run, 1, _ => true).Select(l => l.N).FirstOrDefault();

    /// <summary>The last lines, oldest first.</summary>
    public List<LogLine> Tail(int run, int count, Func<LogLine, bool> wanted)
    {
        var lines = new List<LogLine>();
        foreach (var file in Names(run).Reverse())
        {
            if (lines.Count >= count) break;
            using var stream = Linux.OpenRegular(file);
            if (stream is null) continue;
            lines.AddRange(Backwards(stream).Select(Parse).OfType<LogLine>().Where(wanted).Take(count - lines.Count));
        }
        lines.Reverse();
        return lines;
    }

    /// <summary>Removes the logs of runs before the last ones.</summary>
    public void Prune(int run, int keep)
    {
        foreach (var old in Directory.EnumerateFiles(folder.Logs))
        {
            var digits = new string([.. Path.GetFileName(old).SkipWhile(c => !char.IsAsciiDigit(c)).TakeWhile(char.IsAsciiDigit)]);
            if (!int.TryParse(digits, out var number) || number <= run - keep || number > run) File.Delete(old);
        }
    }

    public string Install(int run) => Path.Combine(folder.Logs, $"install-{run}.ndjson");

    private string[] Names(int run) => [Install(run), Path.Combine(folder.Logs, $"run-{run}.1.ndjson"), Path.Combine(folder.Logs, $"run-{run}.ndjson")];

    private IEnumerable<LogLine> Forward(int run, long after)
    {
        foreach (var file in Names(run))
        {
            using var stream = Linux.OpenRegular(file);
            if (stream is null) continue;
            var lines = new Lines(stream);
            while (lines.Next() is { } text)
            {
                if (Parse(text) is { } line && line.N > after) yield return line;
            }
        }
    }

    private static bool Wanted(LogLine line, LogQuery query) =>
        (query.After is null || line.N > query.After) && (query.Since is null || line.T >= query.Since) && (query.Stream is null || line.Stream == query.Stream);

    private static LogLine? Parse(string text)
    {
        try
        {
            var line = JsonSerializer.Deserialize<LogLine>(text, Web);
            return line is { Stream: not null, Level: not null, Msg: not null } ? line : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Backwards(FileStream stream)
    {
        var rest = Array.Empty<byte>();
        for (var end = stream.Length; end > 0;)
        {
            var size = (int)Math.Min(Chunk, end);
            end -= size;
            var bytes = new byte[size + rest.Length];
            stream.Position = end;
            stream.ReadExactly(bytes.AsSpan(0, size));
            rest.CopyTo(bytes, size);
            var to = bytes.Length;
            for (int at; (at = bytes.AsSpan(0, to).LastIndexOf((byte)'\n')) >= 0; to = at)
            {
                if (to - at > 1) yield return Encoding.UTF8.GetString(bytes, at + 1, to - at - 1);
            }
            rest = to > LongestLine ? [] : bytes[..to];
        }
        if (rest.Length > 0) yield return Encoding.UTF8.GetString(rest);
    }

    /// <summary>Complete lines of a file that may grow.</summary>
    private sealed class Lines(FileStream stream)
    {
        private readonly byte[] _chunk = new byte[Chunk];
        private readonly ArrayBufferWriter<byte> _line = new(1024);
        private int _from, _to;

        public string? Next()
        {
            while (true)
            {
                if (_from == _to)
                {
                    _from = 0;
                    _to = stream.Read(_chunk);
                    if (_to == 0) return null;
                }
                var part = _chunk.AsSpan(_from, _to - _from);
                var at = part.IndexOf((byte)'\n');
                if (_line.WrittenCount < LongestLine) _line.Write(at < 0 ? part : part[..at]);
                _from += at < 0 ? part.Length : at + 1;
                if (at < 0) continue;
                var text = Encoding.UTF8.GetString(_line.WrittenSpan);
                _line.ResetWrittenCount();
                if (text.Length > 0) return text;
            }
        }
    }

    /// <summary>Where following stands: reads on in the newest file, and all of the run's files again when that was replaced.</summary>
    private sealed class Position
    {
        private readonly Dictionary<string, (long Length, DateTime Created)> _seen = [];
        private int _run;

        public IEnumerable<LogLine> Next(LogFiles logs, int run, long after)
        {
            var changed = run != _run;
            _run = run;
            foreach (var file in logs.Names(run))
            {
                var info = new FileInfo(file);
                var now = info.Exists ? (info.Length, info.LastWriteTimeUtc) : (0, default);
                if (_seen.GetValueOrDefault(file) == now) continue;
                _seen[file] = now;
                changed = true;
            }
            return changed ? logs.NewLines(run, after) : [];
        }
    }

    /// <summary>Lines above a number, looked for from the end, so that following a long log stays cheap.</summary>
    private List<LogLine> NewLines(int run, long after)
    {
        var lines = new List<LogLine>();
        foreach (var file in Names(run).Reverse())
        {
            using var stream = Linux.OpenRegular(file);
            if (stream is null) continue;
            var older = false;
            foreach (var line in Backwards(stream).Select(Parse).OfType<LogLine>())
            {
                if (line.N <= after)
                {
                    older = true;
                    break;
                }
                lines.Add(line);
            }
            if (older) break;
        }
        lines.Reverse();
        return lines;
    }
}
