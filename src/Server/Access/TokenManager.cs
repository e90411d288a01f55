using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>What a new token is to be.</summary>
/// <param name="Name">Name for people.</param>
/// <param name="Instances"><c>"*"</c>, or ids or slugs of the instances that it opens.</param>
/// <param name="ExpiresAt">When it ends; null for never.</param>
/// <param name="Enabled">Whether it may be used.</param>
/// <param name="Tools">Tools it may use; all unless given.</param>
/// <param name="Prompts">Prompts it may use; all unless given.</param>
/// <param name="Resources">Resources it may use, by URI; all unless given.</param>
/// <param name="Addresses">Client addresses and networks (CIDR) from which it is good; everywhere unless given.</param>
/// <param name="Limits">Limits on its traffic over all instances; answered by 429.</param>
public sealed record TokenInput(
    string Name, InstanceScope Instances, DateTimeOffset? ExpiresAt = null, bool Enabled = true, NameRulesInput? Tools = null, NameRulesInput? Prompts = null,
    NameRulesInput? Resources = null, IReadOnlyList<string>? Addresses = null, TrafficLimitsInput? Limits = null);

/// <summary>What is to change about a token.</summary>
public sealed record TokenPatch
{
    /// <summary>Name for people.</summary>
    public Patch<string> Name { get; init; }
    /// <summary><c>"*"</c>, or ids or slugs of the instances that it opens.</summary>
    public Patch<InstanceScope> Instances { get; init; }
    /// <summary>Tools it may use; null for all.</summary>
    public Patch<NameRulesInput> Tools { get; init; }
    /// <summary>Prompts it may use; null for all.</summary>
    public Patch<NameRulesInput> Prompts { get; init; }
    /// <summary>Resources it may use, by URI; null for all.</summary>
    public Patch<NameRulesInput> Resources { get; init; }
    /// <summary>Client addresses and networks (CIDR) from which it is good; empty or null for everywhere.</summary>
    public Patch<IReadOnlyList<string>> Addresses { get; init; }
    /// <summary>Limits on its traffic over all instances; null for none.</summary>
    public Patch<TrafficLimitsInput> Limits { get; init; }
    /// <summary>Switched off tokens are refused.</summary>
    public Patch<bool> Enabled { get; init; }
    /// <summary>When it ends; null for never.</summary>
    public Patch<DateTimeOffset?> ExpiresAt { get; init; }
}

/// <summary>Makes, lists, changes and deletes gateway tokens. Every change acts at the gateway before the call returns.</summary>
public sealed class TokenManager(IDbContextFactory<McpCanDb> databases, TokenVerifier verifier, News news, TimeProvider time)
{
    /// <summary>Start of every token.</summary>
    public const string Prefix = "mct_";

    private static readonly Sorts<Token> Sorts = new Sorts<Token>(t => t.Id)
        .By("-createdAt", t => t.CreatedAt).By("name", t => t.Name).By("expiresAt", t => t.ExpiresAt).By("lastUsedAt", t => t.LastUsedAt).By("enabled", t => t.Enabled);

    /// <summary>Makes a token; its value is returned here and never again.</summary>
    public async Task<(Token Token, string Value)> CreateAsync(TokenInput input, string actor, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var checks = new Checks().Name(input.Name).That(input.ExpiresAt is not { } end || end > time.GetUtcNow(), "expiresAt", "Must be in the future.");
        var ids = await ResolveAsync(db, input.Instances, checks, cancellationToken);
        var value = SecretValue.New(Prefix);
        var token = new Token
        {
            Id = Ids.New("t"),
            Name = input.Name,
            Hash = SecretValue.Hash(value),
            Hint = SecretValue.Hint(value),
            AllInstances = input.Instances.All,
            InstanceIds = ids,
            Enabled = input.Enabled,
            CreatedAt = time.GetUtcNow(),
            CreatedBy = actor,
            ExpiresAt = input.ExpiresAt,
            Tools = input.Tools?.Over(null),
            Prompts = input.Prompts?.Over(null),
            Resources = input.Resources?.Over(null),
            Addresses = AddressRules.Read(input.Addresses, checks),
            Limits = input.Limits?.Over(null),
        };
        CheckPolicy(token, checks);
        checks.Throw();
        db.Tokens.Add(token);
        await SaveAsync(db, cancellationToken);
        return (token, value);
    }

