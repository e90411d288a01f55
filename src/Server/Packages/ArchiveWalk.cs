using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Packages;

/// <summary>One entry while an archive is walked through; its content can be read until the next one.</summary>
/// <param name="Path">Clean path.</param>
/// <param name="Kind">File, folder or link.</param>
/// <param name="Size">Bytes of a file.</param>
/// <param name="Mode">Rights, as the archive has them; 0 where it does not say.</param>
/// <param name="Target">Where a link leads, as the archive has it.</param>
/// <param name="IsHardLink">Whether the link is a second name of a file of the archive.</param>
/// <param name="Content">The bytes of a file.</param>
internal sealed record WalkEntry(string Path, ArchiveEntryKind Kind, long Size, int Mode, string? Target, bool IsHardLink, Stream Content);

/// <summary>Goes through a stored archive, which was inspected when it came, entry by entry; writes new ones.</summary>
internal static class ArchiveWalk
{
    private const int Link = 0xa000, Folder = 0x4000, Plain = 0x8000;

    /// <summary>Calls <paramref name="visit"/> for each entry, in the archive's order, until it answers false.</summary>
    public static void Each(string archive, Func<WalkEntry, bool> visit, CancellationToken cancellationToken)
    {
        using var file = new FileStream(archive, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            if (IsZip(file)) EachOfZip(file, visit, cancellationToken);
            else EachOfTar(file, visit, cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new ProblemException(500, "archive-damaged", "The stored archive of this version is damaged. Restore the data folder from a backup.");
        }
    }

    /// <summary>Writes a file of a new archive.</summary>
    public static void WriteFile(ZipArchive to, string path, int mode, Stream content)
    {
        var entry = New(to, path, Plain | ((mode & 0x49) != 0 ? 0x1ed : 0x1a4));
        using var target = entry.Open();
        content.CopyTo(target);
    }

    /// <summary>Writes a folder of a new archive.</summary>
    public static void WriteFolder(ZipArchive to, string path) => New(to, path + "/", Folder | 0x1ed);

    /// <summary>Writes a symbolic link of a new archive.</summary>
    public static void WriteLink(ZipArchive to, string path, string target)
    {
        using var content = New(to, path, Link | 0x1ff).Open();
        content.Write(Encoding.UTF8.GetBytes(target));
    }

    /// <summary>The same content gives the same archive: the time is not kept.</summary>
    private static ZipArchiveEntry New(ZipArchive to, string path, int mode)
    {
        var entry = to.CreateEntry(path, CompressionLevel.Fastest);
        entry.ExternalAttributes = mode << 16;
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
        return entry;
    }

    private static bool IsZip(FileStream file)
    {
        Span<byte> head = stackalloc byte[2];
        file.ReadExactly(head);
        file.Position = 0;
        return head.SequenceEqual("PK"u8);
    }

    private static void EachOfZip(FileStream file, Func<WalkEntry, bool> visit, CancellationToken cancellationToken)
    {
        var tree = new ArchiveTree(new ArchiveBounds());
        using var zip = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
        foreach (var entry in zip.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var mode = entry.ExternalAttributes >> 16;
            var kind = (mode & 0xf000) switch { Link => ArchiveEntryKind.Link, Folder => ArchiveEntryKind.Folder, _ => entry.FullName.EndsWith('/') ? ArchiveEntryKind.Folder : ArchiveEntryKind.File };
            if (tree.Add(entry.FullName, kind, entry.Length) is not { } path) continue;
            using var content = kind == ArchiveEntryKind.Folder ? Stream.Null : entry.Open();
            if (kind != ArchiveEntryKind.Link)
            {
                if (!visit(new WalkEntry(path, kind, kind == ArchiveEntryKind.File ? entry.Length : 0, mode & 0xfff, null, false, content))) return;
                continue;
            }
            using var target = new StreamReader(content);
            if (!visit(new WalkEntry(path, kind, 0, mode & 0xfff, target.ReadToEnd(), false, Stream.Null))) return;
        }
    }

    private static void EachOfTar(FileStream file, Func<WalkEntry, bool> visit, CancellationToken cancellationToken)
    {
        var tree = new ArchiveTree(new ArchiveBounds());
        using var unzipped = new GZipStream(file, CompressionMode.Decompress, leaveOpen: true);
        using var tar = new TarReader(unzipped, leaveOpen: true);
        while (tar.GetNextEntry() is { } entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (entry.EntryType == TarEntryType.GlobalExtendedAttributes) continue;
            var kind = entry.EntryType switch
            {
                TarEntryType.SymbolicLink or TarEntryType.HardLink => ArchiveEntryKind.Link,
                TarEntryType.Directory => ArchiveEntryKind.Folder,
                _ => entry.Name.EndsWith('/') ? ArchiveEntryKind.Folder : ArchiveEntryKind.File,
            };
            if (tree.Add(entry.Name, kind, entry.Length) is not { } path) continue;
            var isFile = kind == ArchiveEntryKind.File;
            var next = new WalkEntry(path, kind, isFile ? entry.Length : 0, (int)entry.Mode, kind == ArchiveEntryKind.Link ? entry.LinkName : null,
                entry.EntryType == TarEntryType.HardLink, isFile ? entry.DataStream ?? Stream.Null : Stream.Null);
            if (!visit(next)) return;
        }
    }
}
