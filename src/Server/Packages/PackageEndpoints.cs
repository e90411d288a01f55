using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Packages;

/// <summary>A package as the API shows it.</summary>
/// <param name="Version">Number of the newest version.</param>
/// <param name="Detected">What was found in the newest version.</param>
public sealed record PackageView(string Id, string Name, int Version, DetectedProject Detected, DateTimeOffset CreatedAt, IReadOnlyList<PackageVersionView> Versions)
{
    internal static PackageView Of(Package p) => new(p.Id, p.Name, p.Versions[^1].Version, p.Versions[^1].Detected, p.CreatedAt, [.. p.Versions.Select(PackageVersionView.Of)]);
}

/// <summary>A version as the API shows it.</summary>
public sealed record PackageVersionView(int Version, string FileName, long Size, string Sha256, DetectedProject Detected, string? Notes, int? BasedOn, string? UploadedBy, DateTimeOffset CreatedAt)
{
    internal static PackageVersionView Of(PackageVersion v) => new(v.Version, v.FileName, v.Size, v.Sha256, v.Detected, v.Notes, v.BasedOn, v.UploadedBy, v.CreatedAt);
}

internal static class PackageEndpoints
{
    public static void MapPackages(this RouteGroupBuilder api)
    {
        var packages = api.MapGroup("/packages").WithTags("Packages");
        packages.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listPackages").WithSummary("List packages with their versions");
        packages.MapPost("", Upload).TakesArchive().WithName("uploadPackage").WithSummary("Upload an archive (.zip, .tar.gz, .tgz, .mcpb, .dxt) as a new package; the answer says what was detected");
        packages.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getPackage").WithSummary("Get a package with its versions");
        packages.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Operate).WithName("deletePackage").WithSummary("Delete a package and all its versions; refused while an instance runs one");
        packages.MapGet("/{id}/users", Users).RequireAuthorization(Policies.Read).WithName("listPackageUsers").WithSummary("List the instances that run a package, and which version");
        packages.MapDelete("/{id}/versions/{version}", DeleteVersion).RequireAuthorization(Policies.Operate).WithName("deletePackageVersion")
            .WithSummary("Delete a version; refused for the only one and while an instance runs it. Its number is not given again");
        packages.MapPost("/{id}/versions", UploadVersion).TakesArchive().WithName("uploadPackageVersion").WithSummary("Upload an archive as the next version of a package");
        packages.MapPackageFiles();
    }

    /// <summary>The body is counted as it is read, so Kestrel's own limit is off.</summary>
    private static RouteHandlerBuilder TakesArchive(this RouteHandlerBuilder endpoint) => endpoint
        .RequireAuthorization(Policies.Operate).Accepts<PackageForm>("multipart/form-data").WithMetadata(new DisableRequestSizeLimitAttribute()).DisableAntiforgery();

    private static async Task<Ok<Page<PackageView>>> List([AsParameters] PageQuery page, PackageManager packages, CancellationToken cancellationToken) =>
        TypedResults.Ok(await packages.ListAsync(page, PackageView.Of, cancellationToken));

    private static async Task<Created<PackageView>> Upload(
        HttpRequest request, PackageManager packages, [FromServices] PackageStore store, [FromServices] McpCanOptions options, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        using var upload = await PackageUpload.ReadAsync(request, store, options, cancellationToken);
        var package = await packages.AddAsync(upload.Archive!, upload.FileName, upload.Name, upload.Notes, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/packages/{package.Id}", PackageView.Of(package));
    }

    private static async Task<Created<PackageView>> UploadVersion(
        string id, HttpRequest request, PackageManager packages, [FromServices] PackageStore store, [FromServices] McpCanOptions options, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await packages.GetAsync(id, cancellationToken);
        using var upload = await PackageUpload.ReadAsync(request, store, options, cancellationToken);
        var package = await packages.AddVersionAsync(id, upload.Archive!, upload.FileName, upload.Notes, null, user.Actor(), cancellationToken);
        return TypedResults.Created($"/api/v1/packages/{package.Id}", PackageView.Of(package));
    }

    private static async Task<Ok<PackageView>> Get(string id, PackageManager packages, CancellationToken cancellationToken) =>
        TypedResults.Ok(PackageView.Of(await packages.GetAsync(id, cancellationToken)));

    private static async Task<NoContent> Delete(string id, PackageManager packages, CancellationToken cancellationToken)
    {
        await packages.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<IReadOnlyList<PackageUser>>> Users(string id, PackageManager packages, CancellationToken cancellationToken)
    {
        await packages.GetAsync(id, cancellationToken);
        return TypedResults.Ok(await packages.UsersAsync(id, cancellationToken));
    }

    private static async Task<NoContent> DeleteVersion(string id, [Description("Version number.")] int version, PackageManager packages, CancellationToken cancellationToken)
    {
        await packages.DeleteVersionAsync(id, version, cancellationToken);
        return TypedResults.NoContent();
    }
}
