using System.ComponentModel;
using System.Globalization;
using System.Security.Claims;
using System.Text;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Packages;

/// <summary>Changes that make a new version of a version.</summary>
/// <param name="Files">By path: the new text, or null to remove the file.</param>
/// <param name="Notes">What is new.</param>
public sealed record PackageEdits(IReadOnlyDictionary<string, FileEdit?> Files, string? Notes = null);

/// <summary>The entries of a version.</summary>
/// <param name="Items">By path, at most 20,000.</param>
/// <param name="Total">How many there are.</param>
public sealed record PackageTree(IReadOnlyList<ArchiveEntry> Items, int Total);

/// <summary>A file that differs between two versions, as the API shows it.</summary>
/// <param name="Change">added, removed or changed.</param>
/// <param name="Diff">Unified diff; null when it is no text, too large, or when there are too many changes to show.</param>
public sealed record FileDifferenceView(string Path, string Change, long? OldSize, long? NewSize, string? Diff);

/// <summary>What differs between two versions, as the API shows it.</summary>
/// <param name="Total">How many files differ; 'files' holds the first 1,000.</param>
public sealed record PackageDifferenceView(int From, int To, IReadOnlyList<FileDifferenceView> Files, int Total);

internal static class PackageFileEndpoints
{
    private const int MostEntries = 20_000;

    public static void MapPackageFiles(this RouteGroupBuilder packages)
    {
        packages.MapGet("/{id}/versions/{version}/download", Download).RequireAuthorization(Policies.Read).WithName("downloadPackageVersion").WithSummary("Download the archive of a version, as uploaded or as zip")
            .Produces(StatusCodes.Status200OK, contentType: "application/octet-stream");
        packages.MapGet("/{id}/versions/{version}/files", List).RequireAuthorization(Policies.Read).WithName("listPackageFiles").WithSummary("List the files of a version");
        packages.MapPatch("/{id}/versions/{version}/files", Edit).RequireAuthorization(Policies.Operate).WithName("editPackageFiles")
            .WithSummary("Change, add or remove files; the result is a new version").WithMetadata(new RequestSizeLimitAttribute(32 << 20));
        packages.MapGet("/{id}/versions/{version}/files/{**path}", Read).RequireAuthorization(Policies.Read).WithName("getPackageFile").WithSummary("Read a file of a version")
            .Produces(StatusCodes.Status200OK, contentType: "application/octet-stream");
        packages.MapPut("/{id}/versions/{version}/files/{**path}", Put).RequireAuthorization(Policies.Operate).WithName("putPackageFile")
            .WithSummary("Change or add one text file, its text as the body; the result is a new version").Accepts<string>("text/plain").WithMetadata(new RequestSizeLimitAttribute(PackageFiles.LargestText + 1));
        packages.MapGet("/{id}/diff", Compare).RequireAuthorization(Policies.Read).WithName("comparePackageVersions").WithSummary("Compare two versions file by file, texts line by line");
    }

    private static async Task<Results<PhysicalFileHttpResult, FileStreamHttpResult>> Download(
        string id, [Description("Version number.")] int version, [Description("'zip' for a zip archive whatever was uploaded.")] string? format,
        PackageManager packages, PackageFiles files, CancellationToken cancellationToken)
    {
        new Checks().That(format is null or "zip", "format", "Must be 'zip', or left out for the archive as uploaded.").Throw();
        var found = await packages.GetVersionAsync(id, version, cancellationToken);
        var path = await files.ArchiveAsync(id, version, cancellationToken);
        var isTar = found.FileName.EndsWith(".tar.gz", StringComparison.Ordinal);
        if (format is null || !isTar) return TypedResults.PhysicalFile(path, isTar ? "application/gzip" : "application/zip", found.FileName, enableRangeProcessing: true);
        return TypedResults.Stream(await files.ZipAsync(id, version, cancellationToken), "application/zip", PackageStore.Stem(found.FileName) + ".zip");
    }

    private static async Task<Ok<PackageTree>> List(string id, int version, PackageFiles files, CancellationToken cancellationToken)
    {
        var all = await files.ListAsync(id, version, cancellationToken);
        return TypedResults.Ok(new PackageTree(all.Count > MostEntries ? [.. all.Take(MostEntries)] : all, all.Count));
    }

    /// <summary>Never as something that a browser would run.</summary>
    private static async Task Read(string id, int version, string path, PackageFiles files, HttpResponse response, CancellationToken cancellationToken) =>
        await files.CopyAsync(id, version, path, size =>
        {
            response.ContentType = "application/octet-stream";
            response.ContentLength = size;
            response.Headers.ContentDisposition = "attachment";
            return response.Body;
        }, cancellationToken);

    private static async Task<Created<PackageView>> Edit(string id, int version, PackageEdits edits, PackageFiles files, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        Made(await files.EditAsync(id, version, edits.Files.ToDictionary(e => e.Key, e => e.Value ?? new FileEdit(null)), edits.Notes, user.Actor(), cancellationToken));

    /// <summary>The version is text here: a number that is none would be refused before the rights and the size are looked at.</summary>
    private static async Task<Created<PackageView>> Put(
        string id, string version, string path, [Description("What is new.")] string? notes, HttpRequest request, PackageFiles files, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new ProblemException(404, "not-found", $"There is no version '{version}' of this package.");
        using var reader = new StreamReader(request.Body, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false);
        try
        {
            return Made(await files.EditAsync(id, number, new Dictionary<string, FileEdit> { [path] = new(await reader.ReadToEndAsync(cancellationToken)) }, notes, user.Actor(), cancellationToken));
        }
        catch (DecoderFallbackException)
        {
            throw new ProblemException(400, "invalid", "The body is not valid UTF-8 text. Upload an archive to change other files.");
        }
    }

    private static async Task<Ok<PackageDifferenceView>> Compare(
        string id, [Description("Version before.")] int from, [Description("Version after.")] int to, PackageFiles files, CancellationToken cancellationToken)
    {
        var difference = await files.CompareAsync(id, from, to, cancellationToken);
        return TypedResults.Ok(new PackageDifferenceView(from, to,
            [.. difference.Files.Select(f => new FileDifferenceView(f.Path, f.Change, f.OldSize, f.NewSize, f.Lines is null ? null : LineDiff.Unified(f.Lines)))], difference.Total));
    }

    private static Created<PackageView> Made(Package package) => TypedResults.Created($"/api/v1/packages/{package.Id}", PackageView.Of(package));
}
