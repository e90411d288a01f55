using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>Stores changes with their event, then tells all who must know: gateway, reconciler, open pages.</summary>
internal sealed class InstanceChanges(IDbContextFactory<McpCanDb> databases, InstanceRoutes routes, InstanceFeed feed, News news, TimeProvider time)
{
    /// <summary>Events kept per instance.</summary>
    public const int EventsKept = 500;

    /// <summary>Tells other processes which instance changed.</summary>
    public const string Topic = "instance";

    /// <summary>Term of our leadership. Set by the reconciler.</summary>
    public long Term { get; set; }

    /// <summary>Told about each change of what an instance should be. Set by the reconciler.</summary>
    public Action<string> Wanted { get; set; } = _ => { };

    /// <summary>Told that a running instance should be probed now. Set by the reconciler.</summary>
    public Action<string> ProbeDue { get; set; } = _ => { };

    /// <summary>Stores a change by a person or script, or by the platform itself (no actor).</summary>
    public async Task SaveAsync(McpCanDb db, Instance instance, string kind, string? actor, string? detail, CancellationToken cancellationToken)
    {
        db.InstanceEvents.Add(New(instance.Id, kind, actor, detail));
        await db.SaveChangesAsync(cancellationToken);
        routes.Set(instance);
        Wanted(instance.Id);
        Publish(instance.Id);
    }

    /// <summary>
    /// Stores what was observed, unless the instance was changed since the observer read it: then the observer
    /// has to look again, and false is returned.
    /// </summary>
    public async Task<bool> ObserveAsync(Instance instance, CancellationToken cancellationToken)
    {
        var term = Term;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var stored = await db.Instances.Where(i => i.Id == instance.Id && i.Revision == instance.Revision && i.Term <= term).ExecuteUpdateAsync(set => set
            .SetProperty(i => i.Status, instance.Status)
            .SetProperty(i => i.Place, instance.Place)
            .SetProperty(i => i.Observed, i => i.Observed + 1)
            .SetProperty(i => i.Term, term)
            .SetProperty(i => i.Pinned, instance.Pinned)
            .SetProperty(i => i.ToolCount, instance.ToolCount)
            .SetProperty(i => i.ServerInfo, instance.ServerInfo)
            .SetProperty(i => i.ProtocolVersion, instance.ProtocolVersion), cancellationToken);
        if (stored > 0) Publish(instance.Id);
        return stored > 0;
    }

    /// <summary>Notes something that the platform saw or did.</summary>
    public Task NoteAsync(string instanceId, string kind, string? detail, CancellationToken cancellationToken) => NoteAsync(instanceId, kind, null, detail, cancellationToken);

    /// <summary>Notes what a person or script did that changes nothing of the instance.</summary>
    public async Task NoteAsync(string instanceId, string kind, string? actor, string? detail, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var note = New(instanceId, kind, actor, detail);
        db.InstanceEvents.Add(note);
        await db.SaveChangesAsync(cancellationToken);
        if (note.Id % 16 == 0) await TrimAsync(db, instanceId, cancellationToken);
        Publish(instanceId);
    }

    /// <summary>Removes the last of a deleted instance.</summary>
    public async Task ForgetAsync(string instanceId, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await db.InstanceEvents.Where(e => e.InstanceId == instanceId).ExecuteDeleteAsync(cancellationToken);
        await db.Deployments.Where(d => d.InstanceId == instanceId).ExecuteDeleteAsync(cancellationToken);
        await db.Definitions.Where(d => d.InstanceId == instanceId).ExecuteDeleteAsync(cancellationToken);
        await db.Instances.Where(i => i.Id == instanceId).ExecuteDeleteAsync(cancellationToken);
        routes.Remove(instanceId);
        Publish(instanceId);
    }

    /// <summary>Tells open pages, here and elsewhere, that there is something new.</summary>
    public void Tell(string instanceId) => Publish(instanceId);

    private void Publish(string instanceId)
    {
        feed.Publish(instanceId);
        news.Tell(Topic, instanceId);
    }

    private static async Task TrimAsync(McpCanDb db, string instanceId, CancellationToken cancellationToken)
    {
        var oldest = await db.InstanceEvents.Where(e => e.InstanceId == instanceId).OrderByDescending(e => e.Id).Skip(EventsKept - 1).Select(e => (long?)e.Id).FirstOrDefaultAsync(cancellationToken);
        if (oldest is { } first) await db.InstanceEvents.Where(e => e.InstanceId == instanceId && e.Id < first).ExecuteDeleteAsync(cancellationToken);
    }

    private InstanceEvent New(string instanceId, string kind, string? actor, string? detail) => new()
    {
        InstanceId = instanceId,
        Time = time.GetUtcNow(),
        Kind = kind,
        Actor = actor,
        Detail = detail is { Length: > 2000 } ? detail[..2000] + "…" : detail,
    };
}
