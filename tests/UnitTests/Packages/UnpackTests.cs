using System.Formats.Tar;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.UnitTests.Packages;

/// <summary>The upload looks inside and the runtime unpacks, each for itself: they must agree.</summary>
public sealed class UnpackTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mcpcan-unpack-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static IEnumerable<byte[]> Seeds()
    {
        yield return Archives.Zip(("server.py", "print(1)"), ("a/b.js", "x"), ("文/ü.txt", "y"));
        yield return Archives.ZipWithLink("d/l", "../server.py");
        yield return Archives.TarGz(("./server.py", "print(1)"), ("a/b.js", "x"));
        yield return Archives.TarGz(tar =>
        {
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "a.py") { DataStream = new MemoryStream("x"u8.ToArray()) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "b.py") { LinkName = "a.py" });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "n/.bin/x") { LinkName = "../../a.py" });
        });
    }

    [Fact]
    public void WhatIsTaken_CanBeUnpackedAndHasTheSameFiles()
    {
        var random = new Random(5);
        var number = 0;
        foreach (var seed in Seeds())
        {
            for (var i = 0; i < 200; i++)
            {
                var bytes = seed.ToArray();
                if (i > 0) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                var archive = Path.Combine(_folder, $"{++number}");
                File.WriteAllBytes(archive, bytes);
                ArchiveContent content;
                try
                {
                    content = new ArchiveInspector(new ArchiveBounds()).Read(archive, TestContext.Current.CancellationToken);
                }
                catch (ProblemException)
                {
                    Assert.NotEqual(0, i);
                    continue;
                }
                Archive.Unpack(archive, archive + ".d", cancellationToken: TestContext.Current.CancellationToken);
                var files = Directory.EnumerateFiles(archive + ".d", "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 });
                Assert.Equal(
                    content.Entries.Where(e => e.Kind != ArchiveEntryKind.Folder).Select(e => e.Path).Order(StringComparer.Ordinal),
                    files.Select(f => Path.GetRelativePath(archive + ".d", f)).Order(StringComparer.Ordinal));
            }
        }
    }
}
