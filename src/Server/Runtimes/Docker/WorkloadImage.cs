using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>The image that commands and packages run in: an archive built by <c>deploy/images/workload/build</c>, loaded into an engine when it is not there.</summary>
internal sealed class WorkloadImage(string? folder, DockerClient client) : IDisposable
{
    private const string ToolLabel = "mcpcan.tool.";
    private readonly SemaphoreSlim _gate = new(1, 1);

    /// <summary>An image as the engine has it.</summary>
    public sealed record Found(string Id, string Name, IReadOnlyDictionary<string, string?> Tools);

    /// <summary>The image, loaded when it has to be.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public async Task<Found> EnsureAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            var archive = Archive ?? throw new IOException(Missing);
            var name = Name(archive);
            if (await InspectAsync(name, cancellationToken) is { } there) return there;
            await using var stream = File.OpenRead(archive);
            await client.Images.LoadImageAsync(new ImageLoadParameters { Quiet = true }, stream, new Progress<JSONMessage>(), cancellationToken);
            return await InspectAsync(name, cancellationToken) ?? throw new IOException($"The engine took the workload image and does not show it as {name}.");
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>What is to be done when <see cref="EnsureAsync"/> would find nothing; null when it would.</summary>
    public string? Finding => Archive is null ? Missing : null;

    public void Dispose() => _gate.Dispose();

    private const string Missing = "The workload image is missing: build it with deploy/images/workload/build.";

    private string? Archive => folder is not null ? Existing(folder) : Above().Select(Existing).FirstOrDefault(f => f is not null);

    private static string? Existing(string folder) => Path.Combine(folder, "workload.tar") is var archive && File.Exists(archive) && File.Exists(Path.ChangeExtension(archive, ".json")) ? archive : null;

    private static IEnumerable<string> Above()
    {
        for (var at = AppContext.BaseDirectory.TrimEnd('/'); at is { Length: > 1 }; at = Path.GetDirectoryName(at))
        {
            yield return Path.Combine(at, "artifacts", "images");
            yield return Path.Combine(at, "images");
        }
    }

    private static string Name(string archive)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.ChangeExtension(archive, ".json")));
        return json.RootElement.GetProperty("name").GetString()!;
    }

    private async Task<Found?> InspectAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var image = await client.Images.InspectImageAsync(name, cancellationToken);
            var labels = image.Config?.Labels ?? new Dictionary<string, string>();
            return new(image.ID, name, labels.Where(l => l.Key.StartsWith(ToolLabel, StringComparison.Ordinal)).ToDictionary(l => l.Key[ToolLabel.Length..], l => (string?)l.Value));
        }
        catch (DockerImageNotFoundException)
        {
            return null;
        }
    }
}
