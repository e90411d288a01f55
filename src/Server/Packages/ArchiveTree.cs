using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Packages;

/// <summary>
/// The names of an archive while it is read. Refuses what would write outside of the folder it is unpacked in, or twice to the same place;
/// the texts name the entry, since whoever packed it has to find it.
/// </summary>
internal sealed class ArchiveTree(ArchiveBounds limits)
{
    private readonly Dictionary<string, ArchiveEntryKind> _kinds = new(StringComparer.Ordinal);
    private readonly List<ArchiveEntry> _entries = [];

    public IReadOnlyList<ArchiveEntry> Entries => _entries;

    /// <summary>Takes an entry; the result is its clean path, or null for the archive's own root.</summary>
    public string? Add(string name, ArchiveEntryKind kind, long size, int mode = 0)
    {
        if (_entries.Count >= limits.Entries) throw Bad($"The archive has more than {limits.Entries} entries. Leave out what can be installed, such as node_modules.");
        var path = Clean(name);
        if (path.Length == 0) return kind == ArchiveEntryKind.Folder ? null : throw Bad("The archive has an entry without a name.");
        AddParents(path, name);
        var known = _kinds.TryGetValue(path, out var present);
        if (known && (kind != ArchiveEntryKind.Folder || present != ArchiveEntryKind.Folder)) throw Bad($"The archive has two entries for '{Shown(name)}'.");
        _kinds[path] = kind;
        _entries.Add(new ArchiveEntry(path, kind, size, kind == ArchiveEntryKind.File && (mode & 0b001_001_001) != 0));
        return path;
    }

    /// <summary>
    /// Refuses a symbolic link that leads out. Only leading <c>..</c> are allowed: they count from a real folder, and what follows goes down only,
    /// so that links through links stay inside as well.
    /// </summary>
    public void CheckLink(string path, string target)
    {
        var parts = target.Split('/');
        var up = parts.TakeWhile(p => p == "..").Count();
        var folders = path.Count(c => c == '/');
        if (target.Length == 0 || target[0] == '/' || Strange(target) || up > folders || parts.Skip(up).Contains(".."))
            throw Bad($"The archive's link '{Shown(path)}' leads out of the archive, to '{Shown(target)}'.");
    }

    /// <summary>Refuses a hard link to anything but a file that came before.</summary>
    public void CheckHardLink(string path, string target)
    {
        if (!_kinds.TryGetValue(Clean(target), out var kind) || kind != ArchiveEntryKind.File)
            throw Bad($"The archive's link '{Shown(path)}' leads to '{Shown(target)}', which is no file of the archive before it.");
    }

    public static ProblemException Bad(string sentence) => new(400, "bad-archive", sentence);

    /// <summary>A name from the archive, short and harmless.</summary>
    public static string Shown(string name)
    {
        var text = new string([.. name.Take(120).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)]);
        return name.Length > 120 ? text + "…" : text;
    }

    private void AddParents(string path, string name)
    {
        for (var i = path.IndexOf('/', StringComparison.Ordinal); i >= 0; i = path.IndexOf('/', i + 1))
        {
            var parent = path[..i];
            if (!_kinds.TryGetValue(parent, out var kind)) _kinds[parent] = ArchiveEntryKind.Folder;
            else if (kind != ArchiveEntryKind.Folder) throw Bad($"The archive's entry '{Shown(name)}' lies inside of '{Shown(parent)}', which is no folder.");
        }
    }

    private string Clean(string name)
    {
        if (name.Contains('\uFFFD')) throw Bad($"The archive has an entry whose name is not UTF-8 text: '{Shown(name)}'. Pack it again with UTF-8 names.");
        if (Strange(name)) throw Bad($"The archive has an entry with a character that no file name may have: '{Shown(name)}'.");
        if (name.StartsWith('/') || (name.Length > 1 && name[1] == ':' && char.IsAsciiLetter(name[0]))) throw Bad($"The archive has an entry with an absolute path: '{Shown(name)}'.");
        var parts = name.Split('/').Where(p => p is not ("" or ".")).ToList();
        if (parts.Contains("..")) throw Bad($"The archive has an entry that leads out of it: '{Shown(name)}'.");
        if (parts.Count > limits.Depth) throw Bad($"The archive has folders more than {limits.Depth} deep: '{Shown(name)}'.");
        if (name.Length > limits.PathLength || parts.Exists(p => Encoding.UTF8.GetByteCount(p) > 255)) throw Bad($"The archive has an entry whose name is too long: '{Shown(name)}'.");
        return string.Join('/', parts);
    }

    /// <summary>Backslashes are separators to some unpackers and letters to others: an archive must not depend on which.</summary>
    private static bool Strange(string name) => name.Any(c => char.IsControl(c) || c == '\\');
}
