using System.Text.Json;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>The commands on instances; API and console call the same. A change is stored, then carried out by <see cref="InstanceReconciler"/>.</summary>
public sealed partial class InstanceManager : IDisposable
{
    private readonly IDbContextFactory<McpCanDb> _databases;
    private readonly SecretProtector _protector;
    private readonly RemoteSettings _remotes;
    private readonly EnvironmentMap _environments;
    private readonly InstanceChanges _changes;
    private readonly Idempotency _idempotency;
    private readonly TimeProvider _time;
    // One writer: names stay unique and repeated requests find each other without database errors.
    private readonly SemaphoreSlim _writing = new(1, 1);

    internal InstanceManager(IDbContextFactory<McpCanDb> databases, SecretProtector protector, RemoteSettings remotes, EnvironmentMap environments, InstanceChanges changes, Idempotency idempotency, TimeProvider time)
    {
        _databases = databases;
        _protector = protector;
        _remotes = remotes;
        _environments = environments;
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
            var (mode, before) = (instance.Mode, RunSettings(instance));
            var fields = await ApplyAsync(db, instance, patch, cancellationToken);
            if (before != RunSettings(instance))
            {
                instance.Generation++;
                if (instance.Mode != mode) SwitchMode(instance);
                else if (instance.ShouldRun) Turn(instance, InstanceStates.Starting, "Its settings changed.");
            }
            instance.UpdatedAt = _time.GetUtcNow();
            return instance.Mode == mode ? ("updated", fields.Count == 0 ? null : string.Join(", ", fields)) : ("mode-changed", $"{mode} → {instance.Mode}");
        }, cancellationToken);

    /// <summary>Starts an instance; one that should run already is left as it is, one that failed is tried anew.</summary>
    public Task<Instance> StartAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            Alive(instance);
            NotDirect(instance);
            if (instance is { ShouldRun: true, Status.State: not (InstanceStates.Failed or InstanceStates.Sleeping) }) return Nothing;
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
            NotDirect(instance);
            if (!instance.ShouldRun) return Nothing;
            instance.ShouldRun = false;
            Turn(instance, InstanceStates.Stopping, $"Stopped by {actor}.");
            return Event("stopped");
        }, cancellationToken);

    /// <summary>Ends the run and begins a new one, at a proxied server all sessions; starts one that was stopped.</summary>
    public Task<Instance> RestartAsync(string idOrSlug, string actor, CancellationToken cancellationToken) =>
        ChangeAsync(idOrSlug, actor, (_, instance) =>
        {
            Alive(instance);
            NotDirect(instance);
            instance.ShouldRun = true;
            instance.Generation++;
            if (instance is { Mode: InstanceModes.Proxy, Remote: { } remote }) instance.Remote = _remotes.Renewed(remote);
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

    /// <summary>The new mode's state; whether it should run stays as it was. What was seen of the other server no longer holds.</summary>
    private void SwitchMode(Instance instance)
    {
        (instance.ToolCount, instance.ServerInfo, instance.ProtocolVersion) = (null, null, null);
        if (instance.Mode == InstanceModes.Direct) Turn(instance, InstanceStates.Registered, null);
        else if (instance.ShouldRun) Turn(instance, InstanceStates.Starting, "Its mode changed.");
        else Turn(instance, InstanceStates.Stopped, "Not started yet.");
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

    private static void NotDirect(Instance instance)
    {
        if (instance.Mode == InstanceModes.Direct)
            throw new ProblemException(409, "direct-mode", $"The server '{instance.Name}' is kept on file only, so there is nothing to start or stop. Change its mode first.");
    }

    /// <summary>What a change of starts a new run for.</summary>
    private static string RunSettings(Instance i) => i.Mode switch
    {
        InstanceModes.Managed => JsonSerializer.Serialize(new { i.Source, i.Env, i.Processes, i.Limits, i.MinimumIsolation, i.Environment, i.Egress, i.Registry }),
        InstanceModes.Proxy => $"proxy {i.Remote?.Generation}",
        InstanceModes.Virtual => JsonSerializer.Serialize(i.Virtual),
        _ => i.Mode,
    };
}
