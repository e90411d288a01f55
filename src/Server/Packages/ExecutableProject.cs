namespace McpCan.Server.Packages;

/// <summary>A program that needs nothing to be started: a binary, or a script with its own first line.</summary>
internal static class ExecutableProject
{
    private static readonly string[] Entries = ["server", "mcp-server", "main", "run", "start", "run.sh", "start.sh", "server.sh"];

    /// <summary>Null when there is none, or several that could be meant.</summary>
    public static (DetectedProject, string? Name)? Detect(ProjectFiles files, string root, List<string> notes)
    {
        var programs = files.Here.Where(files.IsExecutable).ToList();
        if (programs.Count == 0) programs = [.. files.All.Where(f => f.StartsWith("bin/", StringComparison.Ordinal) && f.Count(c => c == '/') == 1 && files.IsExecutable(f)).Order(StringComparer.Ordinal)];
        var program = programs.Count == 1 ? programs[0] : Entries.FirstOrDefault(programs.Contains);
        if (program is null)
        {
            if (programs.Count > 1) notes.Add($"Several programs could be started ({ProjectDetector.Names(programs)}). Set the start command by hand.");
            return null;
        }
        notes.Add($"Started as it is: {program} may be executed.");
        return (new DetectedProject("executable", root, null, ["./" + program], [], [.. notes]), null);
    }
}
