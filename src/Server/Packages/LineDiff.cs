using System.Globalization;
using System.Text;

namespace McpCan.Server.Packages;

/// <summary>A line of a comparison.</summary>
/// <param name="Kind"><c>same</c>, <c>added</c>, <c>removed</c> or <c>hunk</c>.</param>
/// <param name="Old">Number in the old text.</param>
/// <param name="New">Number in the new text.</param>
/// <param name="Text">The line without its end.</param>
public sealed record DiffLine(string Kind, int? Old, int? New, string Text);

/// <summary>Compares two texts line by line (Myers' algorithm, bounded), as unified diffs show it.</summary>
public static class LineDiff
{
    private const int Context = 3;
    private const int MostEdits = 1_000;

    /// <summary>The changed lines with three lines around them; empty when the texts are the same.</summary>
    public static IReadOnlyList<DiffLine> Compare(string before, string after)
    {
        string[] old = Lines(before), now = Lines(after);
        var (start, end) = (0, 0);
        while (start < old.Length && start < now.Length && old[start] == now[start]) start++;
        while (end < old.Length - start && end < now.Length - start && old[^(end + 1)] == now[^(end + 1)]) end++;
        var all = new List<DiffLine>(old.Length + 16);
        for (var i = 0; i < start; i++) all.Add(new("same", i + 1, i + 1, old[i]));
        all.AddRange(Edits(old.AsSpan(start, old.Length - start - end), now.AsSpan(start, now.Length - start - end), start));
        for (var i = end; i > 0; i--) all.Add(new("same", old.Length - i + 1, now.Length - i + 1, old[^i]));
        return Hunks(all);
    }

    /// <summary>The lines as a unified diff.</summary>
    public static string Unified(IEnumerable<DiffLine> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines) text.Append(line.Kind switch { "added" => "+", "removed" => "-", "hunk" => "", _ => " " }).Append(line.Text).Append('\n');
        return text.ToString();
    }

    private static string[] Lines(string text)
    {
        if (text.Length == 0) return [];
        var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
        return lines[^1].Length == 0 ? lines[..^1] : lines;
    }

    private static List<DiffLine> Edits(ReadOnlySpan<string> old, ReadOnlySpan<string> now, int offset)
    {
        var result = new List<DiffLine>();
        if (Path(old, now) is not { } trace)
        {
            // Too different to be worth the time: all of it, first the old, then the new.
            for (var i = 0; i < old.Length; i++) result.Add(new("removed", offset + i + 1, null, old[i]));
            for (var i = 0; i < now.Length; i++) result.Add(new("added", null, offset + i + 1, now[i]));
            return result;
        }
        var (x, y) = (old.Length, now.Length);
        for (var d = trace.Count - 1; d >= 0; d--)
        {
            var (v, k) = (trace[d], x - y);
            var down = d > 0 && (k == -d || (k != d && v[d + k - 1] < v[d + k + 1]));
            var from = d == 0 ? 0 : v[down ? d + k + 1 : d + k - 1];
            var fromY = d == 0 ? 0 : from - (down ? k + 1 : k - 1);
            for (; x > from && y > fromY; x--, y--) result.Add(new("same", offset + x, offset + y, old[x - 1]));
            if (d == 0) break;
            if (down) result.Add(new("added", null, offset + y, now[y - 1]));
            else result.Add(new("removed", offset + x, null, old[x - 1]));
            (x, y) = (from, fromY);
        }
        result.Reverse();
        return result;
    }

    /// <summary>For each number of edits d the furthest points before that step, diagonal k at index d + k; null when there are too many.</summary>
    private static List<int[]>? Path(ReadOnlySpan<string> old, ReadOnlySpan<string> now)
    {
        var most = Math.Min(old.Length + now.Length, MostEdits);
        var v = new int[2 * most + 3];
        var middle = most + 1;
        var trace = new List<int[]>();
        for (var d = 0; d <= most; d++)
        {
            trace.Add(v[(middle - d)..(middle + d + 1)]);
            for (var k = -d; k <= d; k += 2)
            {
                var x = d == 0 ? 0 : k == -d || (k != d && v[middle + k - 1] < v[middle + k + 1]) ? v[middle + k + 1] : v[middle + k - 1] + 1;
                var y = x - k;
                while (x < old.Length && y < now.Length && old[x] == now[y]) (x, y) = (x + 1, y + 1);
                v[middle + k] = x;
                if (x >= old.Length && y >= now.Length) return trace;
            }
        }
        return null;
    }

    private static List<DiffLine> Hunks(List<DiffLine> all)
    {
        var result = new List<DiffLine>();
        for (var i = 0; i < all.Count;)
        {
            var first = all.FindIndex(i, l => l.Kind != "same");
            if (first < 0) break;
            var last = first;
            for (var next = first; next < all.Count && next <= last + 2 * Context; next++)
                if (all[next].Kind != "same") last = next;
            var (from, to) = (Math.Max(i, first - Context), Math.Min(all.Count - 1, last + Context));
            var lines = all[from..(to + 1)];
            result.Add(new("hunk", null, null, $"@@ -{Range(lines, l => l.Old)} +{Range(lines, l => l.New)} @@"));
            result.AddRange(lines);
            i = to + 1;
        }
        return result;
    }

    private static string Range(List<DiffLine> lines, Func<DiffLine, int?> number)
    {
        var numbers = lines.Select(number).OfType<int>().ToList();
        return string.Create(CultureInfo.InvariantCulture, $"{(numbers.Count == 0 ? 0 : numbers[0])},{numbers.Count}");
    }
}
