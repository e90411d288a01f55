using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace McpCan.Tests;

/// <summary>Makes archives, good ones and bad ones.</summary>
public static class Archives
{
    public static byte[] Zip(params (string Name, string Text)[] files)
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, text) in files)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }
        return memory.ToArray();
    }

    /// <summary>A zip with one symbolic link.</summary>
    public static byte[] ZipWithLink(string name, string target)
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            using (var file = zip.CreateEntry("server.py").Open()) file.Write("x"u8);
            var link = zip.CreateEntry(name);
            link.ExternalAttributes = unchecked((int)0xa1ff0000);
            using var entry = link.Open();
            entry.Write(Encoding.UTF8.GetBytes(target));
        }
        return memory.ToArray();
    }

    public static byte[] TarGz(params (string Name, string Text)[] files) => TarGz(tar =>
    {
        foreach (var (name, text) in files)
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
    });

    public static byte[] TarGz(Action<TarWriter> write)
    {
        var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true))
        using (var tar = new TarWriter(gzip, leaveOpen: true)) write(tar);
        return memory.ToArray();
    }

    /// <summary>A zip whose single file unpacks to this many zeros.</summary>
    public static byte[] Bomb(long bytes)
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var entry = zip.CreateEntry("zeros").Open();
            var block = new byte[1 << 20];
            for (var written = 0L; written < bytes; written += block.Length) entry.Write(block);
        }
        return memory.ToArray();
    }

    public static byte[] Replace(this byte[] bytes, byte[] what, byte[] with)
    {
        var copy = bytes.ToArray();
        for (var at = 0; (at = Find(copy, what, at)) >= 0; at += what.Length) with.CopyTo(copy, at);
        return copy;

        static int Find(byte[] all, byte[] what, int from) => all.AsSpan(from).IndexOf(what) is var i and >= 0 ? i + from : -1;
    }
}
