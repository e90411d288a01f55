using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Packages;

/// <summary>A change to a file: its new text, or its removal.</summary>
/// <param name="Text">The whole new text; null removes the file.</param>
public sealed record FileEdit(string? Text);

/// <summary>A file of a version, read.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Text">Its text; null when it is no UTF-8 text or larger than what is shown.</param>
public sealed record PackageText(string Path, long Size, string? Text);

/// <summary>A file that differs between two versions.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Change"><c>added</c>, <c>removed</c> or <c>changed</c>.</param>
/// <param name="OldSize">Bytes before.</param>
/// <param name="NewSize">Bytes after.</param>
/// <param name="Lines">The changed lines with three around them; null when it is no text, too large, or when there are too many changes to show.</param>
public sealed record FileDifference(string Path, string Change, long? OldSize, long? NewSize, IReadOnlyList<DiffLine>? Lines);

/// <summary>What differs between two versions of a package.</summary>
/// <param name="Files">The files, at most 1,000, by path.</param>
/// <param name="Total">How many files differ.</param>
public sealed record PackageDifference(int From, int To, IReadOnlyList<FileDifference> Files, int Total);

/// <summary>The files inside of a version: list, text, comparison; an edit becomes a new version.</summary>
public sealed class PackageFiles : IDisposable
{
    /// <summary>Files above this are not shown or edited as text.</summary>
    public const int LargestText = 1 << 20;
    private const int MostEdits = 200, MostDifferences = 1_000, MostLines = 20_000, LargestCompared = 256 << 10;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private readonly PackageManager _packages;
    private readonly PackageStore _store;
    private readonly McpCanOptions _options;
    // To read an archive takes a core.
    private readonly SemaphoreSlim _reading = new(2);

    internal PackageFiles(PackageManager packages, PackageStore store, McpCanOptions options)
    {
        _packages = packages;
        _store = store;
        _options = options;
    }

    /// <summary>All entries of a version, by path.</summary>
    public async Task<IReadOnlyList<ArchiveEntry>> ListAsync(string packageId, int version, CancellationToken cancellationToken)
    {
        var archive = await ArchiveAsync(packageId, version, cancellationToken);
        return await ReadAsync<IReadOnlyList<ArchiveEntry>>(() =>
        {
            var entries = new List<ArchiveEntry>();
            ArchiveWalk.Each(archive, e =>
            {
                entries.Add(new(e.Path, e.Kind, e.Size, e.Kind == ArchiveEntryKind.File && (e.Mode & 0b001_001_001) != 0));
                return true;
            }, cancellationToken);
            return [.. entries.OrderBy(e => e.Path, StringComparer.Ordinal)];
        }, cancellationToken);
    }

    /// <summary>One file of a version with its text.</summary>
    public async Task<PackageText> TextAsync(string packageId, int version, string path, CancellationToken cancellationToken)
    {
        var archive = await ArchiveAsync(packageId, version, cancellationToken);
        return await ReadAsync(() =>
        {
            PackageText? found = null;
            ArchiveWalk.Each(archive, e =>
            {
                if (e.Path != path || e.Kind != ArchiveEntryKind.File) return true;
                found = new(e.Path, e.Size, e.Size <= LargestText ? Text(e.Content, LargestText) : null);
                return false;
            }, cancellationToken);
            return found ?? throw NoFile(version, path);
        }, cancellationToken);
    }

    /// <summary>Writes one file of a version, whatever it holds.</summary>
    public async Task CopyAsync(string packageId, int version, string path, Func<long, Stream> to, CancellationToken cancellationToken)
    {
        var archive = await ArchiveAsync(packageId, version, cancellationToken);
        using var staged = _store.Temporary();
        var size = await ReadAsync(() =>
        {
            long? length = null;
            ArchiveWalk.Each(archive, e =>
            {
                if (e.Path != path || e.Kind != ArchiveEntryKind.File) return true;
                using var file = File.Create(staged.Path);
                e.Content.CopyTo(file);
                length = file.Length;
                return false;
            }, cancellationToken);
            return length ?? throw NoFile(version, path);
        }, cancellationToken);
        await using var content = File.OpenRead(staged.Path);
        staged.Dispose(); // nothing is left on disk when the caller has the last byte
        await content.CopyToAsync(to(size), cancellationToken);
    }

