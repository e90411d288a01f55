using System.Formats.Tar;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Packages;

/// <summary>
/// Reads an uploaded archive from its first to its last byte without writing anything: format by content, names, links, checksums, sizes.
/// What comes out of here can be unpacked.
/// </summary>
internal sealed class ArchiveInspector(ArchiveBounds limits)
{
    private const int LargestText = 512 << 10;
    private const int AllTexts = 8 << 20;
    private static readonly HashSet<string> Telling = new(StringComparer.Ordinal) { "package.json", "pyproject.toml", "requirements.txt", "yarn.lock", "manifest.json" };

    /// <summary>Throws a 400 with a sentence for people when the archive cannot be used.</summary>
    public ArchiveContent Read(string path, CancellationToken cancellationToken)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        var reading = new Reading(limits, file.Length, cancellationToken);
        try
        {
            var extension = Format(file);
            if (extension == ".zip") ReadZip(file, reading);
            else ReadTar(file, reading);
            return reading.Tree.Entries.Any(e => e.Kind == ArchiveEntryKind.File)
                ? new ArchiveContent(extension, reading.Tree.Entries, reading.Texts)
                : throw ArchiveTree.Bad("The archive holds no files.");
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException or ArgumentException or NotSupportedException or IndexOutOfRangeException or OverflowException)
        {
            throw ArchiveTree.Bad("The archive is damaged or cut off: it cannot be read to its end. Pack and upload it again.");
        }
    }

    private static string Format(FileStream file)
    {
        Span<byte> head = stackalloc byte[6];
        var read = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        file.Position = 0;
        head = head[..read];
        if (read == 0) throw ArchiveTree.Bad("The file is empty.");
        if (head.StartsWith("PK\x03\x04"u8)) return ".zip";
        if (head.StartsWith("PK\x05\x06"u8)) throw ArchiveTree.Bad("The archive holds no files.");
        if (head.StartsWith<byte>([0x1f, 0x8b])) return ".tar.gz";
        throw ArchiveTree.Bad("The file is neither a .zip nor a .tar.gz archive (judged by its content, not by its name).");
    }

    private void ReadZip(FileStream file, Reading reading)
    {
        CheckDirectorySize(file);
        using var zip = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
        foreach (var entry in zip.Entries)
        {
            if (entry.IsEncrypted) throw ArchiveTree.Bad($"The archive is encrypted ('{ArchiveTree.Shown(entry.FullName)}'). Pack it without a password.");
            var kind = Kind(entry);
            var size = kind == ArchiveEntryKind.File ? entry.Length : 0;
            if (reading.Tree.Add(entry.FullName, kind, size, entry.ExternalAttributes >> 16) is not { } path) continue;
            if (kind == ArchiveEntryKind.Folder) continue;
            using var content = reading.Count(entry.Open());
            var (bytes, crc) = reading.Consume(content, kind == ArchiveEntryKind.Link ? 4096 : Keep(path, entry.Length));
            if (crc != entry.Crc32) throw ArchiveTree.Bad($"The archive is damaged: the checksum of '{ArchiveTree.Shown(path)}' is wrong.");
            if (kind == ArchiveEntryKind.Link) reading.Tree.CheckLink(path, Text(bytes ?? []));
            else reading.Note(path, bytes);
        }
    }

    /// <summary>The BCL reads the whole directory at once and believes the number that the archive gives; so its size is looked at first.</summary>
    private void CheckDirectorySize(FileStream file)
    {
        var tail = new byte[(int)Math.Min(file.Length, 22 + ushort.MaxValue)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        file.Position = 0;
        var end = tail.AsSpan().LastIndexOf("PK\x05\x06"u8);
        if (end < 0 || tail.Length - end < 22) throw ArchiveTree.Bad("The archive is cut off: its end is missing. Pack and upload it again.");
        long start = BitConverter.ToUInt32(tail, end + 16);
        var locator = end - 20;
        if (start == uint.MaxValue && locator >= 0 && tail.AsSpan(locator).StartsWith("PK\x06\x07"u8))
        {
            var record = new byte[56];
            file.Position = Math.Clamp(BitConverter.ToInt64(tail, locator + 8), 0, file.Length);
            file.ReadExactly(record);
            file.Position = 0;
            start = BitConverter.ToInt64(record, 48);
        }
        var directory = file.Length - tail.Length + end - Math.Clamp(start, 0, file.Length);
        if (directory > limits.Entries * 400L) throw ArchiveTree.Bad($"The archive has more than {limits.Entries} entries. Leave out what can be installed, such as node_modules.");
    }

    private static ArchiveEntryKind Kind(ZipArchiveEntry entry) => ((entry.ExternalAttributes >> 16) & 0xf000) switch
    {
        0xa000 => ArchiveEntryKind.Link,
        0x4000 => ArchiveEntryKind.Folder,
        0 or 0x8000 => entry.FullName.EndsWith('/') ? ArchiveEntryKind.Folder : ArchiveEntryKind.File,
        _ => throw ArchiveTree.Bad($"The archive holds '{ArchiveTree.Shown(entry.FullName)}', which is neither a file nor a folder nor a link."),
    };

    private static void ReadTar(FileStream file, Reading reading)
    {
        using var unpacked = reading.Count(new GZipStream(file, CompressionMode.Decompress, leaveOpen: true));
        using (var tar = new TarReader(unpacked, leaveOpen: true))
        {
            for (var first = true; NextEntry(tar, first) is { } entry; first = false)
            {
                if (entry.EntryType == TarEntryType.GlobalExtendedAttributes) continue;
                var kind = Kind(entry);
                if (reading.Tree.Add(entry.Name, kind, kind == ArchiveEntryKind.File ? entry.Length : 0, (int)entry.Mode) is not { } path) continue;
                if (entry.EntryType == TarEntryType.SymbolicLink) reading.Tree.CheckLink(path, entry.LinkName);
                if (entry.EntryType == TarEntryType.HardLink) reading.Tree.CheckHardLink(path, entry.LinkName);
                if (entry.DataStream is not null && kind == ArchiveEntryKind.File) reading.Note(path, reading.Consume(entry.DataStream, Keep(path, entry.Length)).Bytes);
            }
        }
        unpacked.CopyTo(Stream.Null); // the checksum of the compressed stream stands at its end
    }

    private static TarEntry? NextEntry(TarReader tar, bool first)
    {
        try
        {
            return tar.GetNextEntry();
        }
        catch (Exception e) when (first && e is InvalidDataException or FormatException)
        {
            throw ArchiveTree.Bad("The file is compressed with gzip, but what is inside is no tar archive, or it is damaged.");
        }
    }

    private static ArchiveEntryKind Kind(TarEntry entry) => entry.EntryType switch
    {
        TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile =>
            entry.Name.EndsWith('/') ? ArchiveEntryKind.Folder : ArchiveEntryKind.File,
        TarEntryType.Directory => ArchiveEntryKind.Folder,
        TarEntryType.SymbolicLink or TarEntryType.HardLink => ArchiveEntryKind.Link,
        _ => throw ArchiveTree.Bad($"The archive holds '{ArchiveTree.Shown(entry.Name)}', which is neither a file nor a folder nor a link."),
    };

    /// <summary>How many bytes to keep of a file: those that tell what kind of project it is, near the top.</summary>
    private static int Keep(string path, long size)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        var near = path.Count(c => c == '/') <= 3 && !path.Contains("node_modules/", StringComparison.Ordinal);
        return near && size <= LargestText && (Telling.Contains(name) || name.EndsWith(".py", StringComparison.Ordinal)) ? LargestText : 0;
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes).TrimStart('\uFEFF');

    /// <summary>Counts what is unpacked, keeps texts.</summary>
    private sealed class Reading(ArchiveBounds limits, long packed, CancellationToken cancellationToken)
    {
        private readonly byte[] _buffer = new byte[64 << 10];
        private long _unpacked;
        private int _kept;

        public ArchiveTree Tree { get; } = new(limits);
        public Dictionary<string, string> Texts { get; } = new(StringComparer.Ordinal);

        /// <summary>Reads a file to its end; the result has its bytes when they are at most <paramref name="keep"/>.</summary>
        public (byte[]? Bytes, uint Crc) Consume(Stream content, int keep)
        {
            var crc = new Crc32();
            var kept = keep > 0 && _kept < AllTexts ? new MemoryStream() : null;
            for (int read; (read = content.Read(_buffer)) > 0;)
            {
                crc.Append(_buffer.AsSpan(0, read));
                if (kept?.Length + read > keep) kept = null;
                kept?.Write(_buffer, 0, read);
            }
            _kept += (int)(kept?.Length ?? 0);
            return (kept?.ToArray(), crc.GetCurrentHashAsUInt32());
        }

        public void Note(string path, byte[]? bytes)
        {
            if (bytes is not null) Texts[path] = Text(bytes);
        }

        public Stream Count(Stream inner) => new CountingStream(inner, Add);

        private void Add(int bytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _unpacked += bytes;
            if (_unpacked > limits.Bytes) throw ArchiveTree.Bad($"The archive unpacks to more than {limits.Bytes >> 20} MiB.");
            if (_unpacked > limits.HarmlessBytes && _unpacked / limits.Ratio > packed) throw ArchiveTree.Bad($"The archive unpacks to more than {limits.Ratio} times its size, as archives do that are made to fill a disk.");
        }
    }
}
