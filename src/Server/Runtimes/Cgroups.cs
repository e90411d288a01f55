using System.Globalization;

namespace McpCan.Server.Runtimes;

/// <summary>Control groups of a workload: version 2 where the needed controllers are there, else version 1, else none.</summary>
internal sealed class Cgroups
{
    private readonly Dictionary<string, string> _parents = [];
    private readonly bool _second;

    private Cgroups(bool second) => _second = second;

    public string? Version => _parents.Count == 0 ? null : _second ? "v2" : "v1";

    /// <summary>Finds for each controller a folder that may be written, once per server.</summary>
    public static Cgroups Detect(string installation)
    {
        var second = new Cgroups(second: true);
        var first = new Cgroups(second: false);
        try
        {
            var own = File.ReadLines("/proc/self/cgroup").Select(l => l.Split(':', 3)).Where(p => p.Length == 3).ToList();
            foreach (var mount in File.ReadLines("/proc/self/mounts").Select(l => l.Split(' ')).Where(m => m.Length > 3))
            {
                if (mount[2] == "cgroup2") second.Use(["memory", "pids", "cpu"], mount[1], own.Find(p => p[0] == "0")?[2], installation);
                if (mount[2] != "cgroup") continue;
                var controllers = mount[3].Split(',').Intersect(["memory", "pids", "cpu", "cpuacct"]).ToArray();
                first.Use(controllers, mount[1], own.Find(p => p[1].Split(',').Intersect(controllers).Any())?[2], installation);
            }
        }
        catch (IOException)
        {
            // not Linux, or nothing of it is mounted
        }
        return second._parents.Count > 0 ? second : first;
    }

    public bool Has(string controller) => _parents.ContainsKey(controller);

    /// <summary>Makes the workload's groups; the result is their folders.</summary>
    public string[] Create(string name, WorkloadLimits limits)
    {
        var folders = _parents.Values.Distinct().Select(p => Path.Combine(p, name)).ToArray();
        foreach (var folder in folders) Directory.CreateDirectory(folder);
        if (limits.MemoryBytes > 0 && _parents.TryGetValue("memory", out var memory))
        {
            memory = Path.Combine(memory, name);
            var bytes = limits.MemoryBytes.ToString(CultureInfo.InvariantCulture);
            if (_second)
            {
                Write(memory, "memory.max", bytes);
                TryWrite(memory, "memory.swap.max", "0");
                TryWrite(memory, "memory.oom.group", "0");
            }
            else
            {
                // A limit that stands from an earlier run may not end above the sum's limit: open that one first.
                TryWrite(memory, "memory.memsw.limit_in_bytes", "-1");
                Write(memory, "memory.limit_in_bytes", bytes);
                TryWrite(memory, "memory.memsw.limit_in_bytes", bytes);
            }
        }
        if (limits.Pids > 0 && _parents.TryGetValue("pids", out var pids)) Write(Path.Combine(pids, name), "pids.max", limits.Pids.ToString(CultureInfo.InvariantCulture));
        if (limits.Cpus > 0 && _parents.TryGetValue("cpu", out var cpu))
        {
            var quota = Math.Max(1000, (long)(limits.Cpus * 100_000)).ToString(CultureInfo.InvariantCulture);
            cpu = Path.Combine(cpu, name);
            if (_second)
            {
                Write(cpu, "cpu.max", quota + " 100000");
            }
            else
            {
                Write(cpu, "cpu.cfs_period_us", "100000");
                Write(cpu, "cpu.cfs_quota_us", quota);
            }
        }
        return folders;
    }

