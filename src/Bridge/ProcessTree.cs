using System.Globalization;
using System.Text;

namespace McpCan.Bridge;

/// <summary>
/// Finds and ends everything that a server has started, also what left its process group and what lost its parent:
/// by session, by descent, and by a mark in the environment that every descendant inherits.
/// </summary>
static class ProcessTree
{
    /// <summary>The environment variable with the mark.</summary>
    public const string Mark = "MCPCAN_PROCESS";

    readonly record struct Entry(int Pid, int Parent, int Session);

    /// <summary>Kills until nothing is left of the given servers. A mark may be a prefix of several.</summary>
    public static void Kill(string[] marks, IReadOnlyCollection<int> leaders)
    {
        // A process may fork between the look and the kill, so look again until nothing is found.
        var searched = Array.ConvertAll(marks, mark => Encoding.UTF8.GetBytes($"{Mark}={mark}"));
        for (var round = 0; round < 20; round++)
        {
            var found = Find(searched, leaders);
            foreach (var pid in found) Native.Kill(pid, Native.SigKill);
            if (found.Count == 0) return;
            Thread.Sleep(round < 5 ? 2 : 25);
        }
    }

    static HashSet<int> Find(byte[][] marks, IReadOnlyCollection<int> leaders)
    {
        var entries = new List<Entry>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && Read(pid) is { } entry) entries.Add(entry);
        }
        var found = new HashSet<int>();
        foreach (var entry in entries)
        {
            if (entry.Pid == Environment.ProcessId) continue;
            if (leaders.Contains(entry.Session) || leaders.Contains(entry.Pid) || HasMark(entry.Pid, marks)) found.Add(entry.Pid);
        }
        while (entries.FindAll(entry => found.Contains(entry.Parent) && found.Add(entry.Pid)).Count > 0) { }
        return found;
    }

    // /proc/PID/stat: pid (name) state parent group session …; the name may hold anything. Zombies are gone already.
    static Entry? Read(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ', 5);
            if (fields[0] is "Z" or "X") return null;
            return new(pid, int.Parse(fields[1], CultureInfo.InvariantCulture), int.Parse(fields[3], CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static bool HasMark(int pid, byte[][] marks)
    {
        try
        {
            var variables = File.ReadAllBytes($"/proc/{pid}/environ");
            return Array.Exists(marks, mark => variables.AsSpan().IndexOf(mark) >= 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
