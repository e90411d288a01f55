using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Packages;

/// <summary>Says which instances need a package; the folder of instances stands above this one.</summary>
public interface IPackageUsage
{
    /// <summary>The instances that run a version of the package.</summary>
    Task<IReadOnlyList<PackageUser>> UsersOfAsync(string packageId, CancellationToken cancellationToken);
}

/// <summary>An instance that runs a package.</summary>
/// <param name="Instance">Its id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Version">The version that it runs; null for the newest at each start.</param>
public sealed record PackageUser(string Instance, string Name, int? Version);

/// <summary>Takes uploaded code, keeps its versions, gives it out again.</summary>
public sealed class PackageManager : IDisposable
{
    private static readonly Sorts<Package> Sorts = new Sorts<Package>(p => p.Id).By("-createdAt", p => p.CreatedAt).By("name", p => p.Name);
    private static readonly ArchiveInspector Inspector = new(new ArchiveBounds());
    private readonly IDbContextFactory<McpCanDb> _databases;
    private readonly PackageStore _store;
    private readonly IEnumerable<IPackageUsage> _usages;
    private readonly TimeProvider _time;
    // Unpacking to look inside takes a core: uploads wait for each other there, and version numbers come one after the other.
    private readonly SemaphoreSlim _inspecting = new(2);
    private readonly SemaphoreSlim _adding = new(1);

    internal PackageManager(IDbContextFactory<McpCanDb> databases, PackageStore store, IEnumerable<IPackageUsage> usages, TimeProvider time)
    {
        _databases = databases;
        _store = store;
        _usages = usages;
        _time = time;
    }

    /// <summary>Takes an archive as a new package; without a name it gets the project's or the file's.</summary>
    public async Task<Package> UploadAsync(Stream content, string fileName, string? name, string? notes, string actor, CancellationToken cancellationToken)
    {
        using var staged = await _store.StageAsync(content, cancellationToken);
        return await AddAsync(staged, fileName, name, notes, actor, cancellationToken);
    }

    /// <summary>Takes an archive as the next version of a package.</summary>
    public async Task<Package> UploadVersionAsync(string packageId, Stream content, string fileName, string? notes, string actor, CancellationToken cancellationToken)
    {
        await GetAsync(packageId, cancellationToken);
        using var staged = await _store.StageAsync(content, cancellationToken);
        return await AddVersionAsync(packageId, staged, fileName, notes, null, actor, cancellationToken);
    }

    /// <summary>One page of packages with all their versions.</summary>
    public async Task<Page<TResult>> ListAsync<TResult>(PageQuery page, Func<Package, TResult> map, CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return await db.Packages.Include(p => p.Versions.OrderBy(v => v.Version)).Named(page.Search, p => p.Name).ToPageAsync(page, Sorts, map, cancellationToken);
    }