    /// <summary>Makes a new version: the files of <paramref name="version"/> with these changes.</summary>
    public async Task<Package> EditAsync(string packageId, int version, IReadOnlyDictionary<string, FileEdit> edits, string? notes, string actor, CancellationToken cancellationToken)
    {
        var from = await _packages.GetVersionAsync(packageId, version, cancellationToken);
        var checks = new Checks().That(edits.Count is > 0 and <= MostEdits, "files", $"Give 1 to {MostEdits} files.");
        foreach (var (path, edit) in edits)
        {
            checks.That(IsPath(path), "files", $"'{ArchiveTree.Shown(path)}' is no path of a file: it has names between single slashes, without '..', backslashes or control characters.");
            checks.That(edit.Text is null || Encoding.UTF8.GetByteCount(edit.Text) <= LargestText, "files", $"The text of '{ArchiveTree.Shown(path)}' is larger than {LargestText >> 10} KiB. Upload an archive instead.");
        }
        checks.Throw();
        using var staged = _store.Temporary();
        await ReadAsync(() =>
        {
            var left = edits.ToDictionary(e => e.Key, e => e.Value, StringComparer.Ordinal);
            var changed = false;
            Write(staged.Path, zip =>
            {
                Copy(_packages.ArchivePath(from), zip, e =>
                {
                    if (!left.Remove(e.Path, out var edit)) return false;
                    if (e.Kind == ArchiveEntryKind.Folder) throw new ProblemException(400, "invalid", $"'{e.Path}' is a folder. Change the files in it.");
                    changed = true;
                    if (edit.Text is not null) ArchiveWalk.WriteFile(zip, e.Path, e.Mode, new MemoryStream(Encoding.UTF8.GetBytes(edit.Text)));
                    return true;
                }, cancellationToken);
                foreach (var (path, edit) in left)
                {
                    if (edit.Text is null) throw NoFile(version, path);
                    changed = true;
                    ArchiveWalk.WriteFile(zip, path, 0, new MemoryStream(Encoding.UTF8.GetBytes(edit.Text)));
                }
            });
            return changed;
        }, cancellationToken);
        await SealAsync(staged, cancellationToken);
        if (staged.Size > _options.MaxPackageBytes) throw _store.TooLarge();
        return await _packages.AddVersionAsync(packageId, staged, PackageStore.Stem(from.FileName) + (from.FileName.EndsWith(".mcpb", StringComparison.Ordinal) ? ".mcpb" : ".zip"), notes, version, actor, cancellationToken);
    }

    /// <summary>What differs between two versions.</summary>
    public async Task<PackageDifference> CompareAsync(string packageId, int from, int to, CancellationToken cancellationToken)
    {
        var (before, after) = (await ArchiveAsync(packageId, from, cancellationToken), await ArchiveAsync(packageId, to, cancellationToken));
        return await ReadAsync(() =>
        {
            var (old, now) = (Sums(before, cancellationToken), Sums(after, cancellationToken));
            var paths = old.Keys.Union(now.Keys).Where(p => old.GetValueOrDefault(p) != now.GetValueOrDefault(p)).Order(StringComparer.Ordinal).ToList();
            var shown = paths.Take(MostDifferences).ToHashSet(StringComparer.Ordinal);
            var (oldTexts, newTexts) = (Texts(before, shown, cancellationToken), Texts(after, shown, cancellationToken));
            var lines = 0;
            var files = paths.Take(MostDifferences).Select(path =>
            {
                var (a, b) = (old.GetValueOrDefault(path), now.GetValueOrDefault(path));
                var (oldText, newText) = (a is null ? "" : oldTexts.GetValueOrDefault(path), b is null ? "" : newTexts.GetValueOrDefault(path));
                var compared = oldText is null || newText is null || lines > MostLines ? null : LineDiff.Compare(oldText, newText);
                lines += compared?.Count ?? 0;
                return new FileDifference(path, a is null ? "added" : b is null ? "removed" : "changed", a?.Size, b?.Size, compared);
            }).ToList();
            return new PackageDifference(from, to, files, paths.Count);
        }, cancellationToken);
    }

