using System.Text.Json;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>The commands on instances; API and console call the same. A change is stored, then carried out by <see cref="InstanceReconciler"/>.</summary>
public sealed class InstanceManager : IDisposable
{
    private readonly IDbContextFactory<McpCanDb> _databases;
    private readonly SecretProtector _protector;
    private readonly InstanceChanges _changes;
    private readonly Idempotency _idempotency;
    private readonly TimeProvider _time;
    // One writer: names stay unique and repeated requests find each other without database errors.
    private readonly SemaphoreSlim _writing = new(1, 1);

    internal InstanceManager(IDbContextFactory<McpCanDb> databases, SecretProtector protector, InstanceChanges changes, Idempotency idempotency, TimeProvider time)
    {
        _databases = databases;
        _protector = protector;
        _changes = changes;
        _idempotency = idempotency;
        _time = time;
    }

    /// <summary>One page; without a sort field: trouble first, then by name.</summary>
    public async Task<Page<TResult>> ListAsync<TResult>(InstanceQuery query, Func<Instance, TResult> map, CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        // The state is part of a JSON column, so sorting and filtering by it is done here; there are thousands of instances at most.
        var all = await db.Instances.AsNoTracking().ToListAsync(cancellationToken);
        return InstanceOrder.Apply(all, query).ToPage(query.Page, map);
    }

    /// <summary>All instances, trouble first.</summary>
    public async Task<IReadOnlyList<Instance>> AllAsync(CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return InstanceOrder.Apply(await db.Instances.AsNoTracking().ToListAsync(cancellationToken), new InstanceQuery(new PageQuery()));
    }

    /// <summary>One instance by id or slug, or null.</summary>
    public async Task<Instance?> FindAsync(string idOrSlug, CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return await db.Instances.AsNoTracking().FirstOrDefaultAsync(i => i.Id == idOrSlug || i.Slug == idOrSlug, cancellationToken);
    }

    /// <summary>One instance by id or slug.</summary>
    /// <exception cref="ProblemException">404 when there is none.</exception>
    public async Task<Instance> GetAsync(string idOrSlug, CancellationToken cancellationToken) =>
        await FindAsync(idOrSlug, cancellationToken) ?? throw ProblemException.NotFound("instance", idOrSlug);

    /// <summary>The last events, newest first.</summary>
    public async Task<IReadOnlyList<InstanceEvent>> RecentEventsAsync(string idOrSlug, int most, CancellationToken cancellationToken) =>
        (await EventsAsync(idOrSlug, new PageQuery(Limit: most), e => e, cancellationToken)).Items;

    /// <summary>One page of events, newest first.</summary>
    public async Task<Page<TResult>> EventsAsync<TResult>(string idOrSlug, PageQuery page, Func<InstanceEvent, TResult> map, CancellationToken cancellationToken)
    {
        var instance = await GetAsync(idOrSlug, cancellationToken);
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        var events = await db.InstanceEvents.AsNoTracking().Where(e => e.InstanceId == instance.Id).OrderByDescending(e => e.Id).Take(InstanceChanges.EventsKept).ToListAsync(cancellationToken);
        return events.ToPage(page, map);
    }

    /// <summary>Makes an instance, and starts it unless told otherwise.</summary>
    public Task<Instance> CreateAsync(InstanceInput input, string actor, CancellationToken cancellationToken) => CreateAsync(input, actor, null, cancellationToken);

