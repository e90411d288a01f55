using System.Text.Json;

namespace McpCan.Server.Packages;

/// <summary>How a Node project is installed and started.</summary>
internal sealed class NodeProject
{
    private static readonly string[] Entries = ["index", "server", "main", "app"];
    private static readonly string[] Folders = ["", "dist/", "build/", "src/", "lib/"];
    private static readonly string[] Extensions = [".js", ".mjs", ".cjs"];
    private static readonly string[] TypeScript = [".ts", ".mts"];
    private static readonly string[] InstallScripts = ["preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare", "prepublish", "dependencies"];
    private static readonly string[] LocalVersions = ["file:", "link:", "portal:", "workspace:", ".", "/", "~/"];
    private readonly ProjectFiles _files;
    private readonly List<string> _notes;
    private readonly JsonElement _package;

    private NodeProject(ProjectFiles files, List<string> notes)
    {
        _files = files;
        _notes = notes;
        _package = Read(files, notes);
    }

    private bool Ships => _files.All.Any(f => f.StartsWith("node_modules/", StringComparison.Ordinal));
    private bool Builds => Script("build") is not null || Script("prepare") is not null;

    public static bool IsOne(ProjectFiles files) => files.Has("package.json") || CanStartByName(files);

    /// <summary>Whether something says how to start it; a package.json may also be there for tools only.</summary>
    public static bool CanStart(ProjectFiles files) => new NodeProject(files, []).Start(out _) is not null;

    public static (DetectedProject, string? Name) Detect(ProjectFiles files, string root, List<string> notes)
    {
        var project = new NodeProject(files, notes);
        if (files.Has("package.json")) notes.Add("Node: package.json found.");
        var start = project.Start(out var mustBuild);
        if (start is null) notes.Add("No entry was found: package.json names none that exists, and there is no index.js or server.js. Set the start command by hand.");
        var build = mustBuild && project.Script("build") is not null ? new[] { "npm", "run", "build" } : null;
        if (build is not null) notes.Add("What is started is not in the archive yet: the 'build' script is run after the install.");
        var (install, locks) = project.Install(mustBuild);
        if (install is not null && !mustBuild && project.Script("prepare") is not null) (install, build) = project.WithoutPrepare(install);
        return (new DetectedProject("node", root, install, start, locks, [.. notes], build, OnlyLockFiles: build is null && install is ["npm", ..] && project.InstallsOnlyOthers()), project.Text("name"));
    }

    private string[]? Start(out bool mustBuild)
    {
        mustBuild = false;
        foreach (var (file, why) in Named())
        {
            if (Resolve(file) is { } found)
            {
                _notes.Add($"{why} leads to {found}.");
                return Run(found);
            }
            if (Builds && IsPlain(file))
            {
                mustBuild = true;
                _notes.Add($"{why} leads to {Tidy(file)}, which the build makes.");
                return ["node", Tidy(file)];
            }
            _notes.Add($"{why} leads to {ArchiveTree.Shown(file)}, which is not in the archive.");
        }
        if (Script("start") is { } script)
        {
            mustBuild = Builds && !Ships && (_files.Has("tsconfig.json") && !_files.HasFolder("dist") && !_files.HasFolder("build"));
            _notes.Add($"Started by the 'start' script ({ArchiveTree.Shown(script)}).");
            return ["npm", "run", "--silent", "start"];
        }
        if (ByName() is not { } entry) return null;
        _notes.Add($"Started by its file name: {entry}.");
        return Run(entry);
    }

    /// <summary>Entries that package.json names, the best first: what a user would run, then what an importer would load.</summary>
    private IEnumerable<(string File, string Why)> Named()
    {
        if (Bin() is { } bin) yield return (bin, "'bin' of package.json");
        if (Script("start")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is ["node", var file] && IsPlain(file)) yield return (file, "The 'start' script");
        if (Text("main") is { } main && Script("start") is null) yield return (main, "'main' of package.json");
    }

