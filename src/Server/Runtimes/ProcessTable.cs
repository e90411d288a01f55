using System.Globalization;
using System.Text;

namespace McpCan.Server.Runtimes;

/// <summary>A process that cannot be mistaken for a later one with the same number.</summary>
/// <param name="Pid">Number.</param>
/// <param name="Ticks">When it started, in the kernel's ticks since boot.</param>
internal sealed record ProcessRef(int Pid, long Ticks)
{
    public bool Alive => ProcessTable.Read(Pid) is { } entry && entry.Ticks == Ticks;

    /// <summary>Signals the process if it is still the same one.</summary>
    public void Signal(int signal)
    {
        if (Alive) _ = Linux.Kill(Pid, signal);
    }
}

/// <summary>Reads /proc.</summary>
internal static class ProcessTable
{
    /// <summary>The environment variable that names whose workload a process belongs to: installation/instance/generation.</summary>
    public const string Mark = "MCPCAN_WORKLOAD";
    private const double TicksPerSecond = 100;

    public readonly record struct Entry(int Pid, int Parent, long Ticks, double CpuSeconds, long MemoryBytes);

    /// <summary>The process, or null when there is none or it has ended (a zombie counts as ended).</summary>
    public static Entry? Read(int pid)
    {
        try
        {
            // pid (name) state parent …; the name may hold anything. Field 3 of the manual is fields[0].
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            if (fields[0] is "Z" or "X") return null;
            long Number(int i) => long.Parse(fields[i], CultureInfo.InvariantCulture);
            return new(pid, (int)Number(1), Number(19), (Number(11) + Number(12)) / TicksPerSecond, Number(21) * Environment.SystemPageSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    public static ProcessRef? Reference(int pid) => Read(pid) is { } entry ? new(pid, entry.Ticks) : null;

    public static List<Entry> All()
    {
        var all = new List<Entry>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && Read(pid) is { } entry) all.Add(entry);
        }
        return all;
    }

    public static ProcessRef? FirstChild(int pid) => All().Where(e => e.Parent == pid).Select(e => new ProcessRef(e.Pid, e.Ticks)).FirstOrDefault();

    /// <summary>The processes with these numbers and all their descendants.</summary>
    public static List<Entry> Trees(params int[] roots)
    {
        var all = All();
        var found = roots.ToHashSet();
        while (all.FindAll(e => found.Contains(e.Parent) && found.Add(e.Pid)).Count > 0) { }
        return all.FindAll(e => found.Contains(e.Pid));
    }

    /// <summary>Processes whose mark starts with the text, each with its whole mark.</summary>
    public static List<(ProcessRef Process, string Mark)> Marked(string prefix)
    {
        var searched = Encoding.UTF8.GetBytes($"{Mark}={prefix}");
        var found = new List<(ProcessRef, string)>();
        foreach (var entry in All())
        {
            if (entry.Pid == Environment.ProcessId) continue;
            if (FindMark(entry.Pid, searched) is { } mark) found.Add((new ProcessRef(entry.Pid, entry.Ticks), mark));
        }
        return found;
    }

    private static string? FindMark(int pid, byte[] searched)
    {
        try
        {
            var variables = File.ReadAllBytes($"/proc/{pid}/environ").AsSpan();
            for (var at = 0; at < variables.Length;)
            {
                var length = variables[at..].IndexOf((byte)0);
                var variable = length < 0 ? variables[at..] : variables.Slice(at, length);
                if (variable.StartsWith(searched)) return Encoding.UTF8.GetString(variable[(Mark.Length + 1)..]);
                at += variable.Length + 1;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // gone, or another user's
        }
        return null;
    }
}
