using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class ArchiveTests : IDisposable
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("mcpcan-archive").FullName;

    public void Dispose() => System.IO.Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Tar_WithLinksInside_IsUnpacked()
    {
        var target = Unpack(Tar(Directory("a"), File("a/b.sh", "hello", program: true), Link("c", "a/b.sh"), Link("a/d", "../c"), Hard("e", "a/b.sh")));

        Assert.Equal("hello", System.IO.File.ReadAllText(Path.Combine(target, "a/d")));
        Assert.Equal("hello", System.IO.File.ReadAllText(Path.Combine(target, "e")));
        if (!OperatingSystem.IsWindows()) Assert.True((System.IO.File.GetUnixFileMode(Path.Combine(target, "a/b.sh")) & UnixFileMode.UserExecute) != 0);
        Assert.Equal(["archive", "target"], System.IO.Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("/x")]
    [InlineData("a\\..\\x")]
    [InlineData("c:/x")]
    [InlineData("a\u0001b")]
    public void Zip_NamesThatLeadOut_AreRefused(string name)
    {
        Refused(Zip(("fine", "1"), (name, "1")));
    }

    [Theory]
    [InlineData("l", "/etc")]
    [InlineData("l", "../x")]
    [InlineData("a/l", "../../x")]
    [InlineData("a/l", "b/../../../x")]
    public void Tar_LinksThatLeadOut_AreRefused(string name, string target)
    {
        Refused(Tar(Directory("a"), Link(name, target)));
    }

    [Fact]
    public void Tar_NothingIsWrittenThroughALink() => Refused(Tar(Directory("a"), Link("l", "a"), File("l/x", "1")));

    [Fact]
    public void Tar_HardLinksToNothing_AndDevices_AreRefused()
    {
        Refused(Tar(Hard("x", "/etc/passwd")));
        Refused(Tar(Hard("x", "missing")));
        Refused(Tar(new PaxTarEntry(TarEntryType.CharacterDevice, "d")));
        Refused(Tar(new PaxTarEntry(TarEntryType.Fifo, "f")));
    }

    [Fact]
    public void Bombs_AreRefused()
    {
        var bounds = new ArchiveBounds { Bytes = 1 << 20, Entries = 10, HarmlessBytes = 1000, Ratio = 10, Depth = 3 };
        Refused(Zip(("x", new string('0', 2 << 20))), bounds);
        Refused(Zip(("x", new string('0', 100_000))), bounds);
        Refused(Zip([.. Enumerable.Range(0, 11).Select(i => ($"f{i}", "1"))]), bounds);
        Refused(Zip(("a/b/c/d", "1")), bounds);
        Refused(Tar(File("x", new string('0', 2 << 20))), bounds);
    }

    [Fact]
    public void Damaged_IsRefused()
    {
        var good = Tar(File("x", new string('q', 50_000)));
        Refused(good[..(good.Length / 2)]);
        Refused(Encoding.ASCII.GetBytes("no archive"));
        Refused([]);
        Refused(Zip(("x", "1"), ("x", "2")));
    }

    private string Unpack(byte[] archive, ArchiveBounds? bounds = null)
    {
        var path = Path.Combine(_folder, "archive");
        System.IO.File.WriteAllBytes(path, archive);
        Archive.Unpack(path, Path.Combine(_folder, "target"), bounds, TestContext.Current.CancellationToken);
        return Path.Combine(_folder, "target");
    }

    /// <summary>Refused, and nothing of it is left.</summary>
    private void Refused(byte[] archive, ArchiveBounds? bounds = null)
    {
        Assert.Throws<ArchiveException>(() => Unpack(archive, bounds));
        Assert.Equal(["archive"], System.IO.Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName));
    }

    private static byte[] Zip(params (string Name, string Text)[] files)
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create))
        {
            foreach (var (name, text) in files)
            {
                using var writer = new StreamWriter(zip.CreateEntry(name).Open());
                writer.Write(text);
            }
        }
        return memory.ToArray();
    }

    private static byte[] Tar(params TarEntry[] entries)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest))
        using (var tar = new TarWriter(gzip))
        {
            foreach (var entry in entries) tar.WriteEntry(entry);
        }
        return memory.ToArray();
    }

    private static PaxTarEntry Directory(string name) => new(TarEntryType.Directory, name);
    private static PaxTarEntry Link(string name, string target) => new(TarEntryType.SymbolicLink, name) { LinkName = target };
    private static PaxTarEntry Hard(string name, string target) => new(TarEntryType.HardLink, name) { LinkName = target };
    private static PaxTarEntry File(string name, string text, bool program = false) => new(TarEntryType.RegularFile, name)
    {
        DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
        Mode = program ? UnixFileMode.UserRead | UnixFileMode.UserExecute : UnixFileMode.UserRead,
    };
}
