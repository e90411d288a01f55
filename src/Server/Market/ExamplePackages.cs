using System.IO.Compression;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;

namespace McpCan.Server.Market;

/// <summary>Example code that MCPCAN brings along; becomes a package when somebody uses it for the first time.</summary>
public sealed class ExamplePackages(PackageManager packages) : IDisposable
{
    private const string Folder = "Examples/";
    private readonly SemaphoreSlim _making = new(1, 1);

    /// <summary>The package of an example, made when it is not there; one that holds other code by now gets a new version.</summary>
    /// <param name="name">The example's folder.</param>
    /// <param name="actor">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<PackageVersion> EnsureAsync(string name, string actor, CancellationToken cancellationToken)
    {
        await _making.WaitAsync(cancellationToken);
        try
        {
            using var archive = Archive(name);
            var title = $"Example {name}";
            var present = (await packages.ListAsync(new PageQuery(title), p => p, cancellationToken)).Items.FirstOrDefault(p => p.Name == title);
            if (present?.Versions.FirstOrDefault(v => v.Sha256 == Sum(archive)) is { } same) return same;
            archive.Position = 0;
            var made = present is null
                ? await packages.UploadAsync(archive, $"{name}.zip", title, null, actor, cancellationToken)
                : await packages.UploadVersionAsync(present.Id, archive, $"{name}.zip", null, actor, cancellationToken);
            return made.Versions.MaxBy(v => v.Version)!;
        }
        finally
        {
            _making.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _making.Dispose();

    private static string Sum(MemoryStream archive) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(archive.ToArray()));

    private static MemoryStream Archive(string name)
    {
        var assembly = typeof(ExamplePackages).Assembly;
        var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            var start = $"{Folder}{name}/";
            var files = assembly.GetManifestResourceNames().Where(n => n.StartsWith(start, StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
            if (files.Count == 0) throw new InvalidOperationException($"There is no example '{name}'.");
            foreach (var resource in files)
            {
                var entry = zip.CreateEntry(resource[start.Length..]);
                entry.LastWriteTime = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero); // the same code, the same bytes
                using var to = entry.Open();
                using var from = assembly.GetManifestResourceStream(resource)!;
                from.CopyTo(to);
            }
        }
        stream.Position = 0;
        return stream;
    }
}
