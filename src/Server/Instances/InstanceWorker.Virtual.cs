using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>A virtual server has no workload of its own: it is as well as its members are.</summary>
internal sealed partial class InstanceWorker
{
    private static readonly TimeSpan MembersPause = TimeSpan.FromSeconds(2);

    private async Task WatchVirtualAsync(CancellationToken cancellationToken)
    {
        var members = _instance.Virtual?.Members.Select(m => m.Instance).ToList() ?? [];
        await using (var db = await services.Databases.CreateDbContextAsync(cancellationToken))
        {
            var states = await db.Instances.AsNoTracking().Where(i => members.Contains(i.Id)).ToListAsync(cancellationToken);
            var up = states.Count(IsThere);
            var down = states.Where(i => !IsThere(i)).Select(i => $"'{i.Name}' is {i.Status.State.ToLowerInvariant()}").ToList();
            if (states.Count < members.Count) down.Add($"{members.Count - states.Count} of its servers no longer exist");
            var state = up == 0 ? InstanceStates.Failed : down.Count > 0 ? InstanceStates.Degraded : InstanceStates.Running;
            var reason = down.Count == 0 ? null : up == 0 ? $"None of its servers is available: {string.Join(", ", down)}." : $"Part of it is missing: {string.Join(", ", down)}.";
            var before = _instance.Status;
            if (before.State != state || before.Reason != reason)
            {
                await ShowAsync(s => s with { State = state, Reason = reason, Phase = null, Isolation = null, LimitsInForce = [] }, cancellationToken);
                var kind = state switch { InstanceStates.Failed => "failed", InstanceStates.Degraded => "degraded", _ => before.State is InstanceStates.Starting ? "running" : "recovered" };
                if (before.State != state) await services.Changes.NoteAsync(id, kind, reason, cancellationToken);
            }
        }
        await WaitAsync(MembersPause, null, cancellationToken);
    }

    private static bool IsThere(Instance member) => member.Status.State is InstanceStates.Running or InstanceStates.Degraded or InstanceStates.Sleeping;
}