    /// <summary>Kills what is in the groups. False while something is left.</summary>
    public static bool Kill(IEnumerable<string> folders)
    {
        var empty = true;
        foreach (var folder in folders)
        {
            if (!Directory.Exists(folder)) continue;
            if (File.Exists(Path.Combine(folder, "cgroup.kill"))) TryWrite(folder, "cgroup.kill", "1");
            foreach (var pid in Lines(Path.Combine(folder, "cgroup.procs")))
            {
                if (!int.TryParse(pid, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number <= 1 || number == Environment.ProcessId) continue;
                empty = false;
                _ = Linux.Kill(number, Linux.SigKill);
            }
        }
        return empty;
    }

    public static void Remove(IEnumerable<string> folders)
    {
        foreach (var folder in folders)
        {
            try
            {
                if (Directory.Exists(folder)) Directory.Delete(folder); // only when empty; the files in it are none
            }
            catch (IOException)
            {
                // A process is still on its way out; the sweep removes it later.
            }
        }
    }

    /// <summary>Removes the empty groups of this installation that belong to no workload any more.</summary>
    public void Sweep(Func<string, bool> inUse)
    {
        foreach (var parent in _parents.Values.Distinct().Where(Directory.Exists))
        {
            Remove(Directory.EnumerateDirectories(parent).Where(d => !inUse(Path.GetFileName(d))).ToList());
        }
    }

    /// <summary>Removes the installation's own groups, when nothing is in them any more.</summary>
    public void Dissolve() => Remove(_parents.Values.Distinct());

    /// <summary>How often the kernel ended a process of the group for want of memory.</summary>
    public static long OutOfMemory(IEnumerable<string> folders) => folders.Max(f => (long?)Math.Max(Field(f, "memory.oom_control", "oom_kill"), Field(f, "memory.events", "oom_kill"))) ?? 0;

    /// <summary>CPU time and memory, each null when no group tells.</summary>
    public static (double? Cpu, long? Memory) Usage(IEnumerable<string> folders)
    {
        double? cpu = null;
        long? memory = null;
        foreach (var folder in folders)
        {
            if (Number(folder, "cpuacct.usage") is { } nanoseconds) cpu = nanoseconds / 1e9;
            if (File.Exists(Path.Combine(folder, "memory.current"))) memory = Math.Max(0, (Number(folder, "memory.current") ?? 0) - Field(folder, "memory.stat", "inactive_file"));
            else if (File.Exists(Path.Combine(folder, "memory.usage_in_bytes"))) memory = Field(folder, "memory.stat", "total_rss");
            if (Field(folder, "cpu.stat", "usage_usec") is > 0 and var microseconds) cpu = microseconds / 1e6;
        }
        return (cpu, memory);
    }

    /// <summary>Processes and threads now; null when no group tells.</summary>
    public static int? Count(IEnumerable<string> folders) => (int?)folders.Select(f => Number(f, "pids.current")).FirstOrDefault(n => n is not null);

    /// <summary>Bytes that came from and went to the network of the first process, which must have one of its own.</summary>
    public static (long? Received, long? Sent) Network(IEnumerable<string> folders)
    {
        var process = folders.SelectMany(f => Lines(Path.Combine(f, "cgroup.procs"))).FirstOrDefault();
        long? received = null, sent = null;
        // inter-face | receive: bytes packets errs drop fifo frame compressed multicast | transmit: bytes …
        foreach (var line in process is null ? [] : Lines($"/proc/{process}/net/dev"))
        {
            if (line.Split(':') is not [var name, var numbers] || name.Trim() == "lo") continue;
            var fields = numbers.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 9 || !long.TryParse(fields[0], out var from) || !long.TryParse(fields[8], out var to)) continue;
            (received, sent) = ((received ?? 0) + from, (sent ?? 0) + to);
        }
        return (received, sent);
    }

    private void Use(string[] controllers, string mount, string? own, string installation)
    {
        foreach (var start in new[] { own is null ? mount : mount + own.TrimEnd('/'), mount }.Distinct().Where(Directory.Exists))
        {
            var path = start;
            try
            {
                var available = _second ? Lines(Path.Combine(start, "cgroup.controllers")).SelectMany(l => l.Split(' ')).Intersect(controllers).ToArray() : controllers;
                if (available.Length == 0) continue;
                foreach (var part in new[] { "mcpcan", installation })
                {
                    if (_second) Write(path, "cgroup.subtree_control", string.Join(' ', available.Select(c => "+" + c)));
                    path = Path.Combine(path, part);
                    Directory.CreateDirectory(path);
                }
                if (_second) Write(path, "cgroup.subtree_control", string.Join(' ', available.Select(c => "+" + c)));
                foreach (var controller in available) _parents.TryAdd(controller, path);
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // not delegated to us here
            }
        }
    }

    private static void Write(string folder, string file, string value)
    {
        using var stream = new FileStream(Path.Combine(folder, file), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        stream.Write(System.Text.Encoding.ASCII.GetBytes(value));
    }

    private static void TryWrite(string folder, string file, string value)
    {
        try
        {
            Write(folder, file, value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // not every kernel has it
        }
    }

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static long? Number(string folder, string file) =>
        Lines(Path.Combine(folder, file)) is [var line, ..] && long.TryParse(line, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static long Field(string folder, string file, string name) => Lines(Path.Combine(folder, file)).Select(l => l.Split(' '))
        .Where(p => p.Length == 2 && p[0] == name).Select(p => long.TryParse(p[1], CultureInfo.InvariantCulture, out var n) ? n : 0).FirstOrDefault();
}
