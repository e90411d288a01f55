using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Declared;

internal static class StateEndpoints
{
    public static void MapState(this WebApplication app)
    {
        var state = app.MapApi().MapGroup("/state").WithTags("State").RequireAuthorization(Policies.Administer);
        state.MapGet("", Export).WithName("exportState").WithSummary("Environments, templates, instances and tokens in the form that PUT takes; secrets are not part of it");
        state.MapPut("", Bring).WithName("applyState").WithSummary("Bring the installation to what is named, or with ?plan=true only say what differs")
            .WithDescription("What is not named is left alone. The same state twice changes nothing the second time. One that fails does not stop the others: its 'action' is 'failed'.").WithMetadata(new RequestSizeLimitAttribute(8 << 20));
    }

    private static async Task<Ok<DeclaredState>> Export(StateManager manager, ClaimsPrincipal user, CancellationToken cancellationToken) => TypedResults.Ok(await manager.ExportAsync(user, cancellationToken));

    private static async Task<Ok<StateReport>> Bring(DeclaredState state, [Description("Only say what differs.")] bool? plan, StateManager manager, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        TypedResults.Ok(await manager.BringAsync(state, plan != true, user, cancellationToken));
}
