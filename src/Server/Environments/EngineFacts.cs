using Docker.DotNet;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>What an engine says of itself and its machine.</summary>
/// <param name="Product">Docker or Podman.</param>
/// <param name="Version">Its version.</param>
/// <param name="ApiVersion">Version of the Docker API that it speaks.</param>
/// <param name="Rootless">Whether it runs without root.</param>
/// <param name="Cgroups">Version and driver of the control groups, for example <c>v2, systemd</c>.</param>
/// <param name="Storage">Storage driver.</param>
/// <param name="OperatingSystem">The machine's operating system.</param>
/// <param name="Architecture">The machine's architecture.</param>
/// <param name="Cpus">Processors.</param>
/// <param name="MemoryBytes">Memory.</param>
/// <param name="DiskFreeBytes">Free space where the engine keeps images and volumes; null when it cannot be seen from here.</param>
/// <param name="Containers">Containers, also of others.</param>
/// <param name="Running">Those of them that run.</param>
/// <param name="Images">Images.</param>
public sealed record EngineFacts(
    string Product, string Version, string ApiVersion, bool Rootless, string? Cgroups, string? Storage, string? OperatingSystem, string? Architecture,
    int Cpus, long MemoryBytes, long? DiskFreeBytes, int Containers, int Running, int Images)
{
    /// <summary>Below this much free space, starts are likely to fail soon.</summary>
    internal const long ScarceDiskBytes = 2L << 30;

    internal static async Task<EngineFacts> ReadAsync(DockerClient client, bool sameMachine, CancellationToken cancellationToken)
    {
        var version = await client.System.GetVersionAsync(cancellationToken);
        var info = await client.System.GetSystemInfoAsync(cancellationToken);
        var podman = Engine.IsPodman(version);
        string?[] cgroups = [info.CgroupVersion is { Length: > 0 } v ? "v" + v : null, info.CgroupDriver];
        return new(
            podman ? "Podman" : "Docker", version.Version, version.APIVersion, info.SecurityOptions?.Any(s => s.Contains("rootless", StringComparison.Ordinal)) == true,
            Text(string.Join(", ", cgroups.Where(c => !string.IsNullOrEmpty(c)))), Text(info.Driver), Text(info.OperatingSystem), Text(info.Architecture),
            (int)info.NCPU, info.MemTotal, sameMachine ? DiskFree(info.DockerRootDir) : null, (int)info.Containers, (int)info.ContainersRunning, (int)info.Images);
    }

    /// <summary>Free space of the disk that holds a folder of this machine.</summary>
    internal static long? DiskFree(string? folder)
    {
        try
        {
            return Directory.Exists(folder) ? new DriveInfo(folder).AvailableFreeSpace : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;
}
