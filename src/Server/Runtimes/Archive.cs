using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace McpCan.Server.Runtimes;

/// <summary>An archive cannot be unpacked; the message says why, for people.</summary>
public sealed class ArchiveException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>What an archive may hold at most.</summary>
public sealed record ArchiveBounds
{
    /// <summary>Entries.</summary>
    public int Entries { get; init; } = 100_000;
    /// <summary>Bytes of all files together.</summary>
    public long Bytes { get; init; } = 1L << 30;
    /// <summary>How many times the archive's own size it may grow to.</summary>
    public int Ratio { get; init; } = 200;
    /// <summary>Up to this size the ratio does not matter.</summary>
    public long HarmlessBytes { get; init; } = 16L << 20;
    /// <summary>Folders below each other.</summary>
    public int Depth { get; init; } = 64;
    /// <summary>Characters of a path.</summary>
    public int PathLength { get; init; } = 1024;
}

/// <summary>
/// Unpacks <c>.zip</c>, <c>.tar.gz</c> and <c>.tgz</c> so that nothing is written outside of the target: the names are checked, links are made
/// last and lead inside only, and all of it happens in a temporary folder that gets its name in one step at the end.
/// </summary>
public static class Archive
{
    private const UnixFileMode Plain = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Program = Plain | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Unpacks into <paramref name="target"/>, which must not exist yet.</summary>
    public static void Unpack(string archive, string target, ArchiveBounds? bounds = null, CancellationToken cancellationToken = default)
    {
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(temporary, Program & ~(UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute));
        try
        {
            using (var file = new FileStream(archive, FileMode.Open, FileAccess.Read, FileShare.Read))
            {
                var work = new Unpacking(temporary, bounds ?? new(), file.Length, cancellationToken);
                Span<byte> head = stackalloc byte[4];
                var read = file.ReadAtLeast(head, 4, throwOnEndOfStream: false);
                file.Position = 0;
                if (read == 4 && head.SequenceEqual("PK\x03\x04"u8)) work.Zip(file);
                else if (read == 4 && head[0] == 0x1f && head[1] == 0x8b) work.Tar(file);
                else throw new ArchiveException("The file is neither a .zip nor a .tar.gz archive.");
                work.MakeLinks();
            }
            Directory.Move(temporary, target);
        }
        catch (Exception e)
        {
            WorkloadFolder.Delete(temporary);
            if (e is InvalidDataException or EndOfStreamException or FormatException or ArgumentException or NotSupportedException or OverflowException)
                throw new ArchiveException("The archive is damaged or cut off.", e);
            throw;
        }
    }

    private sealed class Unpacking(string root, ArchiveBounds bounds, long packed, CancellationToken cancellationToken)
    {
        private readonly List<(string Path, string Target)> _links = [];
        private readonly HashSet<string> _files = new(StringComparer.Ordinal);
        private readonly byte[] _buffer = new byte[128 << 10];
        private long _bytes;
        private int _entries;

        public void Zip(FileStream file)
        {
            using var zip = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
            foreach (var entry in zip.Entries)
            {
                var mode = entry.ExternalAttributes >> 16;
                if (Clean(entry.FullName) is not { Length: > 0 } path) continue;
                switch (mode & 0xf000)
                {
                    case 0xa000:
                        using (var target = entry.Open()) Link(path, Text(target));
                        break;
                    case 0x4000:
                        Folder(path);
                        break;
                    case 0 or 0x8000 when entry.FullName.EndsWith('/'):
                        Folder(path);
                        break;
                    case 0 or 0x8000:
                        using (var content = entry.Open()) Write(path, content, (mode & 0x49) != 0, count: true);
                        break;
                    default:
                        throw Bad(entry.FullName, "is neither a file nor a folder nor a link");
                }
            }
        }

