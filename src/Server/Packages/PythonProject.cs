using System.Text.RegularExpressions;
using Tomlyn;
using Tomlyn.Model;

namespace McpCan.Server.Packages;

/// <summary>How a Python project is installed and started.</summary>
internal sealed partial class PythonProject
{
    public static readonly string[] Manifests = ["pyproject.toml", "requirements.txt", "setup.py"];
    private static readonly string[] Entries = ["server.py", "main.py", "app.py", "__main__.py"];
    private static readonly string[] Locks = ["uv.lock", "poetry.lock", "pdm.lock", "pyproject.toml", "requirements.txt", "setup.py", "setup.cfg"];
    private readonly ProjectFiles _files;
    private readonly List<string> _notes;
    private readonly TomlTable _project;

    private PythonProject(ProjectFiles files, List<string> notes)
    {
        _files = files;
        _notes = notes;
        _project = Parse(files.Text("pyproject.toml"), "pyproject.toml", notes);
    }

    private Dictionary<string, string> Scripts => Texts(Table("project", "scripts")).Concat(Texts(Table("tool", "poetry", "scripts"))).DistinctBy(s => s.Key).ToDictionary();

    /// <summary>Whether pip can install the project itself, and not only what it needs.</summary>
    private bool IsInstallable => _project.ContainsKey("build-system") || Scripts.Count > 0 || _files.Has("setup.py");

    public static bool IsOne(ProjectFiles files) => Manifests.Any(files.Has) || Entries.Any(files.Has) || Programs(files).Count > 0 || Modules(files).Count > 0;

    public static bool CanStart(ProjectFiles files) => new PythonProject(files, []).Start() is not null;

    public static (DetectedProject, string? Name) Detect(ProjectFiles files, string root, List<string> notes)
    {
        var project = new PythonProject(files, notes);
        notes.Add($"Python: {ProjectDetector.Names(Manifests.Where(files.Has).DefaultIfEmpty("files ending in .py"))} found.");
        var start = project.Start();
        if (start is null) notes.Add("No entry was found: pyproject.toml names no script, and there is no server.py, main.py, app.py or package with a __main__.py. Set the start command by hand.");
        if (files.HasFolder(".venv") || files.HasFolder("venv")) notes.Add("The archive holds a virtual environment; it fits only the machine that made it and is not used.");
        var install = project.Install(start);
        var name = project.Table("project").TryGetValue("name", out var text) ? text as string : null;
        return (new DetectedProject("python", root, install, start, install is null ? [] : [.. Locks.Where(files.Has)], [.. notes], OnlyLockFiles: install is not null && !project.IsInstallable && project.InstallsOnlyOthers(install)), name);
    }

    private string[]? Start()
    {
        if (Scripts is { Count: > 0 } scripts)
        {
            var own = Table("project").TryGetValue("name", out var name) && name is string n && scripts.ContainsKey(n) ? n : scripts.Keys.First();
            if (scripts.Count > 1) _notes.Add($"pyproject.toml names several scripts ({ProjectDetector.Names(scripts.Keys)}); taken: {own}.");
            _notes.Add($"Started by its script '{own}' ({scripts[own]}).");
            return [own];
        }
        if (Entries.Where(_files.Has).ToList() is { Count: > 0 } files)
        {
            if (files.Count > 1) _notes.Add($"There are several possible entries ({ProjectDetector.Names(files)}); taken: {files[0]}.");
            return File(files[0]);
        }
        if (Modules(_files) is { Count: > 0 } modules)
        {
            if (modules.Count > 1) _notes.Add($"There are several packages with a __main__.py ({ProjectDetector.Names(modules)}); taken: {modules[0]}.");
            var inSource = modules[0].StartsWith("src/", StringComparison.Ordinal);
            if (inSource && !IsInstallable) return File($"{modules[0]}/__main__.py");
            _notes.Add($"Started as module: {modules[0]} has a __main__.py.");
            return ["python3", "-m", inSource ? modules[0][4..] : modules[0]];
        }
        if (Entries.Select(e => "src/" + e).FirstOrDefault(_files.Has) is { } source) return File(source);
        return Programs(_files) switch
        {
            [var only] => File(only),
            { Count: > 1 } several when several.Where(p => ServesMcp(_files.Text(p))).ToList() is [var one] => File(one),
            _ => null,
        };
    }

    private string[] File(string path)
    {
        _notes.Add($"Started by its file name: {path}.");
        return ["python3", path];
    }

    private string[]? Install(string[]? start)
    {
        if (_files.Has("uv.lock")) _notes.Add("The exact versions of uv.lock are kept only with uv as install command: uv sync --frozen.");
        string[] pip = ["pip", "install"];
        var required = Requirements();
        if (IsInstallable)
        {
            _notes.Add("The project itself is installed with pip, and all that it needs.");
            return [.. pip, .. required ? new[] { "-r", "requirements.txt" } : [], "."];
        }
        var names = Needed(Table("project"), "dependencies");
        if (names.Count == 0 && !required) names = FromEntry(start);
        if (names.Count == 0 && !required)
        {
            _notes.Add("No dependencies are named: nothing is installed.");
            return null;
        }
        _notes.Add(required ? "What requirements.txt names is installed with pip." : $"Installed with pip: {ProjectDetector.Names(names)}.");
        return [.. pip, .. required ? new[] { "-r", "requirements.txt" } : [], .. names];
    }

