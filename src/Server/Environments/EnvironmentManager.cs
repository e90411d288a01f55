using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes.Docker;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Environments;

/// <summary>An instance that names an environment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ShouldRun">Whether it should run.</param>
public sealed record EnvironmentUser(string Name, bool ShouldRun);

/// <summary>Asked which instances are in an environment.</summary>
public interface IEnvironmentUsage
{
    /// <summary>Instances by environment.</summary>
    Task<ILookup<string, EnvironmentUser>> UsersAsync(CancellationToken cancellationToken);
}

/// <summary>Registers, changes and removes environments. A change acts at once: in this process by <see cref="EnvironmentSync"/>, in others by news.</summary>
public sealed class EnvironmentManager(
    IDbContextFactory<McpCanDb> databases, SecretProtector protector, IEnumerable<IEnvironmentUsage> usage, EnvironmentSync sync, TimeProvider time)
{
    // One writer: names stay unique, and there is one default.
    private static readonly SemaphoreSlim Writing = new(1, 1);

    /// <summary>All registered environments by name.</summary>
    public async Task<IReadOnlyList<RegisteredEnvironment>> AllAsync(CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await db.Environments.AsNoTracking().OrderBy(e => e.Name).ThenBy(e => e.Id).ToListAsync(cancellationToken);
    }

    /// <summary>One registered environment.</summary>
    /// <exception cref="ProblemException">404 when there is none.</exception>
    public async Task<RegisteredEnvironment> GetAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return await FindAsync(db, id, cancellationToken);
    }

    /// <summary>The instances of each environment.</summary>
    public async Task<ILookup<string, EnvironmentUser>> UsersAsync(CancellationToken cancellationToken)
    {
        var all = new List<(string Environment, EnvironmentUser User)>();
        foreach (var source in usage)
        {
            foreach (var group in await source.UsersAsync(cancellationToken)) all.AddRange(group.Select(u => (group.Key, u)));
        }
        return all.ToLookup(a => a.Environment, a => a.User);
    }

    /// <summary>Registers an environment. Whether it can be used is another question: see <see cref="EnvironmentChecks"/>.</summary>
    public async Task<RegisteredEnvironment> CreateAsync(EnvironmentInput input, string actor, CancellationToken cancellationToken)
    {
        await Writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var (address, tls) = await CheckAsync(db, null, input, null, cancellationToken);
            var environment = new RegisteredEnvironment
            {
                Id = Ids.New("e"),
                Name = input.Name,
                Kind = input.Kind,
                Address = address.ToString(),
                Tls = Protect(tls),
                IsDefault = input.IsDefault,
                Limits = input.Limits ?? new(),
                CreatedAt = time.GetUtcNow(),
                UpdatedAt = time.GetUtcNow(),
                CreatedBy = actor,
            };
            if (input.IsDefault) await db.Environments.Where(e => e.IsDefault).ExecuteUpdateAsync(set => set.SetProperty(e => e.IsDefault, false), cancellationToken);
            db.Environments.Add(environment);
            await db.SaveChangesAsync(cancellationToken);
            await sync.ChangedAsync(cancellationToken);
            return environment;
        }
        finally
        {
            Writing.Release();
        }
    }

    /// <summary>Changes an environment; the next call to the engine goes the new way.</summary>
    public async Task<RegisteredEnvironment> UpdateAsync(string id, EnvironmentPatch patch, CancellationToken cancellationToken)
    {
        NotLocal(id, "be changed");
        await Writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var environment = await FindAsync(db, id, cancellationToken);
            var (changed, address, tls) = await ChangedAsync(db, environment, patch, cancellationToken);
            if (address.ToString() != environment.Address && (await UsersAsync(cancellationToken))[id].Where(u => u.ShouldRun).Select(u => u.Name).ToList() is { Count: > 0 } running)
                throw new ProblemException(409, "environment-in-use", $"The address cannot change while servers run there: {Names(running)}. Stop them first, or register the other engine and move them.");
            (environment.Name, environment.Address, environment.Limits) = (changed.Name, address.ToString(), changed.Limits ?? new());
            if (patch.Tls.Given) environment.Tls = Protect(tls);
            environment.Revision++;
            environment.UpdatedAt = time.GetUtcNow();
            await db.SaveChangesAsync(cancellationToken);
            await sync.ChangedAsync(cancellationToken);
            return environment;
        }
        finally
        {
            Writing.Release();
        }
    }

    /// <summary>Makes an environment the one of new instances.</summary>
    public async Task SetDefaultAsync(string id, CancellationToken cancellationToken)
    {
        await Writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            if (id != EnvironmentMap.Local) await FindAsync(db, id, cancellationToken);
            await db.Environments.Where(e => e.IsDefault != (e.Id == id)).ExecuteUpdateAsync(set => set.SetProperty(e => e.IsDefault, e => e.Id == id).SetProperty(e => e.Revision, e => e.Revision + 1), cancellationToken);
            await sync.ChangedAsync(cancellationToken);
        }
        finally
        {
            Writing.Release();
        }
    }

    /// <summary>Forgets an environment; refused while instances are there.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        NotLocal(id, "be removed");
        await Writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var environment = await FindAsync(db, id, cancellationToken);
            if ((await UsersAsync(cancellationToken))[id].Select(u => u.Name).ToList() is { Count: > 0 } users)
                throw new ProblemException(409, "environment-in-use", $"Servers are in this environment: {Names(users)}. Move or delete them first.");
            db.Environments.Remove(environment);
            await db.SaveChangesAsync(cancellationToken);
            await sync.ChangedAsync(cancellationToken);
        }
        finally
        {
            Writing.Release();
        }
    }

    /// <summary>The address that an input describes; for a test before it is stored.</summary>
    public async Task<EngineAddress> AddressAsync(EnvironmentInput input, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return (await CheckAsync(db, null, input, null, cancellationToken)).Address;
    }

    /// <summary>The address that a registered engine would have with a change; for a test before it is stored.</summary>
    public async Task<EngineAddress> AddressAsync(string id, EnvironmentPatch patch, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return (await ChangedAsync(db, await FindAsync(db, id, cancellationToken), patch, cancellationToken)).Address;
    }

    private async Task<(EnvironmentInput Input, EngineAddress Address, EngineTls? Tls)> ChangedAsync(McpCanDb db, RegisteredEnvironment environment, EnvironmentPatch patch, CancellationToken cancellationToken)
    {
        // Certificates that cannot be read any more may be replaced as a whole.
        var present = patch.Tls is { Given: true, Value: null or { Certificate.Given: true, Key.Given: true } } ? null : Unprotect(environment.Tls);
        var tls = patch.Tls.Given ? patch.Tls.Value?.Over(present) : present;
        var changed = new EnvironmentInput
        {
            Name = patch.Name.Or(environment.Name) ?? "",
            Kind = environment.Kind,
            Address = patch.Address.Or(environment.Address) ?? "",
            Tls = tls,
            Limits = patch.Limits.Or(environment.Limits) ?? new(),
        };
        return (changed, (await CheckAsync(db, environment.Id, changed, environment.Address, cancellationToken)).Address, tls);
    }

    private static async Task<(EngineAddress Address, EngineTls? Tls)> CheckAsync(McpCanDb db, string? id, EnvironmentInput input, string? present, CancellationToken cancellationToken)
    {
        var checks = new Checks().Name(input.Name)
            .That(input.Kind == EnvironmentKinds.Docker, "kind", "Must be 'docker' (Docker or Podman). Processes of this machine are always there as 'local'.")
            .That(!await db.Environments.AnyAsync(e => e.Name == input.Name && e.Id != id, cancellationToken), "name", $"The name '{input.Name}' is taken.");
        var tls = input.Tls?.Over(null);
        var address = EnvironmentRules.Address(input.Address, tls, checks);
        // The engine of an address that stays may be down while its name is changed.
        if (address is { IsSocket: true } && address.ToString() != present && await EnvironmentRules.SocketProblemAsync(address.Endpoint.AbsolutePath, cancellationToken) is { } problem) checks.That(false, "address", problem);
        if (input.Limits is { } limits) EnvironmentRules.Limits(limits, checks);
        checks.Throw();
        return (address!, tls);
    }

    private static async Task<RegisteredEnvironment> FindAsync(McpCanDb db, string id, CancellationToken cancellationToken) =>
        await db.Environments.FirstOrDefaultAsync(e => e.Id == id, cancellationToken) ?? throw ProblemException.NotFound("environment", id);

    private string? Protect(EngineTls? tls) => tls is null ? null : protector.Protect(JsonSerializer.Serialize(tls));

    private EngineTls? Unprotect(string? stored) => stored is null ? null : JsonSerializer.Deserialize<EngineTls>(protector.Unprotect(stored));

    private static void NotLocal(string id, string what)
    {
        if (id == EnvironmentMap.Local) throw new ProblemException(409, "built-in", $"This machine's own environment cannot {what}; it is always there.");
    }

    private static string Names(List<string> names) => string.Join(", ", names.Take(5)) + (names.Count > 5 ? $" and {names.Count - 5} more" : "");
}
