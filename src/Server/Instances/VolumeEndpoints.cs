using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Instances;

internal static class VolumeEndpoints
{
    public static void MapVolumes(this RouteGroupBuilder api)
    {
        var volumes = api.MapGroup("/environments/{id}/volumes").WithTags("Environments");
        volumes.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listVolumes").WithSummary("List the named volumes of an environment, and who has them");
        volumes.MapPost("", Create).RequireAuthorization(Policies.Operate).WithName("createVolume").WithSummary("Make a named volume");
        volumes.MapDelete("/{volume}", Delete).RequireAuthorization(Policies.Operate).WithName("deleteVolume").WithSummary("Delete a named volume with all that is in it; refused while a server has it");
    }

    private static async Task<Ok<Page<VolumeView>>> List(string id, [AsParameters] PageQuery page, VolumeManager volumes, CancellationToken cancellationToken) =>
        TypedResults.Ok((await volumes.ListAsync(id, cancellationToken)).Where(v => string.IsNullOrEmpty(page.Search) || v.Name.Contains(page.Search, StringComparison.OrdinalIgnoreCase)).ToList().ToPage(page, v => v));

    private static async Task<Created<VolumeView>> Create(string id, VolumeInput input, ClaimsPrincipal user, VolumeManager volumes, CancellationToken cancellationToken)
    {
        var made = await volumes.CreateAsync(id, input, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/environments/{id}/volumes/{made.Name}", made);
    }

    private static async Task<NoContent> Delete(string id, [Description("Its name.")] string volume, ClaimsPrincipal user, VolumeManager volumes, CancellationToken cancellationToken)
    {
        await volumes.DeleteAsync(id, volume, user.Actor(), cancellationToken);
        return TypedResults.NoContent();
    }
}
