namespace McpCan.Server.Runtimes.Docker;

/// <summary>The control groups that an engine put a container in, where this machine's are visible.</summary>
internal static class ContainerGroups
{
    /// <summary>Folders of the groups of a process; none when they cannot be seen from here.</summary>
    public static string[] Of(long pid)
    {
        try
        {
            var lines = File.ReadLines($"/proc/{pid}/cgroup").Select(l => l.Split(':', 3)).Where(p => p.Length == 3).ToList();
            var mounts = File.ReadLines("/proc/self/mounts").Select(l => l.Split(' ')).Where(m => m.Length > 3).ToList();
            var folders = new List<string>();
            foreach (var line in lines.Where(l => l[2].Length > 1))
            {
                var controllers = line[1].Split(',');
                if (line[0] != "0" && !controllers.Intersect(["memory", "pids", "cpuacct"]).Any()) continue;
                var mount = mounts.Find(m => line[0] == "0" ? m[2] == "cgroup2" : m[2] == "cgroup" && m[3].Split(',').Intersect(controllers).Any());
                if (mount is not null && Directory.Exists(mount[1] + line[2])) folders.Add(mount[1] + line[2]);
            }
            return [.. folders.Distinct()];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