    /// <summary>The same; a repeated <paramref name="idempotencyKey"/> gives the instance that the first request made.</summary>
    public async Task<Instance> CreateAsync(InstanceInput input, string actor, string? idempotencyKey, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            var key = idempotencyKey is null ? null : Idempotency.Key(idempotencyKey, actor);
            if (key is not null && await _idempotency.FindAsync(db, key, input, cancellationToken) is { } known)
                return await db.Instances.AsNoTracking().FirstOrDefaultAsync(i => i.Id == known, cancellationToken) ?? throw ProblemException.NotFound("instance", known);

            var instance = await NewAsync(db, input, actor, cancellationToken);
            db.Instances.Add(instance);
            if (key is not null) await _idempotency.RememberAsync(db, key, input, instance.Id, cancellationToken);
            await _changes.SaveAsync(db, instance, "created", actor, null, cancellationToken);
            return instance;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Changes an instance. What affects the run starts a new one; the address changes only with the slug itself.</summary>
    /// <param name="idOrSlug">Which one.</param>
    /// <param name="patch">What changes.</param>
    /// <param name="actor">Who changes it.</param>
    /// <param name="revision">The revision that the caller knows; another one is answered by 412.</param>
    /// <param name="cancellationToken">Ends the wait, not the change.</param>
    public Task<Instance> UpdateAsync(string idOrSlug, InstancePatch patch, string actor, long? revision, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, async (db, instance) =>
        {
            if (revision is { } known && known != instance.Revision)
                throw new ProblemException(412, "changed-meanwhile", $"The instance was changed in the meantime: its revision is {instance.Revision}, not {known}. Read it again and repeat the change.");
            Alive(instance);
            var before = RunSettings(instance);
            var fields = await ApplyAsync(db, instance, patch, cancellationToken);
            if (before != RunSettings(instance))
            {
                instance.Generation++;
                if (instance.ShouldRun) Turn(instance, InstanceStates.Starting, "Its settings changed.");
            }
            instance.UpdatedAt = _time.GetUtcNow();
            return ("updated", fields.Count == 0 ? null : string.Join(", ", fields));
        }, cancellationToken);

    /// <summary>Starts an instance; one that should run already is left as it is, one that failed is tried anew.</summary>
    public Task<Instance> StartAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            Alive(instance);
            if (instance is { ShouldRun: true, Status.State: not InstanceStates.Failed }) return Nothing;
            if (instance.ShouldRun) instance.Generation++;
            instance.ShouldRun = true;
            Turn(instance, InstanceStates.Starting, null);
            return Event("started");
        }, cancellationToken);

    /// <summary>Stops an instance; all that the next start needs stays.</summary>
    public Task<Instance> StopAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            Alive(instance);
            if (!instance.ShouldRun) return Nothing;
            instance.ShouldRun = false;
            Turn(instance, InstanceStates.Stopping, $"Stopped by {actor}.");
            return Event("stopped");
        }, cancellationToken);

    /// <summary>Ends the run and begins a new one; starts one that was stopped.</summary>
    public Task<Instance> RestartAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            Alive(instance);
            instance.ShouldRun = true;
            instance.Generation++;
            Turn(instance, InstanceStates.Starting, null);
            return Event("restarted");
        }, cancellationToken);

    /// <summary>Deletes an instance with its workload, files, logs and events; its access records stay.</summary>
    public Task<Instance> DeleteAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            if (instance.Deleting) return Nothing;
            (instance.Deleting, instance.ShouldRun) = (true, false);
            Turn(instance, InstanceStates.Deleting, $"Deleted by {actor}.");
            return Event("deleting");
        }, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _writing.Dispose();

    private static readonly Task<(string? Kind, string? Detail)> Nothing = Task.FromResult<(string?, string?)>((null, null));

    private static Task<(string? Kind, string? Detail)> Event(string kind) => Task.FromResult<(string?, string?)>((kind, null));

    private async Task<Instance> ChangeAsync(string idOrSlug, string actor, Func<McpCanDb, Instance, Task<(string? Kind, string? Detail)>> change, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            var instance = await db.Instances.FirstOrDefaultAsync(i => i.Id == idOrSlug || i.Slug == idOrSlug, cancellationToken) ?? throw ProblemException.NotFound("instance", idOrSlug);
            var (kind, detail) = await change(db, instance);
            if (kind is null) return instance;
            instance.Revision++;
            await _changes.SaveAsync(db, instance, kind, actor, detail, cancellationToken);
            return instance;
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<Instance> NewAsync(McpCanDb db, InstanceInput input, string actor, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        var checks = new Checks();
        var instance = new Instance
        {
            Id = Ids.New("i"),
            Name = input.Name,
            Slug = input.Slug ?? await FreeSlugAsync(db, InstanceRules.Slug(input.Name), cancellationToken),
            Mode = input.Mode,
            Environment = input.Environment ?? "local",
            Source = input.Source?.Over(null, checks),
            Processes = input.Processes ?? "per-session",
            Limits = (input.Limits ?? new LimitsInput()).Over(new()),
            MinimumIsolation = input.MinimumIsolation,
            TokenRequired = input.Access?.TokenRequired ?? true,
            QueryTokenAllowed = input.Access?.QueryToken ?? false,
            ShouldRun = input.Start,
            CreatedAt = now,
            UpdatedAt = now,
            CreatedBy = actor,
        };
        if (input.Env is not null) SetEnv(instance, input.Env!, checks);
        await InstanceRules.CheckAsync(db, instance, checks, cancellationToken);
        checks.Throw();
        Turn(instance, input.Start ? InstanceStates.Starting : InstanceStates.Stopped, input.Start ? null : "Not started yet.");
        return instance;
    }

    /// <summary>Applies and checks; answers the names of the fields that were given.</summary>
    private async Task<List<string>> ApplyAsync(McpCanDb db, Instance instance, InstancePatch patch, CancellationToken cancellationToken)
    {
        var fields = new List<string>();
        var checks = new Checks();
        if (Given(patch.Name, "name")) instance.Name = patch.Name.Value ?? "";
        if (Given(patch.Slug, "slug")) instance.Slug = patch.Slug.Value ?? "";
        if (Given(patch.Mode, "mode")) instance.Mode = patch.Mode.Value ?? "";
        if (Given(patch.Source, "source")) instance.Source = patch.Source.Value?.Over(instance.Source, checks);
        if (Given(patch.Processes, "processes")) instance.Processes = patch.Processes.Value ?? "per-session";
        if (Given(patch.Limits, "limits")) instance.Limits = patch.Limits.Value?.Over(instance.Limits) ?? new();
        if (Given(patch.MinimumIsolation, "minimumIsolation")) instance.MinimumIsolation = patch.MinimumIsolation.Value;
        if (Given(patch.Access, "access"))
        {
            instance.TokenRequired = patch.Access.Value?.TokenRequired ?? (patch.Access.Value is null || instance.TokenRequired);
            instance.QueryTokenAllowed = patch.Access.Value?.QueryToken ?? (patch.Access.Value is not null && instance.QueryTokenAllowed);
        }
        if (Given(patch.Env, "env"))
        {
            // A new dictionary, so that the change is seen.
            instance.Env = patch.Env.Value is null ? [] : new(instance.Env);
            if (patch.Env.Value is { } env) SetEnv(instance, env, checks);
        }
        await InstanceRules.CheckAsync(db, instance, checks, cancellationToken);
        checks.Throw();
        return fields;

        bool Given<T>(Patch<T> field, string name)
        {
            if (field.Given) fields.Add(name);
            return field.Given;
        }
    }

    private void SetEnv(Instance instance, IReadOnlyDictionary<string, EnvInput?> env, Checks checks)
    {
        foreach (var (name, input) in env)
        {
            var stored = instance.Env.GetValueOrDefault(name);
            if (input is null) instance.Env.Remove(name);
            else if (input.Keep) checks.That(stored is { Secret: true }, $"env.{name}", "There is no stored secret to keep; give its value.");
            else if (input.Secret)
            {
                checks.That(input.Value!.Length <= 32_768, $"env.{name}", "The value is longer than 32,768 characters.");
                instance.Env[name] = new EnvValue(_protector.Protect(input.Value), true);
            }
            else instance.Env[name] = new EnvValue(input.Value ?? "", false);
        }
    }

    private void Turn(Instance instance, string state, string? reason) => instance.Status = instance.Status with
    {
        State = state,
        Reason = reason,
        Phase = null,
        Since = _time.GetUtcNow(),
        Restarts = 0,
        Isolation = state == InstanceStates.Starting ? null : instance.Status.Isolation,
        // What went wrong before does not explain a new start.
        LastExit = state == InstanceStates.Starting ? null : instance.Status.LastExit,
    };

    private static void Alive(Instance instance)
    {
        if (instance.Deleting) throw new ProblemException(409, "deleting", $"The instance '{instance.Name}' is being deleted.");
    }

    /// <summary>What a change of starts a new run for.</summary>
    private static string RunSettings(Instance i) => JsonSerializer.Serialize(new { i.Source, i.Env, i.Processes, i.Limits, i.MinimumIsolation, i.Environment });

    private static async Task<string> FreeSlugAsync(McpCanDb db, string slug, CancellationToken cancellationToken)
    {
        var taken = await db.Instances.Where(i => i.Slug.StartsWith(slug)).Select(i => i.Slug).ToListAsync(cancellationToken);
        if (!taken.Contains(slug)) return slug;
        for (var n = 2; ; n++)
        {
            if (!taken.Contains($"{slug}-{n}")) return $"{slug}-{n}";
        }
    }
}