    private string? Bin()
    {
        if (!_package.TryGetProperty("bin", out var bin)) return null;
        if (bin.ValueKind == JsonValueKind.String) return bin.GetString();
        if (bin.ValueKind != JsonValueKind.Object) return null;
        var programs = bin.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String).DistinctBy(p => p.Name).ToDictionary(p => p.Name, p => p.Value.GetString()!, StringComparer.Ordinal);
        if (programs.Count == 0) return null;
        var name = Text("name") is { } full ? full[(full.LastIndexOf('/') + 1)..] : "";
        var chosen = programs.ContainsKey(name) ? name : programs.Keys.First();
        if (programs.Values.Distinct().Count() > 1)
            _notes.Add($"package.json names several programs ({ProjectDetector.Names(programs.Keys)}); taken: {chosen}.");
        return programs[chosen];
    }

    private (string[]? Install, string[] Locks) Install(bool mustBuild)
    {
        if (!_files.Has("package.json")) return (null, []);
        if (Ships)
        {
            _notes.Add("node_modules is part of the archive: nothing is installed.");
            return (null, []);
        }
        var tools = mustBuild || Has("devDependencies", "tsx") || Has("devDependencies", "ts-node");
        if (!Any("dependencies") && !Any("optionalDependencies") && !Any("peerDependencies") && !(tools && Any("devDependencies")))
        {
            _notes.Add("package.json names no dependencies: nothing is installed.");
            return (null, []);
        }
        string[] omit = tools ? [] : ["--omit=dev"];
        if (_files.Has("package-lock.json")) return Locked("package-lock.json", ["npm", "ci", "--no-audit", "--no-fund", .. omit]);
        if (_files.Has("npm-shrinkwrap.json")) return Locked("npm-shrinkwrap.json", ["npm", "ci", "--no-audit", "--no-fund", .. omit]);
        if (_files.Has("pnpm-lock.yaml")) return Locked("pnpm-lock.yaml", ["npx", "-y", Manager("pnpm", "pnpm"), "install", "--frozen-lockfile"]);
        if (_files.Has("yarn.lock"))
        {
            return _files.Text("yarn.lock")?.Contains("__metadata:", StringComparison.Ordinal) == true
                ? Locked("yarn.lock", ["npx", "-y", "@yarnpkg/cli-dist", "install", "--immutable"])
                : Locked("yarn.lock", ["npx", "-y", Manager("yarn", "yarn@1"), "install", "--frozen-lockfile"]);
        }
        _notes.Add("There is no lock file: versions are chosen at the install and can differ next time.");
        return (["npm", "install", "--no-audit", "--no-fund", .. omit], ["package.json"]);
    }

    /// <summary>
    /// An install in the project's own folder runs its 'prepare' script. What is published has been built and often lacks the sources, so that the script
    /// would fail; the dependencies' scripts are needed all the same.
    /// </summary>
    private (string[] Install, string[]? Rebuild) WithoutPrepare(string[] install)
    {
        if (install is [_, _, "@yarnpkg/cli-dist", ..]) return (install, null);
        _notes.Add("What is started is in the archive already: the 'prepare' script is not run.");
        return ([.. install, "--ignore-scripts"], install is ["npx", _, var manager, ..] && manager.StartsWith("pnpm", StringComparison.Ordinal) ? ["npx", "-y", manager, "rebuild"] : ["npm", "rebuild"]);
    }

    /// <summary>Nothing of the project itself has a part in the install: no script of its own is run, and no dependency is one of its folders.</summary>
    private bool InstallsOnlyOthers() =>
        !InstallScripts.Any(s => Script(s) is not null) && !_package.TryGetProperty("workspaces", out _) && !_files.Has("binding.gyp") && !_files.Has(".npmrc")
        && !(_package.ValueKind == JsonValueKind.Object && _package.EnumerateObject().Any(p => (p.Name.EndsWith("ependencies", StringComparison.Ordinal) || p.Name == "overrides") && IsLocal(p.Value)));

    /// <summary>Whether it holds a version that is a path.</summary>
    private static bool IsLocal(JsonElement versions) => versions.ValueKind switch
    {
        JsonValueKind.Object => versions.EnumerateObject().Any(v => IsLocal(v.Value)),
        JsonValueKind.String => versions.GetString()!.Trim() is var version && LocalVersions.Any(v => version.StartsWith(v, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private (string[], string[]) Locked(string file, string[] install)
    {
        _notes.Add($"Installed as {file} says.");
        return (install, ["package.json", file, .. _files.Has(".npmrc") ? new[] { ".npmrc" } : []]);
    }

    /// <summary>The version that <c>packageManager</c> asks for, without its checksum.</summary>
    private string Manager(string name, string otherwise) => Text("packageManager") is { } asked && asked.StartsWith(name + "@", StringComparison.Ordinal) && asked.Split('+')[0] is var spec
        && spec.All(c => char.IsAsciiLetterOrDigit(c) || c is '@' or '.' or '-') ? spec : otherwise;

    private string[] Run(string file)
    {
        if (!TypeScript.Contains(Path.GetExtension(file))) return ["node", file];
        if (Has("dependencies", "tsx") || Has("devDependencies", "tsx")) return ["node", "--import", "tsx", file];
        _notes.Add("The entry is TypeScript and is started as it is, which needs Node 22.18 or later.");
        return ["node", file];
    }

    private string? Resolve(string file)
    {
        var path = Tidy(file);
        if (path.Length == 0 || path.Split('/').Contains("..")) return null;
        return new[] { path }.Concat(Extensions.Select(e => path + e)).Concat(Extensions.Select(e => $"{path}/index{e}")).FirstOrDefault(_files.Has);
    }

    private static string Tidy(string file) => (file.StartsWith("./", StringComparison.Ordinal) ? file[2..] : file).TrimEnd('/');

    private static bool IsPlain(string file) => Tidy(file) is var path && path.Length > 0 && path[0] is not ('-' or '/') && !path.Split('/').Contains("..")
        && path.All(c => char.IsLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '@');

    private string? ByName() => Names(Extensions).Concat(Names(TypeScript)).FirstOrDefault(_files.Has);

    private static bool CanStartByName(ProjectFiles files) => Names(Extensions).Any(n => !n.StartsWith("lib/", StringComparison.Ordinal) && files.Has(n));

    private static IEnumerable<string> Names(string[] extensions) => from folder in Folders from entry in Entries from extension in extensions select folder + entry + extension;

    private string? Text(string field) => _package.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private string? Script(string name) => _package.TryGetProperty("scripts", out var scripts) && scripts.ValueKind == JsonValueKind.Object
        && scripts.TryGetProperty(name, out var script) && script.ValueKind == JsonValueKind.String ? script.GetString() : null;

    private bool Any(string field) => _package.TryGetProperty(field, out var names) && names.ValueKind == JsonValueKind.Object && names.EnumerateObject().Any();

    private bool Has(string field, string name) => _package.TryGetProperty(field, out var names) && names.ValueKind == JsonValueKind.Object && names.TryGetProperty(name, out _);

    private static JsonElement Read(ProjectFiles files, List<string> notes)
    {
        if (files.Text("package.json") is { } text)
        {
            try
            {
                using var document = JsonDocument.Parse(text);
                if (document.RootElement.ValueKind == JsonValueKind.Object) return document.RootElement.Clone();
                notes.Add("package.json is not a JSON object; it is left aside.");
            }
            catch (JsonException e)
            {
                notes.Add($"package.json is not valid JSON (line {e.LineNumber + 1}); it is left aside.");
            }
        }
        else if (files.Has("package.json"))
        {
            notes.Add("package.json is too large to be read; it is left aside.");
        }
        using var empty = JsonDocument.Parse("{}");
        return empty.RootElement.Clone();
    }
}