    /// <summary>No requirement is a file or an option: those could lead to what else is in the archive.</summary>
    private bool InstallsOnlyOthers(string[] install)
    {
        var named = install[2..].Where(a => a is not ("-r" or "requirements.txt"));
        if (!_files.Has("requirements.txt")) return named.All(IsOther);
        return _files.Text("requirements.txt") is { } text && text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#').Concat(named).All(IsOther);

        static bool IsOther(string requirement) => requirement.Split(" #")[0] is var r && char.IsAsciiLetterOrDigit(r[0]) && !r.Contains('\\') && !r.Contains("file:", StringComparison.OrdinalIgnoreCase)
            && !r.Contains("--", StringComparison.Ordinal) && (!r.Contains('/') || r.Contains("://", StringComparison.Ordinal))
            && !LocalFile().IsMatch(r);
    }

    private bool Requirements() => _files.Has("requirements.txt")
        && (_files.Text("requirements.txt") is not { } text || text.Split('\n').Any(l => l.Trim() is { Length: > 0 } line && line[0] != '#'));

    /// <summary>A single file can name what it needs in its head (PEP 723); failing that, an import tells.</summary>
    private List<string> FromEntry(string[]? start)
    {
        if (start is not ["python3", var file] || _files.Text(file) is not { } text) return [];
        if (Head().Match(text) is { Success: true } head)
        {
            var toml = string.Join('\n', head.Groups[1].Value.Split('\n').Select(l => l.TrimEnd('\r').TrimStart('#')));
            return Needed(Parse(toml, file, _notes), "dependencies");
        }
        var imported = ImportsMcp().Matches(text).Select(m => m.Groups[1].Value).Distinct().Where(m => !_files.Has(m + ".py") && !_files.HasFolder(m)).ToList();
        if (imported.Count > 0) _notes.Add($"{file} imports {ProjectDetector.Names(imported)}, and nothing names its version; the newest is installed. A requirements.txt would say which.");
        return imported;
    }

    /// <summary>Requirements as arguments for pip: what starts with a dash would be an option.</summary>
    private static List<string> Needed(TomlTable table, string key) => table.TryGetValue(key, out var list) && list is TomlArray array
        ? [.. array.OfType<string>().Where(n => n.Length is > 0 and < 300 && char.IsAsciiLetterOrDigit(n[0]) && !n.Any(char.IsControl))]
        : [];

    private TomlTable Table(params string[] path)
    {
        var table = _project;
        foreach (var name in path) table = table.TryGetValue(name, out var next) && next is TomlTable found ? found : [];
        return table;
    }

    /// <summary>Scripts whose names can stand in an argument vector.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Texts(TomlTable table) =>
        table.Where(e => e.Value is string && ScriptName().IsMatch(e.Key)).Select(e => KeyValuePair.Create(e.Key, (string)e.Value));

    private static List<string> Programs(ProjectFiles files) =>
        [.. files.Here.Where(f => f.EndsWith(".py", StringComparison.Ordinal) && f is not ("setup.py" or "conftest.py" or "__init__.py") && !f.StartsWith("test_", StringComparison.Ordinal))];

    private static List<string> Modules(ProjectFiles files) =>
        [.. files.All.Where(f => ModuleMain().IsMatch(f)).Select(f => f[..^"/__main__.py".Length]).Order(StringComparer.Ordinal)];

    private static bool ServesMcp(string? text) => text is not null && (ImportsMcp().IsMatch(text) || text.Contains("jsonrpc", StringComparison.Ordinal));

    private static TomlTable Parse(string? text, string file, List<string> notes)
    {
        if (text is null) return [];
        try
        {
            return TomlSerializer.Deserialize<TomlTable>(text) ?? [];
        }
        catch (TomlException)
        {
            notes.Add($"{file} is not valid TOML; it is left aside.");
            return [];
        }
    }

    [GeneratedRegex(@"^# /// script\s*\n((?:#.*\n)+?)# ///\s*$", RegexOptions.Multiline)]
    private static partial Regex Head();

    [GeneratedRegex(@"^[^@\[]*\.(whl|zip|gz|tgz|bz2|xz)\b", RegexOptions.IgnoreCase)]
    private static partial Regex LocalFile();

    [GeneratedRegex(@"^(?:from|import)\s+(mcp|fastmcp)\b", RegexOptions.Multiline)]
    private static partial Regex ImportsMcp();

    [GeneratedRegex(@"^(?:src/)?[A-Za-z_]\w*/__main__\.py$")]
    private static partial Regex ModuleMain();

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    private static partial Regex ScriptName();
}