        public void Tar(FileStream file)
        {
            using var unzipped = new GZipStream(file, CompressionMode.Decompress, leaveOpen: true);
            using var tar = new TarReader(new Counting(unzipped, Count), leaveOpen: true);
            while (tar.GetNextEntry() is { } entry)
            {
                if (entry.EntryType == TarEntryType.GlobalExtendedAttributes) continue;
                if (Clean(entry.Name) is not { Length: > 0 } path) continue;
                switch (entry.EntryType)
                {
                    case TarEntryType.Directory:
                        Folder(path);
                        break;
                    case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile when entry.Name.EndsWith('/'):
                        Folder(path);
                        break;
                    case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                        Write(path, entry.DataStream ?? Stream.Null, (entry.Mode & UnixFileMode.UserExecute) != 0, count: false); // counted with the whole stream
                        break;
                    case TarEntryType.SymbolicLink:
                        Link(path, entry.LinkName);
                        break;
                    case TarEntryType.HardLink:
                        var source = Clean(entry.LinkName);
                        if (!_files.Contains(source)) throw Bad(entry.Name, "is a link to something that is no file of the archive before it");
                        using (var content = File.OpenRead(Path.Combine(root, source))) Write(path, content, (File.GetUnixFileMode(content.Name) & UnixFileMode.UserExecute) != 0, count: true);
                        break;
                    default:
                        throw Bad(entry.Name, "is neither a file nor a folder nor a link");
                }
            }
        }

        /// <summary>After all files, so that none is ever written through a link.</summary>
        public void MakeLinks()
        {
            foreach (var (path, target) in _links)
            {
                var full = Path.Combine(root, path);
                if (Path.Exists(full) || new FileInfo(full).LinkTarget is not null) throw Bad(path, "is there twice");
                File.CreateSymbolicLink(full, target);
            }
        }

        private void Folder(string path) => Make(Path.Combine(root, path), path);

        private void Make(string folder, string name)
        {
            try
            {
                Directory.CreateDirectory(folder);
            }
            catch (IOException e)
            {
                throw new ArchiveException($"The archive's entry '{Shown(name)}' lies inside of a file.", e);
            }
        }

        private void Write(string path, Stream content, bool program, bool count)
        {
            var full = Path.Combine(root, path);
            Make(Path.GetDirectoryName(full)!, path);
            if (Path.Exists(full)) throw Bad(path, "is there twice");
            using var file = new FileStream(full, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = program ? Program : Plain });
            for (int read; (read = content.Read(_buffer)) > 0;)
            {
                if (count) Count(read);
                file.Write(_buffer, 0, read);
            }
            _files.Add(path);
        }

        /// <summary>Only leading <c>..</c>, and not more than there are folders above: then a chain of links stays inside as well.</summary>
        private void Link(string path, string target)
        {
            var parts = target.Split('/');
            var up = parts.TakeWhile(p => p == "..").Count();
            if (target.Length == 0 || target[0] == '/' || Strange(target) || up > path.Count(c => c == '/') || parts.Skip(up).Contains(".."))
                throw Bad(path, $"is a link that leads out of the archive, to '{Shown(target)}'");
            Make(Path.GetDirectoryName(Path.Combine(root, path))!, path);
            _links.Add((path, target));
        }

        private void Count(int bytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _bytes += bytes;
            if (_bytes > bounds.Bytes) throw new ArchiveException($"The archive unpacks to more than {bounds.Bytes >> 20} MiB.");
            if (_bytes > bounds.HarmlessBytes && _bytes / bounds.Ratio > packed) throw new ArchiveException($"The archive unpacks to more than {bounds.Ratio} times its size, as archives do that are made to fill a disk.");
        }

        private string Clean(string name)
        {
            if (++_entries > bounds.Entries) throw new ArchiveException($"The archive has more than {bounds.Entries} entries.");
            if (Strange(name)) throw Bad(name, "has a character that no file name may have");
            if (name.StartsWith('/') || (name.Length > 1 && name[1] == ':' && char.IsAsciiLetter(name[0]))) throw Bad(name, "has an absolute path");
            var parts = name.Split('/').Where(p => p is not ("" or ".")).ToList();
            if (parts.Contains("..")) throw Bad(name, "leads out of the archive");
            if (parts.Count > bounds.Depth || name.Length > bounds.PathLength || parts.Exists(p => Encoding.UTF8.GetByteCount(p) > 255)) throw Bad(name, "is too deep or too long");
            return string.Join('/', parts);
        }

        private static string Text(Stream content)
        {
            var bytes = new byte[4097];
            var read = content.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return read > 4096 ? "" : Encoding.UTF8.GetString(bytes, 0, read);
        }

        private static bool Strange(string name) => name.Any(c => char.IsControl(c) || c is '\\' or '\uFFFD');

        private static ArchiveException Bad(string name, string what) => new($"The archive's entry '{Shown(name)}' {what}.");

        private static string Shown(string name) => new([.. name.Take(120).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)]);
    }

    /// <summary>Counts what is read, so that a bomb is seen before it is written.</summary>
    private sealed class Counting(Stream inner, Action<int> count) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var read = inner.Read(buffer);
            count(read);
            return read;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
