namespace McpCan.Server.Packages;

/// <summary>What an entry of an archive is.</summary>
public enum ArchiveEntryKind
{
    /// <summary>A file.</summary>
    File,
    /// <summary>A folder.</summary>
    Folder,
    /// <summary>A symbolic or hard link to another place of the same archive.</summary>
    Link,
}

/// <summary>One entry of an archive that passed all checks.</summary>
/// <param name="Path">Place inside the archive, with <c>/</c> between the names, neither absolute nor with <c>..</c>.</param>
/// <param name="Kind">File, folder or link.</param>
/// <param name="Size">Size of the unpacked file in bytes.</param>
/// <param name="Executable">Whether the archive says that the file may be executed.</param>
public sealed record ArchiveEntry(string Path, ArchiveEntryKind Kind, long Size, bool Executable = false);

/// <summary>What was found in an archive.</summary>
/// <param name="Extension"><c>.zip</c> or <c>.tar.gz</c>, by content.</param>
/// <param name="Entries">All entries, in the archive's order.</param>
/// <param name="Texts">Text of the small files that tell what kind of project it is, by path.</param>
public sealed record ArchiveContent(string Extension, IReadOnlyList<ArchiveEntry> Entries, IReadOnlyDictionary<string, string> Texts);
