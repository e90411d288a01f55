using System.Collections.Concurrent;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>What a new API key is to be.</summary>
/// <param name="Name">Name for people.</param>
/// <param name="Role"><c>admin</c>, <c>operator</c> or <c>viewer</c>.</param>
/// <param name="ExpiresAt">When it ends; null for never.</param>
public sealed record ApiKeyInput(string Name, string Role, DateTimeOffset? ExpiresAt = null);

/// <summary>What is to change about an API key.</summary>
public sealed record ApiKeyPatch
{
    /// <summary>Name for people.</summary>
    public Patch<string> Name { get; init; }
    /// <summary>Switched off keys are refused.</summary>
    public Patch<bool> Enabled { get; init; }
    /// <summary>When it ends; null for never.</summary>
    public Patch<DateTimeOffset?> ExpiresAt { get; init; }
}

/// <summary>Makes, lists, changes and checks API keys.</summary>
public sealed class ApiKeyManager(IDbContextFactory<McpCanDb> databases, TimeProvider time)
{
    /// <summary>Start of every API key.</summary>
    public const string Prefix = "mck_";

    // A change by another process (command line, second replica) acts within this time.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan UseStep = TimeSpan.FromMinutes(1);
    private static readonly Sorts<ApiKey> Sorts = new Sorts<ApiKey>(k => k.Id)
        .By("-createdAt", k => k.CreatedAt).By("name", k => k.Name).By("role", k => k.Role).By("expiresAt", k => k.ExpiresAt).By("lastUsedAt", k => k.LastUsedAt);
    private readonly ConcurrentDictionary<string, (ApiKey Key, long ReadAt)> _known = new();

    /// <summary>Makes a key; its value is returned here and never again.</summary>
    public async Task<(ApiKey Key, string Value)> CreateAsync(ApiKeyInput input, string actor, CancellationToken cancellationToken)
    {
        new Checks().Name(input.Name)
            .That(Roles.All.Contains(input.Role), "role", $"Must be one of {string.Join(", ", Roles.All)}.")
            .That(input.ExpiresAt is not { } end || end > time.GetUtcNow(), "expiresAt", "Must be in the future.")
            .Throw();
        var value = SecretValue.New(Prefix);
        var key = new ApiKey
        {
            Id = Ids.New("k"),
            Name = input.Name,
            Hash = SecretValue.Hash(value),
            Hint = SecretValue.Hint(value),
            Role = input.Role,
            CreatedAt = time.GetUtcNow(),
            CreatedBy = actor,
            ExpiresAt = input.ExpiresAt,
        };
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        db.ApiKeys.Add(key);
        await db.SaveChangesAsync(cancellationToken);
        return (key, value);
    }

    /// <summary>One page of keys.</summary>
    public async Task<Page<TResult>> ListAsync<TResult>(PageQuery page, Func<ApiKey, TResult> map, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var query = db.ApiKeys.Named(page.Search, k => k.Name);
        return await query.ToPageAsync(page, Sorts, map, cancellationToken);
    }

    /// <summary>One key.</summary>
    public async Task<ApiKey> GetAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await FindAsync(db, id, cancellationToken);
    }

    /// <summary>Changes a key; acts at once.</summary>
    public async Task<ApiKey> UpdateAsync(string id, ApiKeyPatch patch, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var key = await FindAsync(db, id, cancellationToken);
        if (patch.Name.Given) new Checks().Name(patch.Name.Value).Throw();
        key.Name = patch.Name.Or(key.Name)!;
        key.Enabled = patch.Enabled.Or(key.Enabled);
        key.ExpiresAt = patch.ExpiresAt.Or(key.ExpiresAt);
        await db.SaveChangesAsync(cancellationToken);
        _known.TryRemove(key.Hash, out _);
        return key;
    }

    /// <summary>Deletes a key; it is refused at once.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var key = await FindAsync(db, id, cancellationToken);
        db.ApiKeys.Remove(key);
        await db.SaveChangesAsync(cancellationToken);
        _known.TryRemove(key.Hash, out _);
    }

    /// <summary>The key whose value this is, when it may be used now.</summary>
    public async Task<ApiKey?> VerifyAsync(string value, CancellationToken cancellationToken)
    {
        var hash = SecretValue.Hash(value);
        if (!_known.TryGetValue(hash, out var known) || time.GetElapsedTime(known.ReadAt) > Fresh)
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var key = await db.ApiKeys.AsNoTracking().FirstOrDefaultAsync(k => k.Hash == hash, cancellationToken);
            if (key is null)
            {
                _known.TryRemove(hash, out _);
                return null;
            }
            await NoteUseAsync(db, key, cancellationToken);
            _known[hash] = known = (key, time.GetTimestamp());
        }
        return known.Key.Enabled && !(known.Key.ExpiresAt <= time.GetUtcNow()) ? known.Key : null;
    }

    private async Task NoteUseAsync(McpCanDb db, ApiKey key, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (key.LastUsedAt is { } last && now - last < UseStep) return;
        await db.ApiKeys.Where(k => k.Id == key.Id).ExecuteUpdateAsync(s => s.SetProperty(k => k.LastUsedAt, now), cancellationToken);
    }

    private static async Task<ApiKey> FindAsync(McpCanDb db, string id, CancellationToken cancellationToken) =>
        await db.ApiKeys.FirstOrDefaultAsync(k => k.Id == id, cancellationToken) ?? throw ProblemException.NotFound("API key", id);
}
