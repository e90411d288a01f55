namespace McpCan.Server.Runtimes;

/// <summary>Volumes: folders beside the workloads, bound into the sandbox.</summary>
public sealed partial class ProcessRuntime
{
    private const string NeedsSandbox = "Volumes need bubblewrap: install the package 'bubblewrap', or use a container environment.";

    private string VolumesFolder => Path.Combine(_options.Data, "volumes");

    /// <inheritdoc/>
    public Task<IReadOnlyList<NamedVolume>> ListVolumesAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<NamedVolume>>(
        Directory.Exists(VolumesFolder) ? [.. new DirectoryInfo(VolumesFolder).EnumerateDirectories().OrderBy(d => d.Name, StringComparer.Ordinal).Select(d => new NamedVolume(d.Name, d.CreationTimeUtc))] : []);

    /// <inheritdoc/>
    public Task<bool> CreateVolumeAsync(string name, CancellationToken cancellationToken)
    {
        var folder = VolumeFolder(name);
        if (Directory.Exists(folder)) return Task.FromResult(false);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return Task.FromResult(true);
    }

    /// <inheritdoc/>
    public Task<bool> DeleteVolumeAsync(string name, CancellationToken cancellationToken)
    {
        var folder = VolumeFolder(name);
        if (!Directory.Exists(folder)) return Task.FromResult(false);
        WorkloadFolder.Delete(folder);
        return Task.FromResult(true);
    }

    /// <inheritdoc/>
    public async Task<string?> CheckVolumeAsync(VolumeMount volume, CancellationToken cancellationToken)
    {
        if ((await _host.StrongestAsync()).Level < IsolationLevel.Sandbox) return NeedsSandbox;
        return VolumePaths.Fault(() => volume.Kind == VolumeMount.Host ? VolumePaths.Host(volume, _options.VolumeRoots, _options.Data) : Kept(volume));
    }

    private IEnumerable<Mount> Volumes(WorkloadSpec spec, IsolationLevel level)
    {
        if (spec.Volumes is not [] && level < IsolationLevel.Sandbox) throw new PlatformNotSupportedException(NeedsSandbox);
        return spec.Volumes.Select(v => new Mount(v.Kind == VolumeMount.Host ? VolumePaths.Host(v, _options.VolumeRoots, _options.Data) : VolumePaths.Below(Kept(v), v.SubPath, _ => { }), v.Target, !v.ReadOnly));
    }

    private string Kept(VolumeMount volume) => VolumeFolder(volume.Source) is var folder && Directory.Exists(folder) ? folder : throw new IOException(VolumePaths.Missing(volume));

    private string VolumeFolder(string name) =>
        name.Length is > 1 and < 64 && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? Path.Combine(VolumesFolder, name) : throw new ArgumentException("This is no name of a volume.", nameof(name));
}
