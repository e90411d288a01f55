using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Environments;

internal static class EnvironmentEndpoints
{
    private const long MostImageBytes = 20L << 30;

    public static void MapEnvironments(this RouteGroupBuilder api)
    {
        var environments = api.MapGroup("/environments").WithTags("Environments");
        environments.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listEnvironments").WithSummary("List the places where workloads run");
        environments.MapPost("", Create).RequireAuthorization(Policies.Administer).WithName("createEnvironment").WithSummary("Register a Docker or Podman engine");
        environments.MapPost("/check", Try).RequireAuthorization(Policies.Administer).WithName("tryEnvironment").WithSummary("Look whether an engine could be used, without registering it");
        environments.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getEnvironment").WithSummary("Get an environment");
        environments.MapPatch("/{id}", Update).RequireAuthorization(Policies.Administer).WithName("updateEnvironment").WithSummary("Change an environment; acts at once");
        environments.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Administer).WithName("deleteEnvironment").WithSummary("Remove an environment; refused while instances are there");
        environments.MapPost("/{id}/check", Check).RequireAuthorization(Policies.Operate).WithName("checkEnvironment").WithSummary("Look whether an environment can be used, and what is missing");
        environments.MapPost("/{id}/default", SetDefault).RequireAuthorization(Policies.Administer).WithName("setDefaultEnvironment").WithSummary("Make an environment the one of new instances");

        environments.MapGet("/{id}/images", Images).RequireAuthorization(Policies.Read).WithName("listImages").WithSummary("List the images of an engine");
        environments.MapPost("/{id}/images", LoadImage).RequireAuthorization(Policies.Administer).WithMetadata(new RequestSizeLimitAttribute(MostImageBytes)).DisableAntiforgery()
            .Accepts<Stream>("application/x-tar").WithName("loadImage").WithSummary("Load an image archive (docker save) into an engine; the answer names what is new");
        environments.MapDelete("/{id}/images/{image}", RemoveImage).RequireAuthorization(Policies.Administer).WithName("removeImage").WithSummary("Remove an image from an engine; refused while a container uses it");
        environments.MapGet("/{id}/networks", Networks).RequireAuthorization(Policies.Read).WithName("listNetworks").WithSummary("List the networks of an engine");
        environments.MapGet("/{id}/events", Events).RequireAuthorization(Policies.Read).WithName("listEnvironmentEvents").WithSummary("What happened to this installation's containers, newest first");
    }

    private static async Task<Ok<Page<EnvironmentView>>> List([AsParameters] PageQuery page, EnvironmentViews views, CancellationToken cancellationToken) =>
        TypedResults.Ok((await views.AllAsync(cancellationToken)).Where(e => string.IsNullOrEmpty(page.Search) || e.Name.Contains(page.Search, StringComparison.OrdinalIgnoreCase)).ToList().ToPage(page, e => e));

    private static async Task<Created<EnvironmentView>> Create(EnvironmentInput input, EnvironmentManager environments, EnvironmentViews views, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var made = await environments.CreateAsync(input, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/environments/{made.Id}", await views.GetAsync(made.Id, anew: false, cancellationToken));
    }

    private static async Task<Ok<EnvironmentCheck>> Try(EnvironmentInput input, EnvironmentManager environments, EnvironmentChecks checks, CancellationToken cancellationToken) =>
        TypedResults.Ok(await checks.TryAsync(await environments.AddressAsync(input, cancellationToken), cancellationToken));

    private static async Task<Ok<EnvironmentView>> Get(string id, EnvironmentViews views, CancellationToken cancellationToken) => TypedResults.Ok(await views.GetAsync(id, anew: false, cancellationToken));

    private static async Task<Ok<EnvironmentView>> Update(string id, EnvironmentPatch patch, EnvironmentManager environments, EnvironmentViews views, CancellationToken cancellationToken)
    {
        await environments.UpdateAsync(id, patch, cancellationToken);
        return TypedResults.Ok(await views.GetAsync(id, anew: false, cancellationToken));
    }

    private static async Task<NoContent> Delete(string id, EnvironmentManager environments, CancellationToken cancellationToken)
    {
        await environments.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<EnvironmentView>> Check(string id, EnvironmentViews views, CancellationToken cancellationToken) => TypedResults.Ok(await views.GetAsync(id, anew: true, cancellationToken));

    private static async Task<NoContent> SetDefault(string id, EnvironmentManager environments, CancellationToken cancellationToken)
    {
        await environments.SetDefaultAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<IReadOnlyList<EngineImage>>> Images(string id, EngineThings things, CancellationToken cancellationToken) => TypedResults.Ok(await things.ImagesAsync(id, cancellationToken));

    private static async Task<Ok<IReadOnlyList<EngineImage>>> LoadImage(string id, HttpRequest request, EngineThings things, CancellationToken cancellationToken)
    {
        things.Require(id);
        if (request.ContentLength > (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize ?? MostImageBytes))
            throw new ProblemException(413, "too-large", "The archive is larger than 20 GiB.");
        return TypedResults.Ok(await things.LoadAsync(id, request.Body, cancellationToken));
    }

    private static async Task<NoContent> RemoveImage(string id, [Description("Its id, or the first digits of it.")] string image, EngineThings things, CancellationToken cancellationToken)
    {
        await things.RemoveImageAsync(id, image, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<IReadOnlyList<EngineNetworkView>>> Networks(string id, EngineThings things, CancellationToken cancellationToken) => TypedResults.Ok(await things.NetworksAsync(id, cancellationToken));

    private static async Task<Ok<IReadOnlyList<EngineEvent>>> Events(string id, [Description("How far back: 1 to 1440 minutes, 60 unless told.")] int? minutes, EngineThings things, CancellationToken cancellationToken)
    {
        new Checks().That(minutes is null or (>= 1 and <= 1440), "minutes", "Must be between 1 and 1440.").Throw();
        return TypedResults.Ok(await things.EventsAsync(id, TimeSpan.FromMinutes(minutes ?? 60), cancellationToken));
    }
}
