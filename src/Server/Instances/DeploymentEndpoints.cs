using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Instances;

/// <summary>A deployment as the API shows it.</summary>
/// <param name="State">Trying, Switching, Deployed, Healthy (a trial's good end), Failed or Cancelled.</param>
/// <param name="Tools">Tools that differ from those of the version before; null while that is not known.</param>
public sealed record DeploymentView(
    string Id, string PackageId, int Version, int? Previous, bool Trial, string State, string? Reason, IReadOnlyList<string> Log, IReadOnlyList<ToolChange>? Tools, string Actor, DateTimeOffset StartedAt, DateTimeOffset? EndedAt)
{
    internal static DeploymentView Of(Deployment d) => new(d.Id, d.PackageId, d.Version, d.Previous, d.Trial, d.State, d.Reason, d.Log, d.Tools, d.Actor, d.StartedAt, d.EndedAt);
}

internal static class DeploymentEndpoints
{
    public static void MapDeployments(this RouteGroupBuilder api)
    {
        var all = api.MapGroup("/instances/{id}/deployments").WithTags("Instances");
        all.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listDeployments").WithSummary("List the versions that were deployed to an instance, newest first");
        all.MapPost("", Deploy).RequireAuthorization(Policies.Operate).WithName("deployVersion").WithSummary("Deploy another version of the instance's package, or go back to an earlier one")
            .WithDescription("The version is installed and started beside the one that serves. Once it answers tools/list it takes the new sessions, and the old ones may end for 'drainSeconds'. When it does not, the old version serves on. 'trial' ends after the comparison of the tools.");
        all.MapGet("/{deployment}", Get).RequireAuthorization(Policies.Read).WithName("getDeployment").WithSummary("Get a deployment with the changes of the tools");
    }

    private static async Task<Ok<Page<DeploymentView>>> List(string id, [AsParameters] PageQuery page, InstanceManager instances, CancellationToken cancellationToken) =>
        TypedResults.Ok(await instances.DeploymentsAsync(id, page, DeploymentView.Of, cancellationToken));

    private static async Task<Accepted<DeploymentView>> Deploy(string id, DeploymentInput input, InstanceManager instances, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var deployment = await instances.DeployAsync(id, input, user.Actor(), cancellationToken);
        return TypedResults.Accepted($"/api/v1/instances/{deployment.InstanceId}/deployments/{deployment.Id}", DeploymentView.Of(deployment));
    }

    private static async Task<Ok<DeploymentView>> Get(string id, string deployment, InstanceManager instances, CancellationToken cancellationToken) =>
        TypedResults.Ok(DeploymentView.Of(await instances.DeploymentAsync(id, deployment, cancellationToken)));
}
