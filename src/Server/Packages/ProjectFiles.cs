namespace McpCan.Server.Packages;

/// <summary>The files of one folder of an archive and below, as the detector asks for them.</summary>
internal sealed class ProjectFiles
{
    /// <summary>Left by operating systems and tools; says nothing about a project.</summary>
    private static readonly HashSet<string> Litter = new(StringComparer.Ordinal) { "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "pax_global_header" };
    private readonly HashSet<string> _files = new(StringComparer.Ordinal);
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _texts = new(StringComparer.Ordinal);

    private readonly HashSet<string> _executables = new(StringComparer.Ordinal);

    private ProjectFiles(IEnumerable<string> files, IEnumerable<string> folders, IEnumerable<string> executables, IEnumerable<KeyValuePair<string, string>> texts)
    {
        _executables.UnionWith(executables);
        _files.UnionWith(files);
        _folders.UnionWith(folders);
        foreach (var (path, text) in texts) _texts[path] = text;
        foreach (var file in _files)
            for (var i = file.IndexOf('/', StringComparison.Ordinal); i >= 0; i = file.IndexOf('/', i + 1)) _folders.Add(file[..i]);
    }

    /// <summary>Files, relative to this folder.</summary>
    public IEnumerable<string> All => _files;

    /// <summary>Names of the folders right here.</summary>
    public IEnumerable<string> Folders => _folders.Where(f => !f.Contains('/')).Order(StringComparer.Ordinal);

    /// <summary>Names of the files right here.</summary>
    public IEnumerable<string> Here => _files.Where(f => !f.Contains('/')).Order(StringComparer.Ordinal);

    public bool Has(string path) => _files.Contains(path);

    public bool IsExecutable(string path) => _executables.Contains(path);

    public bool HasFolder(string path) => _folders.Contains(path);

    /// <summary>The text of a file that is small and telling, else null.</summary>
    public string? Text(string path) => _texts.GetValueOrDefault(path);

    public static ProjectFiles Of(ArchiveContent content)
    {
        var entries = content.Entries.Where(e => !Litter.Contains(First(e.Path)) && !Litter.Contains(Path.GetFileName(e.Path)) && !First(e.Path).StartsWith("._", StringComparison.Ordinal)).ToList();
        return new ProjectFiles(
            entries.Where(e => e.Kind != ArchiveEntryKind.Folder).Select(e => e.Path), entries.Where(e => e.Kind == ArchiveEntryKind.Folder).Select(e => e.Path),
            entries.Where(e => e.Executable).Select(e => e.Path), content.Texts);
    }

    /// <summary>What lies below a folder, as if it were the root.</summary>
    public ProjectFiles Below(string folder)
    {
        var prefix = folder + "/";
        return new ProjectFiles(Cut(_files), Cut(_folders), Cut(_executables), _texts.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(t => KeyValuePair.Create(t.Key[prefix.Length..], t.Value)));

        IEnumerable<string> Cut(IEnumerable<string> paths) => paths.Where(p => p.StartsWith(prefix, StringComparison.Ordinal)).Select(p => p[prefix.Length..]);
    }

    private static string First(string path) => path.IndexOf('/', StringComparison.Ordinal) is var i and > 0 ? path[..i] : path;
}
