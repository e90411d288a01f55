using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Market.Sources;

/// <summary>A new source, or all of a changed one.</summary>
public sealed record SourceSettings
{
    /// <summary>Name for people.</summary>
    public required string Name { get; init; }
    /// <summary><c>registry</c>, <c>modelscope</c> or <c>catalogue</c>.</summary>
    public required string Kind { get; init; }
    /// <summary>Base address, or the catalogue's address: http or https.</summary>
    public required string Url { get; init; }
    /// <summary>Bearer token that it wants; left out: as stored, empty: none. Never shown.</summary>
    public string? Token { get; init; }
    /// <summary>Hours after which it is read again, at most 720; 0 for only when somebody asks.</summary>
    public int RefreshHours { get; init; } = 24;
    /// <summary>Names of entries that are offered, <c>*</c> standing for any text; empty for all.</summary>
    public IReadOnlyList<string> Offered { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The commands on sources and their entries; API and console call the same.</summary>
public sealed class MarketManager(
    IDbContextFactory<McpCanDb> databases, SecretProtector protector, SourceRefresh refresh, SourceHttp http, TemplateManager templates, PackageManager packages, McpCanOptions options)
{
    private static readonly Sorts<MarketEntry> Sorts = new Sorts<MarketEntry>(e => e.Name).By("-deployable", e => e.Deployable).By("title", e => e.Title).By("name", e => e.Name);
    private static readonly TimeSpan BundleLimit = TimeSpan.FromMinutes(5);

    /// <summary>All sources by name.</summary>
    public async Task<IReadOnlyList<MarketSource>> SourcesAsync(CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await db.MarketSources.AsNoTracking().OrderBy(s => s.Name).ToListAsync(cancellationToken);
    }

    /// <summary>One source.</summary>
    /// <exception cref="ProblemException">404 when there is none.</exception>
    public async Task<MarketSource> SourceAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await FindAsync(db, id, cancellationToken);
    }

    /// <summary>Adds a source and begins to read it.</summary>
    public async Task<MarketSource> AddAsync(SourceSettings settings, string actor, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await CheckAsync(db, null, settings, cancellationToken);
        var source = new MarketSource
        {
            Id = Ids.New("ms"),
            Name = settings.Name,
            Kind = settings.Kind,
            Url = settings.Url.Trim(),
            Token = settings.Token is { Length: > 0 } token ? protector.Protect(token) : null,
            RefreshHours = settings.RefreshHours,
            Offered = [.. settings.Offered],
            CreatedBy = actor,
        };
        db.MarketSources.Add(source);
        await db.SaveChangesAsync(cancellationToken);
        refresh.Begin(source.Id);
        return source;
    }

    /// <summary>Changes a source. Another address or kind drops what was read.</summary>
    public async Task<MarketSource> UpdateAsync(string id, SourceSettings settings, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var source = await FindAsync(db, id, cancellationToken);
        await CheckAsync(db, id, settings, cancellationToken);
        var moved = source.Url != settings.Url.Trim() || source.Kind != settings.Kind;
        // A token for one host is not given to another.
        if (settings.Token is { } token) source.Token = token.Length > 0 ? protector.Protect(token) : null;
        else if (moved) source.Token = null;
        (source.Name, source.Kind, source.Url, source.RefreshHours, source.Offered) = (settings.Name, settings.Kind, settings.Url.Trim(), settings.RefreshHours, [.. settings.Offered]);
        if (moved)
        {
            (source.RefreshedAt, source.Count, source.Problem) = (null, 0, null);
            await db.MarketEntries.Where(e => e.SourceId == id).ExecuteDeleteAsync(cancellationToken);
        }
        await db.SaveChangesAsync(cancellationToken);
        if (moved) refresh.Begin(id);
        return source;
    }

    /// <summary>Forgets a source with its entries. Servers made of them stay.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        db.MarketSources.Remove(await FindAsync(db, id, cancellationToken));
        await db.MarketEntries.Where(e => e.SourceId == id).ExecuteDeleteAsync(cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
    }

    /// <summary>Reads a source anew, in the background.</summary>
    public async Task RefreshAsync(string id, CancellationToken cancellationToken)
    {
        await SourceAsync(id, cancellationToken);
        refresh.Begin(id);
    }

    /// <summary>One page of a source's entries that are offered.</summary>
    public async Task<Page<TResult>> EntriesAsync<TResult>(string source, PageQuery page, Func<MarketEntry, TResult> map, CancellationToken cancellationToken)
    {
        var offered = (await SourceAsync(source, cancellationToken)).Offered;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var query = db.MarketEntries.Where(e => e.SourceId == source).Named(page.Search, e => e.SearchText);
        var sorted = page with { Search = null, Sort = page.Sort ?? "-deployable" };
        if (offered.Count == 0) return await query.ToPageAsync(sorted, Sorts, map, cancellationToken);
        // Names first: what is not offered need not be read whole.
        var names = await Sorts.Apply(query, sorted.Sort).Select(e => e.Name).ToListAsync(cancellationToken);
        var found = names.Where(n => IsOffered(offered, n)).ToList().ToPage(sorted, n => n);
        var entries = await query.AsNoTracking().Where(e => found.Items.Contains(e.Name)).ToDictionaryAsync(e => e.Name, cancellationToken);
        return new([.. found.Items.Where(entries.ContainsKey).Select(n => map(entries[n]))], found.Next, found.Total);
    }

    /// <summary>One entry that is offered.</summary>
    public async Task<MarketEntry> EntryAsync(string source, string name, CancellationToken cancellationToken)
    {
        var offered = (await SourceAsync(source, cancellationToken)).Offered;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await db.MarketEntries.AsNoTracking().FirstOrDefaultAsync(e => e.SourceId == source && e.Name == name, cancellationToken) is { } entry && (offered.Count == 0 || IsOffered(offered, name))
            ? entry : throw ProblemException.NotFound("entry", name);
    }

    /// <summary>Makes an instance of an entry.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="form">Which of its forms, from 0.</param>
    /// <param name="use">Name and values.</param>
    /// <param name="actor">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Instance> DeployAsync(MarketEntry entry, int form, TemplateUse use, string actor, CancellationToken cancellationToken)
    {
        if (form < 0 || form >= entry.Item.Forms.Count) throw new ProblemException(400, "invalid", $"form: Must be between 0 and {entry.Item.Forms.Count - 1}.", new Dictionary<string, string[]> { ["form"] = ["There is no such form."] });
        var chosen = entry.Item.Forms[form];
        if (chosen.Definition is not { } definition) throw new ProblemException(409, "not-deployable", chosen.WhyNot ?? "It cannot be deployed.");
        var template = new AnyTemplate($"{entry.SourceId}/{entry.Name}", definition, null);
        if (chosen.Bundle is not { } bundle) return await templates.InstantiateAsync(template, use, actor, cancellationToken);
        templates.Fill(template, use); // what is missing is said before anything is fetched
        var version = await FetchAsync(entry, bundle, actor, cancellationToken);
        return await templates.InstantiateAsync(template, use, actor, cancellationToken, version);
    }

    private async Task<PackageVersion> FetchAsync(MarketEntry entry, BundleAddress bundle, string actor, CancellationToken cancellationToken)
    {
        // Its name is its own in the source; titles are not.
        var title = $"{(entry.Name.Length > 80 ? entry.Name[..80] : entry.Name).Trim()} ({entry.SourceId})";
        var present = (await packages.ListAsync(new PageQuery(title), p => p, cancellationToken)).Items.FirstOrDefault(p => p.Name == title);
        if (present?.Versions.FirstOrDefault(v => v.Sha256 == bundle.Sha256) is { } same) return same;
        var file = Path.Combine(Path.GetTempPath(), $"mcpcan-bundle-{Guid.NewGuid():N}");
        try
        {
            await using var stream = new FileStream(file, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 81920, FileOptions.DeleteOnClose | FileOptions.Asynchronous);
            await http.GetAsync(() => RegistryReader.Request(HttpMethod.Get, new Uri(bundle.Url), null), stream, options.MaxPackageBytes, BundleLimit, cancellationToken);
            stream.Position = 0;
            if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken)) != bundle.Sha256) throw new ProblemException(409, "checksum", "The bundle is another file than the source says: its checksum differs. It was not run.");
            stream.Position = 0;
            var name = Path.GetFileName(new Uri(bundle.Url).AbsolutePath) is { Length: > 0 } last ? last : "bundle.mcpb";
            var made = present is null
                ? await packages.UploadAsync(stream, name, title, null, actor, cancellationToken)
                : await packages.UploadVersionAsync(present.Id, stream, name, null, actor, cancellationToken);
            return made.Versions.MaxBy(v => v.Version)!;
        }
        catch (SourceException e)
        {
            throw new ProblemException(502, "source-failed", $"The bundle cannot be fetched. {e.Message}");
        }
    }

    private static async Task CheckAsync(McpCanDb db, string? id, SourceSettings settings, CancellationToken cancellationToken) => new Checks().Name(settings.Name)
        .That(!await db.MarketSources.AnyAsync(s => s.Name == settings.Name && s.Id != id, cancellationToken), "name", $"The name '{settings.Name}' is taken.")
        .That(SourceKinds.All.Contains(settings.Kind), "kind", $"Must be one of {string.Join(", ", SourceKinds.All)}.")
        .That(settings.Url.Length <= 1000 && Uri.TryCreate(settings.Url.Trim(), UriKind.Absolute, out var url) && url.Scheme is "https" or "http" && url.UserInfo.Length == 0, "url", "Must be an http or https address without a user in it.")
        .That(settings.RefreshHours is >= 0 and <= 720, "refreshHours", "Must be between 0 and 720.")
        .That(settings.Token is null or { Length: <= 4096 }, "token", "At most 4,096 characters.")
        .That(settings.Offered.Count <= 1000 && settings.Offered.All(o => o.Length is > 0 and <= 300), "offered", "At most 1,000 names of 1 to 300 characters.")
        .Throw();

    private static async Task<MarketSource> FindAsync(McpCanDb db, string id, CancellationToken cancellationToken) =>
        await db.MarketSources.FirstOrDefaultAsync(s => s.Id == id, cancellationToken) ?? throw ProblemException.NotFound("source", id);

    private static bool IsOffered(List<string> offered, string name) => offered.Exists(o => FileSystemName.MatchesSimpleExpression(o.Replace('\\', '/'), name, ignoreCase: true));

    /// <summary>What is asked before an entry of a source is kept: a form that could never be made says why.</summary>
    internal static MarketItem Judge(MarketItem item, JsonSerializerOptions json) => item with
    {
        Forms = [.. item.Forms.Select(form =>
        {
            if (form.Definition is null) return form;
            var checks = new Checks();
            TemplateRules.Check(form.Definition, [], json, checks);
            return checks.First is { } fault ? form with { Definition = null, WhyNot = $"What its entry says makes no server: {fault}" } : form;
        })],
    };
}
