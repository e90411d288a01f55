using System.ComponentModel;
using System.Text;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace McpCan.Server.Packages;

/// <summary>The form of an upload, for the API's description; it is read as a stream.</summary>
internal sealed record PackageForm([property: Description("The archive: .zip, .tar.gz, .tgz, .mcpb or .dxt.")] IFormFile File, [property: Description("Name for people; the project's own name unless told.")] string? Name = null,
    [property: Description("What is new in this version.")] string? Notes = null);

/// <summary>An upload's form, its file on disk already.</summary>
internal sealed class PackageUpload : IDisposable
{
    private const int MostParts = 20;
    private const int LongestField = 16 << 10;

    public StagedArchive? Archive { get; private set; }
    public string FileName { get; private set; } = "";
    public string? Name { get; private set; }
    public string? Notes { get; private set; }

    /// <summary>Reads <c>multipart/form-data</c> part by part; the file goes to disk as it comes.</summary>
    public static async Task<PackageUpload> ReadAsync(HttpRequest request, PackageStore store, McpCanOptions options, CancellationToken cancellationToken)
    {
        if (request.ContentLength > options.MaxPackageBytes + (1 << 20)) throw store.TooLarge();
        var upload = new PackageUpload();
        try
        {
            await upload.ReadPartsAsync(new MultipartReader(Boundary(request), request.Body), store, cancellationToken);
            return upload.Archive is null ? throw Invalid("file", "The form has no field 'file' with an archive.") : upload;
        }
        catch (Exception e) when (!request.HttpContext.RequestAborted.IsCancellationRequested && (e is InvalidDataException or DecoderFallbackException || (e is IOException and not BadHttpRequestException && !IsDisk(e))))
        {
            upload.Dispose();
            throw new ProblemException(400, "bad-form", "The body is not a complete multipart/form-data form.");
        }
        catch
        {
            upload.Dispose();
            throw;
        }
    }

    public void Dispose() => Archive?.Dispose();

    private async Task ReadPartsAsync(MultipartReader reader, PackageStore store, CancellationToken cancellationToken)
    {
        for (var parts = 0; await reader.ReadNextSectionAsync(cancellationToken) is { } section; parts++)
        {
            if (parts >= MostParts) throw new ProblemException(400, "bad-form", $"The form has more than {MostParts} fields.");
            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)) throw new InvalidDataException();
            switch (HeaderUtilities.RemoveQuotes(disposition.Name).Value)
            {
                case "file":
                    if (Archive is not null) throw Invalid("file", "The form has several fields 'file'.");
                    Archive = await store.StageAsync(section.Body, cancellationToken);
                    FileName = (disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value ?? "";
                    break;
                case "name":
                    Name = await TextAsync(section.Body, cancellationToken) is { Length: > 0 } name ? name : null;
                    break;
                case "notes":
                    Notes = await TextAsync(section.Body, cancellationToken) is { Length: > 0 } notes ? notes : null;
                    break;
                default:
                    await TextAsync(section.Body, cancellationToken);
                    break;
            }
        }
    }

    private static async Task<string> TextAsync(Stream body, CancellationToken cancellationToken)
    {
        var bytes = new byte[LongestField + 1];
        var read = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        if (read > LongestField) throw new ProblemException(400, "bad-form", $"A field of the form is longer than {LongestField} bytes.");
        return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, read);
    }

    private static string Boundary(HttpRequest request)
    {
        var boundary = MediaTypeHeaderValue.TryParse(request.ContentType, out var type) ? HeaderUtilities.RemoveQuotes(type.Boundary).Value : null;
        return boundary is { Length: > 0 and <= 200 } ? boundary : throw new ProblemException(400, "bad-form", "The content type 'multipart/form-data' must name its boundary.");
    }

    private static ProblemException Invalid(string field, string message) => new(400, "invalid", message, new Dictionary<string, string[]> { [field] = [message] });

    /// <summary>No space left, quota: not the caller's fault.</summary>
    private static bool IsDisk(Exception e) => (e.HResult & 0xffff) is 28 or 122 or 112;
}
