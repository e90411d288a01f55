using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What is to be deployed.</summary>
/// <param name="Version">Version of the instance's package; an earlier one goes back to it.</param>
/// <param name="Trial">Only start it beside the running one, ask for its tools, compare them, and end it.</param>
/// <param name="DrainSeconds">How long sessions of the old version may go on, 0 to 600.</param>
public sealed record DeploymentInput(int Version, bool Trial = false, int DrainSeconds = 60);

/// <summary>Another version of the package, with a way back.</summary>
public sealed partial class InstanceManager
{
    /// <summary>Deployments kept per instance.</summary>
    public const int DeploymentsKept = 100;

    /// <summary>Brings another version of its package to an instance; the one that serves goes on until the new one is healthy.</summary>
    public async Task<Deployment> DeployAsync(string idOrSlug, DeploymentInput input, string actor, CancellationToken cancellationToken)
    {
        new Checks().That(input.DrainSeconds is >= 0 and <= 600, "drainSeconds", "Must be 0 to 600.").Throw();
        Deployment deployment = null!;
        await ChangeAsync(idOrSlug, actor, async (db, instance) =>
        {
            Alive(instance);
            if (instance is not { Mode: InstanceModes.Managed, Source: PackageCodeSource source })
                throw new ProblemException(409, "no-package", $"The server '{instance.Name}' does not run a code package, so it has no versions.");
            if (instance.Rollout is { } other) throw new ProblemException(409, "deployment-running", $"Version {other.Version} is being deployed to '{instance.Name}' now. Wait for its end, or stop the server.");
            var versions = await db.PackageVersions.AsNoTracking().Where(v => v.PackageId == source.PackageId).Select(v => v.Version).ToListAsync(cancellationToken);
            if (!versions.Contains(input.Version)) throw new ProblemException(404, "not-found", $"The package of '{instance.Name}' has no version {input.Version}.");
            if (input.Trial && !instance.ShouldRun) throw new ProblemException(409, "stopped", $"The server '{instance.Name}' is stopped. Start it to try a version beside it, or deploy the version.");
            deployment = new Deployment
            {
                Id = Ids.New("d"),
                InstanceId = instance.Id,
                PackageId = source.PackageId,
                Version = input.Version,
                Previous = source.Version ?? versions.Max(),
                Trial = input.Trial,
                State = DeploymentStates.Trying,
                Actor = actor,
                StartedAt = _time.GetUtcNow(),
            };
            if (instance.ShouldRun)
            {
                instance.Rollout = new Rollout(deployment.Id, input.Version, input.Trial, input.DrainSeconds);
            }
            else
            {
                instance.Source = source with { Version = input.Version };
                instance.Generation++;
                (deployment.State, deployment.EndedAt, deployment.Reason) = (DeploymentStates.Deployed, deployment.StartedAt, "The server was stopped: the version was not tried and runs at the next start.");
            }
            db.Deployments.Add(deployment);
            var oldest = await db.Deployments.Where(d => d.InstanceId == instance.Id).OrderByDescending(d => d.StartedAt).Skip(DeploymentsKept - 1).ToListAsync(cancellationToken);
            db.Deployments.RemoveRange(oldest);
            instance.UpdatedAt = _time.GetUtcNow();
            return (instance.ShouldRun ? input.Trial ? "trial" : "deploying" : "deployed", $"v{deployment.Previous} → v{input.Version}");
        }, cancellationToken);
        return deployment;
    }

    /// <summary>One page of an instance's deployments, newest first.</summary>
    public async Task<Page<TResult>> DeploymentsAsync<TResult>(string idOrSlug, PageQuery page, Func<Deployment, TResult> map, CancellationToken cancellationToken)
    {
        var instance = await GetAsync(idOrSlug, cancellationToken);
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        var all = await db.Deployments.AsNoTracking().Where(d => d.InstanceId == instance.Id).OrderByDescending(d => d.StartedAt).ThenBy(d => d.Id).ToListAsync(cancellationToken);
        return all.ToPage(page, map);
    }

    /// <summary>One deployment of an instance.</summary>
    public async Task<Deployment> DeploymentAsync(string idOrSlug, string id, CancellationToken cancellationToken)
    {
        var instance = await GetAsync(idOrSlug, cancellationToken);
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return await db.Deployments.AsNoTracking().FirstOrDefaultAsync(d => d.Id == id && d.InstanceId == instance.Id, cancellationToken) ?? throw ProblemException.NotFound("deployment", id);
    }
}