    /// <summary>One page of tokens, of one instance (by id or slug) or of all.</summary>
    public async Task<Page<TResult>> ListAsync<TResult>(PageQuery page, string? instance, Func<Token, TResult> map, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var query = db.Tokens.Named(page.Search, t => t.Name);
        if (!string.IsNullOrEmpty(instance))
        {
            var id = (await InstanceNames.ReadAsync(db, cancellationToken)).GetValueOrDefault(instance, instance);
            var opening = verifier.Opening(id);
            query = query.Where(t => t.AllInstances || opening.Contains(t.Id));
        }
        return await query.ToPageAsync(page, Sorts, map, cancellationToken);
    }

    /// <summary>One token.</summary>
    public async Task<Token> GetAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await FindAsync(db, id, cancellationToken);
    }

    /// <summary>Changes a token; its value stays.</summary>
    public async Task<Token> UpdateAsync(string id, TokenPatch patch, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var token = await FindAsync(db, id, cancellationToken);
        var checks = new Checks();
        if (patch.Name.Given) checks.Name(patch.Name.Value);
        if (patch.Instances.Given)
        {
            checks.That(patch.Instances.Value is not null, "instances", "Must be \"*\" or an array of instance ids.");
            var scope = patch.Instances.Value ?? InstanceScope.Every;
            token.InstanceIds = await ResolveAsync(db, scope, checks, cancellationToken, token.InstanceIds);
            token.AllInstances = scope.All;
        }
        if (patch.Tools.Given) token.Tools = patch.Tools.Value?.Over(token.Tools);
        if (patch.Prompts.Given) token.Prompts = patch.Prompts.Value?.Over(token.Prompts);
        if (patch.Resources.Given) token.Resources = patch.Resources.Value?.Over(token.Resources);
        if (patch.Addresses.Given) token.Addresses = AddressRules.Read(patch.Addresses.Value, checks);
        if (patch.Limits.Given) token.Limits = patch.Limits.Value?.Over(token.Limits);
        CheckPolicy(token, checks);
        checks.Throw();
        token.Name = patch.Name.Or(token.Name)!;
        token.Enabled = patch.Enabled.Or(token.Enabled);
        token.ExpiresAt = patch.ExpiresAt.Or(token.ExpiresAt);
        await SaveAsync(db, cancellationToken);
        return token;
    }

    /// <summary>Deletes a token; it is refused at once.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        db.Tokens.Remove(await FindAsync(db, id, cancellationToken));
        await SaveAsync(db, cancellationToken);
    }

    private static void CheckPolicy(Token token, Checks checks)
    {
        token.Tools?.Check(checks, "tools");
        token.Prompts?.Check(checks, "prompts");
        token.Resources?.Check(checks, "resources");
        TrafficLimitsInput.Check(token.Limits, checks, "limits");
    }

    private async Task SaveAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        await TokenVerifier.MarkChangedAsync(db, cancellationToken);
        var mark = db.ChangeTracker.Entries<Setting>().FirstOrDefault(e => e.State == EntityState.Added);
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException) when (mark is not null)
        {
            // The very first change came twice at once, and the other one made the mark.
            mark.State = EntityState.Modified;
            await db.SaveChangesAsync(cancellationToken);
        }
        news.Tell(TokenVerifier.Topic);
        await verifier.LoadAsync(CancellationToken.None);
    }

    /// <summary>Ids that the token has already may stay although their instance is gone.</summary>
    private static async Task<List<string>> ResolveAsync(McpCanDb db, InstanceScope scope, Checks checks, CancellationToken cancellationToken, List<string>? present = null)
    {
        if (scope.All) return [];
        var names = await InstanceNames.ReadAsync(db, cancellationToken);
        checks.That(scope.Ids.Count <= 1000, "instances", "At most 1000 instances; use \"*\" for all.");
        foreach (var unknown in scope.Ids.Where(i => !names.ContainsKey(i) && present?.Contains(i) != true).Take(10))
            checks.That(false, "instances", $"There is no instance '{unknown}'.");
        return [.. scope.Ids.Select(i => names.GetValueOrDefault(i, i)).Distinct()];
    }

    private static async Task<Token> FindAsync(McpCanDb db, string id, CancellationToken cancellationToken) =>
        await db.Tokens.FirstOrDefaultAsync(t => t.Id == id, cancellationToken) ?? throw ProblemException.NotFound("token", id);
}
