namespace McpCan.Server.Packages;

/// <summary>Looks at an archive's files and says what project it is and how to install and start it. Pure.</summary>
internal static class ProjectDetector
{
    private static readonly string[] Skipped = ["node_modules", ".venv", "venv", ".git", "test", "tests", "docs", "examples"];

    /// <summary>What was found; the name is the one that the project gives itself.</summary>
    public static (DetectedProject Project, string? Name) Detect(ArchiveContent content)
    {
        var notes = new List<string>();
        var (files, root) = FindRoot(ProjectFiles.Of(content), notes);
        if (BundleProject.IsOne(files)) return BundleProject.Detect(files, root, notes);
        var (node, python) = (NodeProject.IsOne(files), PythonProject.IsOne(files));
        if (node && python) node = PreferNode(files, notes);
        if (node) return NodeProject.Detect(files, root, notes);
        if (python) return PythonProject.Detect(files, root, notes);
        if (ExecutableProject.Detect(files, root, notes) is { } program) return program;
        notes.Add(Unknown(files));
        return (new DetectedProject("unknown", root, null, null, [], [.. notes]), null);
    }

    /// <summary>Archives often have one top folder; some have a project in one of several folders.</summary>
    private static (ProjectFiles Files, string Root) FindRoot(ProjectFiles files, List<string> notes)
    {
        var root = "";
        for (var depth = 0; depth < 3 && !IsProject(files); depth++)
        {
            var folders = files.Folders.Where(f => !f.StartsWith('.')).ToList();
            var projects = folders.Where(f => !Skipped.Contains(f) && IsProject(files.Below(f))).ToList();
            var next = projects.Count == 1 ? projects[0] : folders.Count == 1 && !files.Here.Any() ? folders[0] : null;
            if (next is null)
            {
                if (projects.Count > 1) notes.Add($"Several folders hold a project: {Names(projects)}. Upload one of them, or set the start command by hand.");
                break;
            }
            root = root.Length == 0 ? next : $"{root}/{next}";
            files = files.Below(next);
        }
        if (root.Length > 0) notes.Insert(0, $"The project lies in the folder '{root}' of the archive.");
        return (files, root);
    }

    private static bool IsProject(ProjectFiles files) => BundleProject.IsOne(files) || NodeProject.IsOne(files) || PythonProject.IsOne(files);

    private static bool PreferNode(ProjectFiles files, List<string> notes)
    {
        var (nodeSays, pythonSays) = (files.Has("package.json"), PythonProject.Manifests.Any(files.Has));
        var (nodeStarts, pythonStarts) = (NodeProject.CanStart(files), PythonProject.CanStart(files));
        var node = nodeSays != pythonSays ? nodeSays : nodeStarts || !pythonStarts;
        if (nodeSays == pythonSays || (nodeStarts && pythonStarts))
            notes.Add($"There are files of a Node and of a Python project; taken as {(node ? "Node" : "Python")}. If that is wrong, set install and start command by hand.");
        return node;
    }

    private static string Unknown(ProjectFiles files)
    {
        var other = new[] { ("go.mod", "Go"), ("Cargo.toml", "Rust"), ("pom.xml", "Java"), ("build.gradle", "Java"), ("deno.json", "Deno"), ("Dockerfile", "a container image") }
            .Where(o => files.Has(o.Item1)).Select(o => $"{o.Item2} ({o.Item1})").ToList();
        return other.Count > 0
            ? $"This looks like {Names(other)}, which is not started by itself here. Set the start command by hand."
            : "Neither a Node project (package.json, index.js, server.js) nor a Python project (pyproject.toml, requirements.txt, server.py, main.py) was found, nor one program that may be executed. Set the start command by hand.";
    }

    internal static string Names(IEnumerable<string> names) => string.Join(", ", names.Take(8));
}
