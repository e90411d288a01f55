using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.UnitTests.Packages;

public sealed class ArchiveInspectorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mcpcan-archive-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private ArchiveContent Read(byte[] archive, ArchiveBounds? limits = null)
    {
        var path = Path.Combine(_folder, Guid.NewGuid().ToString());
        File.WriteAllBytes(path, archive);
        return new ArchiveInspector(limits ?? new ArchiveBounds()).Read(path, TestContext.Current.CancellationToken);
    }

    private void Refused(byte[] archive, string because, ArchiveBounds? limits = null)
    {
        var problem = Assert.Throws<ProblemException>(() => Read(archive, limits));
        Assert.Equal((400, "bad-archive"), (problem.Status, problem.Code));
        Assert.Contains(because, problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(problem.Message, char.IsControl);
    }

    [Fact]
    public void Zip_EntriesAndTellingTextsAreRead()
    {
        var content = Read(Archives.Zip(("a/package.json", "\uFEFF{}"), ("a/img.png", "x"), ("a/文.py", "print")));

        Assert.Equal(".zip", content.Extension);
        Assert.Equal(["a/package.json", "a/img.png", "a/文.py"], content.Entries.Select(e => e.Path));
        Assert.Equal(new Dictionary<string, string> { ["a/package.json"] = "{}", ["a/文.py"] = "print" }, content.Texts);
    }

    [Fact]
    public void TarGz_EntriesAndTellingTextsAreRead()
    {
        var content = Read(Archives.TarGz(("./server.py", "x"), ("node_modules/a/package.json", "{}")));

        Assert.Equal(".tar.gz", content.Extension);
        Assert.Equal(["server.py", "node_modules/a/package.json"], content.Entries.Select(e => e.Path));
        Assert.Equal(["server.py"], content.Texts.Keys);
    }

    [Fact]
    public void LinksInside_AreTaken()
    {
        var content = Read(Archives.TarGz(tar =>
        {
            tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, "node_modules/.bin"));
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "node_modules/.bin/x") { LinkName = "../x/cli.js" });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "a.py") { DataStream = new MemoryStream("x"u8.ToArray()) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "b.py") { LinkName = "a.py" });
        }));

        Assert.Equal(2, content.Entries.Count(e => e.Kind == ArchiveEntryKind.Link));
        Assert.Equal(4, content.Entries.Count);
    }

    [Theory]
    [InlineData("../evil.py", "leads out")]
    [InlineData("a/../../evil.py", "leads out")]
    [InlineData("a/..", "leads out")]
    [InlineData("/etc/passwd", "absolute")]
    [InlineData("C:/x.py", "absolute")]
    [InlineData("..\\evil.py", "no file name may have")]
    [InlineData("a\u001b[31m.py", "no file name may have")]
    [InlineData("a\nb.py", "no file name may have")]
    public void BadName_IsRefused(string name, string because)
    {
        Refused(Archives.Zip((name, "x")), because);
        if (!name.Contains('\n')) Refused(Archives.TarGz((name, "x")), because);
    }

    [Fact]
    public void NameThatIsNotUtf8_IsRefused()
    {
        Refused(Archives.Zip(("xxxx.py", "")).Replace("xxxx"u8.ToArray(), [0xc4, 0xe3, 0xba, 0xc3]), "not UTF-8");
    }

    [Theory]
    [InlineData("l", "/etc/passwd")]
    [InlineData("l", "..")]
    [InlineData("a/l", "../../x")]
    [InlineData("l", "a/../../x")]
    [InlineData("l", "a/b/..")]
    [InlineData("l", "")]
    public void LinkOut_IsRefused(string name, string target)
    {
        Refused(Archives.ZipWithLink(name, target), "leads out");
        if (target.Length > 0) Refused(Archives.TarGz(tar => tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target })), "leads out");
    }

    [Fact]
    public void FileThroughALink_IsRefused() => Refused(Archives.TarGz(tar =>
    {
        tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "l") { LinkName = "d" });
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "l/x"));
    }), "which is no folder");

    [Fact]
    public void LinkOverAFolder_IsRefused() => Refused(Archives.TarGz(tar =>
    {
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "l/x"));
        tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "l") { LinkName = "d" });
    }), "two entries");

    [Fact]
    public void HardLinkToNothing_IsRefused() =>
        Refused(Archives.TarGz(tar => tar.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "l") { LinkName = "etc/passwd" })), "no file of the archive");

    [Theory]
    [InlineData(TarEntryType.Fifo)]
    [InlineData(TarEntryType.CharacterDevice)]
    [InlineData(TarEntryType.BlockDevice)]
    public void Device_IsRefused(TarEntryType type) => Refused(Archives.TarGz(tar => tar.WriteEntry(new PaxTarEntry(type, "d"))), "neither a file");

    [Fact]
    public void SameNameTwice_IsRefused() => Refused(Archives.Zip(("a.py", "1"), ("./a.py", "2")), "two entries");

    [Fact]
    public void Bomb_IsRefusedAndNotUnpackedToItsEnd() =>
        Refused(Archives.Bomb(300L << 20), "times its size");

    [Fact]
    public void GzipBomb_IsRefused()
    {
        var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(new byte[200 << 20]);
        Refused(memory.ToArray(), "");
    }

    [Fact]
    public void TooLargeUnpacked_IsRefused() => Refused(Archives.Zip(("a.bin", new string('x', 2 << 20))), "more than 1 MiB", new ArchiveBounds { Bytes = 1 << 20 });

    [Fact]
    public void TooManyEntries_AreRefused()
    {
        (string, string)[] files = [.. Enumerable.Range(0, 200).Select(i => ($"f{i}", ""))];
        Refused(Archives.Zip(files), "more than 100 entries", new ArchiveBounds { Entries = 100 });
        Refused(Archives.Zip(files), "more than 10 entries", new ArchiveBounds { Entries = 10 });
        Refused(Archives.TarGz(files), "more than 100 entries", new ArchiveBounds { Entries = 100 });
    }

    [Fact]
    public void TooDeep_IsRefused() => Refused(Archives.Zip((string.Concat(Enumerable.Repeat("a/", 70)) + "x", "")), "deep");

    [Fact]
    public void Empty_IsRefused()
    {
        Refused([], "empty");
        Refused(Archives.Zip(), "no files");
        Refused(Archives.Zip(("folder/", "")), "no files");
        Refused(Archives.TarGz(tar => tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, "d"))), "no files");
    }

    [Theory]
    [InlineData("just some text")]
    [InlineData("PK")]
    [InlineData("7z\u00bc\u00af'\u001c")]
    public void OtherFormat_IsRefused(string text) => Refused(Encoding.Latin1.GetBytes(text), "neither a .zip nor a .tar.gz");

    [Fact]
    public void GzipWithoutTar_IsRefused()
    {
        var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(Encoding.ASCII.GetBytes(new string('x', 5000)));
        Refused(memory.ToArray(), "no tar archive");
    }

    [Fact]
    public void CutAnywhere_IsRefused()
    {
        var random = new Random(7);
        var noise = new byte[3000];
        random.NextBytes(noise);
        foreach (var whole in new[] { Archives.Zip(("server.py", Convert.ToBase64String(noise))), Archives.TarGz(("server.py", Convert.ToBase64String(noise))) })
            for (var length = 1; length < whole.Length - 40; length += 37) Refused(whole[..length], ""); // the last bytes hold no content: gzip's trailer, and the zeros at the end of a tar
    }

    [Fact]
    public void BytesChanged_NeverCrash()
    {
        var random = new Random(11);
        foreach (var whole in new[] { Archives.Zip(("server.py", "print(1)"), ("a/b.js", "x")), Archives.TarGz(("server.py", "print(1)"), ("a/b.js", "x")) })
        {
            for (var i = 0; i < 3000; i++)
            {
                var changed = whole.ToArray();
                for (var n = random.Next(1, 5); n > 0; n--) changed[random.Next(changed.Length)] = (byte)random.Next(256);
                try
                {
                    Read(changed);
                }
                catch (ProblemException e)
                {
                    Assert.Equal(400, e.Status);
                }
            }
        }
    }

    [Fact]
    public void ContentChanged_TheChecksumTells()
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var entry = zip.CreateEntry("a.py", CompressionLevel.NoCompression).Open();
            entry.Write("hello world"u8);
        }
        Refused(memory.ToArray().Replace("world"u8.ToArray(), "earth"u8.ToArray()), "checksum");
    }
}