    /// <summary>One package with all its versions.</summary>
    public async Task<Package> GetAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return await FindAsync(db.Packages.AsNoTracking(), id, cancellationToken);
    }

    /// <summary>One version, or the newest one.</summary>
    public async Task<PackageVersion> GetVersionAsync(string packageId, int? version, CancellationToken cancellationToken)
    {
        var package = await GetAsync(packageId, cancellationToken);
        return (version is { } wanted ? package.Versions.Find(v => v.Version == wanted) : package.Versions[^1])
            ?? throw Missing(package, version);
    }

    /// <summary>Where the archive of a version lies.</summary>
    public string ArchivePath(PackageVersion version) => _store.ArchivePath(version.PackageId, version.Version, version.FileName);

    /// <summary>Deletes a package with all its versions, unless an instance runs one of them.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        await _adding.WaitAsync(cancellationToken);
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            var package = await FindAsync(db.Packages, id, cancellationToken);
            var users = await UsersAsync(id, cancellationToken);
            if (users.Count > 0) throw new ProblemException(409, "in-use", $"The package '{package.Name}' is in use by {ProjectDetector.Names(users.Select(u => u.Name))}. Delete these instances first, or give them another package.");
            db.Packages.Remove(package);
            await db.SaveChangesAsync(cancellationToken);
            _store.Remove(id, null);
        }
        finally
        {
            _adding.Release();
        }
    }

    /// <summary>Deletes one version, unless it is the only one or an instance runs it. Its number is not given again.</summary>
    public async Task DeleteVersionAsync(string id, int version, CancellationToken cancellationToken)
    {
        await _adding.WaitAsync(cancellationToken);
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            var package = await FindAsync(db.Packages, id, cancellationToken);
            var found = package.Versions.Find(v => v.Version == version) ?? throw Missing(package, version);
            if (package.Versions.Count == 1) throw new ProblemException(409, "last-version", $"Version {version} is the only one of '{package.Name}'. Delete the package instead.");
            var newest = package.Versions[^1].Version == version;
            var users = (await UsersAsync(id, cancellationToken)).Where(u => u.Version == version || (u.Version is null && newest)).ToList();
            if (users.Count > 0) throw new ProblemException(409, "in-use", $"Version {version} of '{package.Name}' is in use by {ProjectDetector.Names(users.Select(u => u.Name))}. Deploy another version there first.");
            package.LastVersion = Math.Max(package.LastVersion, package.Versions[^1].Version);
            db.PackageVersions.Remove(found);
            await db.SaveChangesAsync(cancellationToken);
            _store.Remove(id, version);
        }
        finally
        {
            _adding.Release();
        }
    }

    /// <summary>The instances that run a version of the package.</summary>
    public async Task<IReadOnlyList<PackageUser>> UsersAsync(string id, CancellationToken cancellationToken)
    {
        var users = new List<PackageUser>();
        foreach (var usage in _usages) users.AddRange(await usage.UsersOfAsync(id, cancellationToken));
        return users;
    }

    internal async Task<Package> AddAsync(StagedArchive staged, string fileName, string? name, string? notes, string actor, CancellationToken cancellationToken)
    {
        var checks = Notes(notes);
        if (name is not null) checks.Name(name);
        checks.Throw();
        var (detected, ownName, extension) = await InspectAsync(staged, cancellationToken);
        var now = _time.GetUtcNow();
        var package = new Package { Id = Ids.New("p"), Name = name ?? DefaultName(ownName, fileName), CreatedAt = now };
        return await SaveAsync(async db =>
        {
            if (await db.Packages.AnyAsync(p => p.Name == package.Name, cancellationToken))
                throw new ProblemException(409, "name-taken", $"There is a package '{package.Name}' already. Upload this as a version of it (POST /api/v1/packages/ID/versions), or give another name.");
            package.Versions.Add(Version(package.Id, 1));
            package.LastVersion = 1;
            db.Packages.Add(package);
            return package;
        }, staged, cancellationToken);

        PackageVersion Version(string id, int number) => New(id, number, staged, PackageStore.FileName(fileName, extension), detected, notes, actor, now);
    }

    internal async Task<Package> AddVersionAsync(string packageId, StagedArchive staged, string fileName, string? notes, int? basedOn, string actor, CancellationToken cancellationToken)
    {
        Notes(notes).Throw();
        var (detected, _, extension) = await InspectAsync(staged, cancellationToken);
        return await SaveAsync(async db =>
        {
            var package = await FindAsync(db.Packages, packageId, cancellationToken);
            package.LastVersion = Math.Max(package.LastVersion, package.Versions[^1].Version) + 1; // those stored by an earlier release do not have it
            var version = New(packageId, package.LastVersion, staged, PackageStore.FileName(fileName, extension), detected, notes, actor, _time.GetUtcNow());
            version.BasedOn = basedOn;
            package.Versions.Add(version);
            return package;
        }, staged, cancellationToken);
    }

    /// <summary>Moves the archive to its place, then saves: a row never points to nothing, and a failed save leaves no file.</summary>
    private async Task<Package> SaveAsync(Func<McpCanDb, Task<Package>> change, StagedArchive staged, CancellationToken cancellationToken)
    {
        await _adding.WaitAsync(cancellationToken);
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            var package = await change(db);
            var version = package.Versions[^1];
            _store.Keep(staged, package.Id, version.Version, version.FileName);
            try
            {
                await db.SaveChangesAsync(cancellationToken);
            }
            catch
            {
                _store.Remove(package.Id, version.Version);
                throw;
            }
            return package;
        }
        finally
        {
            _adding.Release();
        }
    }

    private async Task<(DetectedProject Detected, string? Name, string Extension)> InspectAsync(StagedArchive staged, CancellationToken cancellationToken)
    {
        await _inspecting.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() =>
            {
                var content = Inspector.Read(staged.Path, cancellationToken);
                var (project, name) = ProjectDetector.Detect(content);
                return (project, name, content.Extension);
            }, cancellationToken);
        }
        finally
        {
            _inspecting.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _inspecting.Dispose();
        _adding.Dispose();
    }

    private static PackageVersion New(string packageId, int version, StagedArchive staged, string fileName, DetectedProject detected, string? notes, string actor, DateTimeOffset now) => new()
    {
        PackageId = packageId,
        Version = version,
        FileName = fileName,
        Size = staged.Size,
        Sha256 = staged.Sha256,
        Detected = detected,
        Notes = string.IsNullOrWhiteSpace(notes) ? null : notes.Trim(),
        UploadedBy = actor,
        CreatedAt = now,
    };

    private static Checks Notes(string? notes) => new Checks().That(notes is null or { Length: <= 4000 } && notes?.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')) != true, "notes", "Notes have at most 4,000 characters, and no control characters.");

    private static ProblemException Missing(Package package, int? version) => new(404, "not-found", $"The package '{package.Name}' has no version {version}.");

    private static string DefaultName(string? ownName, string fileName)
    {
        foreach (var name in new[] { ownName, PackageStore.Stem(fileName) })
            if (name is { Length: > 0 and <= 100 } && name.Trim() == name && !name.Any(char.IsControl)) return name;
        return "package";
    }

    private static async Task<Package> FindAsync(IQueryable<Package> packages, string id, CancellationToken cancellationToken) =>
        await packages.Include(p => p.Versions.OrderBy(v => v.Version)).FirstOrDefaultAsync(p => p.Id == id, cancellationToken) ?? throw ProblemException.NotFound("package", id);
}