    /// <summary>The version as a zip archive; the file goes when the stream is closed.</summary>
    public async Task<Stream> ZipAsync(string packageId, int version, CancellationToken cancellationToken)
    {
        var archive = await ArchiveAsync(packageId, version, cancellationToken);
        var staged = _store.Temporary();
        try
        {
            await ReadAsync(() =>
            {
                Write(staged.Path, zip => Copy(archive, zip, _ => false, cancellationToken));
                return true;
            }, cancellationToken);
            return new FileStream(staged.Path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 64 << 10, FileOptions.Asynchronous | FileOptions.DeleteOnClose);
        }
        catch
        {
            staged.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _reading.Dispose();

    /// <summary>Where the archive lies; 404 when it is missing.</summary>
    internal async Task<string> ArchiveAsync(string packageId, int version, CancellationToken cancellationToken)
    {
        var path = _packages.ArchivePath(await _packages.GetVersionAsync(packageId, version, cancellationToken));
        return File.Exists(path) ? path : throw new ProblemException(404, "file-missing", "The archive of this version is missing in the data folder.");
    }

    private async Task<T> ReadAsync<T>(Func<T> read, CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(read, cancellationToken);
        }
        finally
        {
            _reading.Release();
        }
    }

    private static void Write(string path, Action<ZipArchive> fill)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        using var zip = new ZipArchive(file, ZipArchiveMode.Create);
        fill(zip);
    }

    /// <summary>Copies all that <paramref name="taken"/> does not take. A hard link becomes a file of its own.</summary>
    private static void Copy(string archive, ZipArchive zip, Func<WalkEntry, bool> taken, CancellationToken cancellationToken)
    {
        var hardLinks = new List<(string Path, string Target)>();
        var targets = new HashSet<string>(StringComparer.Ordinal);
        ArchiveWalk.Each(archive, e =>
        {
            if (taken(e)) return true;
            if (e.IsHardLink)
            {
                var target = string.Join('/', e.Target!.Split('/').Where(p => p is not ("" or ".")));
                hardLinks.Add((e.Path, target));
                targets.Add(target);
            }
            else if (e.Kind == ArchiveEntryKind.Folder) ArchiveWalk.WriteFolder(zip, e.Path);
            else if (e.Kind == ArchiveEntryKind.Link) ArchiveWalk.WriteLink(zip, e.Path, e.Target!);
            else ArchiveWalk.WriteFile(zip, e.Path, e.Mode, e.Content);
            return true;
        }, cancellationToken);
        foreach (var (path, target) in hardLinks)
        {
            ArchiveWalk.Each(archive, e =>
            {
                if (e.Path != target || e.Kind != ArchiveEntryKind.File) return true;
                ArchiveWalk.WriteFile(zip, path, e.Mode, e.Content);
                return false;
            }, cancellationToken);
        }
    }

    private static async Task SealAsync(StagedArchive staged, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(staged.Path);
        staged.Size = file.Length;
        staged.Sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    private sealed record Sum(long Size, string Hash);

    private static Dictionary<string, Sum> Sums(string archive, CancellationToken cancellationToken)
    {
        var sums = new Dictionary<string, Sum>(StringComparer.Ordinal);
        ArchiveWalk.Each(archive, e =>
        {
            if (e.Kind == ArchiveEntryKind.File) sums[e.Path] = new(e.Size, Convert.ToHexStringLower(SHA256.HashData(e.Content)));
            else if (e.Kind == ArchiveEntryKind.Link) sums[e.Path] = new(0, "→ " + e.Target);
            return true;
        }, cancellationToken);
        return sums;
    }

    private static Dictionary<string, string?> Texts(string archive, HashSet<string> paths, CancellationToken cancellationToken)
    {
        var texts = new Dictionary<string, string?>(StringComparer.Ordinal);
        var room = 16L << 20;
        ArchiveWalk.Each(archive, e =>
        {
            if (!paths.Contains(e.Path) || e.Kind != ArchiveEntryKind.File || e.Size > LargestCompared || (room -= e.Size) < 0) return true;
            texts[e.Path] = Text(e.Content, LargestCompared);
            return true;
        }, cancellationToken);
        return texts;
    }

    private static string? Text(Stream content, int most)
    {
        var bytes = new byte[most + 1];
        var read = content.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (read > most || bytes.AsSpan(0, read).Contains((byte)0)) return null;
        try
        {
            return Strict.GetString(bytes, 0, read);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static bool IsPath(string path) =>
        path.Length is > 0 and <= 1024 && !path.Any(c => char.IsControl(c) || c is '\\' or '\uFFFD') && path.Split('/').All(p => p is not ("" or "." or ".."));

    private static ProblemException NoFile(int version, string path) => new(404, "not-found", $"Version {version} has no file '{ArchiveTree.Shown(path)}'.");
}
