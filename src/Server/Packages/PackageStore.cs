using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using McpCan.Server.Hosting;

namespace McpCan.Server.Packages;

/// <summary>Archives on disk: first in the temporary folder, then, once they are known to be good, at their place for good.</summary>
internal sealed class PackageStore(DataFolder folder, McpCanOptions options)
{
    private const string Prefix = "upload-";
    private static readonly string[] Bundles = [".mcpb", ".dxt"];

    /// <summary>An empty file in the temporary folder.</summary>
    public StagedArchive Temporary() => new(Path.Combine(folder.Temporary, Prefix + Guid.NewGuid().ToString("N")));

    /// <summary>Writes an upload to a temporary file; it goes away with the result unless it is kept.</summary>
    public async Task<StagedArchive> StageAsync(Stream content, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder.Temporary, Prefix + Guid.NewGuid().ToString("N"));
        var staged = new StagedArchive(path);
        try
        {
            (staged.Size, staged.Sha256) = await CopyAsync(content, path, cancellationToken);
            return staged;
        }
        catch
        {
            staged.Dispose();
            throw;
        }
    }

    /// <summary>Moves an upload to its place; never over something else.</summary>
    public string Keep(StagedArchive staged, string packageId, int version, string fileName)
    {
        var place = ArchivePath(packageId, version, fileName);
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        File.Move(staged.Path, place);
        return place;
    }

    public string ArchivePath(string packageId, int version, string fileName) =>
        Path.Combine(folder.Packages, packageId, version.ToString(CultureInfo.InvariantCulture), fileName);

    /// <summary>Removes a version's folder, and the package's when it was the last.</summary>
    public void Remove(string packageId, int? version)
    {
        var package = Path.Combine(folder.Packages, packageId);
        var target = version is { } v ? Path.Combine(package, v.ToString(CultureInfo.InvariantCulture)) : package;
        if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        if (Directory.Exists(package) && !Directory.EnumerateFileSystemEntries(package).Any()) Directory.Delete(package);
    }

    /// <summary>Removes what a killed server left of uploads.</summary>
    public void RemoveLeftOvers()
    {
        foreach (var file in Directory.EnumerateFiles(folder.Temporary, Prefix + "*")) File.Delete(file);
    }

    /// <summary>A file name that is safe everywhere and ends as its content asks.</summary>
    public static string FileName(string? uploaded, string extension)
    {
        var name = Stem(uploaded);
        // Bundles are zip archives that keep their own name.
        var bundle = extension == ".zip" ? Bundles.FirstOrDefault(b => uploaded?.EndsWith(b, StringComparison.OrdinalIgnoreCase) == true) : null;
        return (name.Length == 0 ? "package" : name) + (bundle ?? extension);
    }

    /// <summary>The uploaded name without folders, odd characters and archive extension.</summary>
    public static string Stem(string? uploaded)
    {
        var name = uploaded ?? "";
        name = name[(name.LastIndexOfAny(['/', '\\']) + 1)..];
        foreach (var end in new[] { ".zip", ".mcpb", ".dxt", ".tgz", ".gz", ".tar" })
            if (name.EndsWith(end, StringComparison.OrdinalIgnoreCase)) name = name[..^end.Length];
        name = new string([.. name.Take(80).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '-')]);
        return name.Trim('.', '-');
    }

    private async Task<(long Size, string Sha256)> CopyAsync(Stream content, string path, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, useAsync: true);
        var buffer = ArrayPool<byte>.Shared.Rent(128 << 10);
        try
        {
            long size = 0;
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                if ((size += read) > options.MaxPackageBytes) throw TooLarge();
                hash.AppendData(buffer, 0, read);
                await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
            return (size, Convert.ToHexStringLower(hash.GetHashAndReset()));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public ProblemException TooLarge() => new(413, "too-large",
        $"The archive is larger than {options.MaxPackageBytes} bytes, the most that this server takes. Leave out what can be installed, or raise {Configuration.Name(nameof(McpCanOptions.MaxPackageBytes))}.");
}

/// <summary>An upload in the temporary folder.</summary>
internal sealed class StagedArchive(string path) : IDisposable
{
    public string Path { get; } = path;
    public long Size { get; set; }
    public string Sha256 { get; set; } = "";

    /// <summary>Removes the file, unless it was moved to its place.</summary>
    public void Dispose() => File.Delete(Path);
}
