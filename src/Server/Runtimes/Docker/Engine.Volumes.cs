using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>Volumes of the engine.</summary>
internal sealed partial class Engine
{
    /// <summary>A volume: whose it is, and where the engine keeps it.</summary>
    public sealed record Volume(string Name, string? Installation, string Folder, DateTimeOffset? CreatedAt);

    public Task<List<Volume>> VolumesAsync(CancellationToken cancellationToken) =>
        CallAsync(async () => ((await _quick.Volumes.ListAsync(cancellationToken)).Volumes ?? []).Select(Of).ToList(), cancellationToken);

    public Task CreateVolumeAsync(string name, Dictionary<string, string> labels, CancellationToken cancellationToken) =>
        CallAsync(() => _quick.Volumes.CreateAsync(new VolumesCreateParameters { Name = name, Labels = labels }, cancellationToken), cancellationToken);

    /// <summary>Removes a volume; gone already is well.</summary>
    public Task RemoveVolumeAsync(string name, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            await _quick.Volumes.RemoveAsync(name, null, cancellationToken);
        }
        catch (DockerApiException e) when (e.StatusCode == System.Net.HttpStatusCode.NotFound)
        {
        }
        return true;
    }, cancellationToken);

    private static Volume Of(VolumeResponse volume) => new(volume.Name, volume.Labels?.TryGetValue(ContainerPlan.Installation, out var owner) == true ? owner : null, volume.Mountpoint ?? "",
        DateTimeOffset.TryParse(volume.CreatedAt, CultureInfo.InvariantCulture, out var at) ? at : null);
}
