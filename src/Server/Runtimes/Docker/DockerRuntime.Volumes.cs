namespace McpCan.Server.Runtimes.Docker;

/// <summary>Volumes: the engine's own, known by the installation's label, and folders of the machine.</summary>
public sealed partial class DockerRuntime
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<NamedVolume>> ListVolumesAsync(CancellationToken cancellationToken) =>
        [.. (await _engine.VolumesAsync(cancellationToken)).Where(v => v.Installation == Installation).OrderBy(v => v.Name, StringComparer.Ordinal).Select(v => new NamedVolume(v.Name, v.CreatedAt))];

    /// <inheritdoc/>
    public async Task<bool> CreateVolumeAsync(string name, CancellationToken cancellationToken)
    {
        // An engine answers with the present volume, whoever made it.
        if ((await _engine.VolumesAsync(cancellationToken)).Find(v => v.Name == name) is { } present)
            return present.Installation == Installation ? false : throw new EngineRefusedException($"The engine has a volume '{name}' that is not ours. Choose another name.");
        await _engine.CreateVolumeAsync(name, new() { [ContainerPlan.Installation] = Installation, [ContainerPlan.Environment] = _options.Environment }, cancellationToken);
        try
        {
            await GiveAsync(name, cancellationToken);
            return true;
        }
        catch
        {
            await _engine.RemoveVolumeAsync(name, CancellationToken.None);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<bool> DeleteVolumeAsync(string name, CancellationToken cancellationToken)
    {
        if ((await _engine.VolumesAsync(cancellationToken)).Find(v => v.Name == name)?.Installation != Installation) return false;
        await _engine.RemoveVolumeAsync(name, cancellationToken);
        return true;
    }

    /// <inheritdoc/>
    public async Task<string?> CheckVolumeAsync(VolumeMount volume, CancellationToken cancellationToken)
    {
        try
        {
            if (volume.Kind == VolumeMount.Host) return VolumePaths.Fault(() => VolumePaths.Host(volume, _options.Installation.VolumeRoots, _options.Installation.Data));
            return (await _engine.VolumesAsync(cancellationToken)).Exists(v => v.Name == volume.Source && v.Installation == Installation) ? null : VolumePaths.Missing(volume);
        }
        catch (EngineUnreachableException e)
        {
            return e.Message;
        }
    }

    /// <summary>Lets a helper with the right to do so give a new volume to the workloads' user: the engine makes it root's.</summary>
    private async Task GiveAsync(string name, CancellationToken cancellationToken)
    {
        var parameters = ContainerPlan.Create(new ContainerPlan.Order
        {
            Name = $"{NetworkName}-volume-{Guid.NewGuid():N}",
            Image = (await _engine.Image.EnsureAsync(cancellationToken)).Name,
            Command = ["/bin/sh", "-c", $"chmod 0770 /volume && chown {User} /volume"],
            Environment = new Dictionary<string, string>(),
            Mounts = [new(name, "/volume", Writable: true, IsVolume: true)],
            // The instance's label lets a sweep find it, should it be left over.
            Labels = new Dictionary<string, string> { [ContainerPlan.Installation] = Installation, [ContainerPlan.Environment] = _options.Environment, [ContainerPlan.Instance] = "volume", [ContainerPlan.Role] = "volume" },
            Limits = new() { MemoryBytes = 128 << 20, Cpus = 0, Pids = 16, FileBytes = 0, OpenFiles = 0 },
            Network = "none",
            User = "0:0",
            Podman = (await _engine.KindAsync(cancellationToken)).Podman,
        });
        parameters.HostConfig!.CapAdd = ["CHOWN", "FOWNER"];
        var helper = await _engine.CreateAsync(parameters, cancellationToken);
        try
        {
            await _engine.StartAsync(helper, cancellationToken);
            await _engine.WaitAsync(helper, cancellationToken);
            if ((await _engine.InspectAsync(helper, cancellationToken))?.State?.ExitCode != 0) throw new EngineRefusedException($"The volume '{name}' could not be given to the workloads' user. {string.Join(' ', await OutputAsync(helper, cancellationToken))}".Trim());
        }
        finally
        {
            await RemoveQuietlyAsync(helper);
        }
    }

    private async Task<List<Mount>> VolumesAsync(WorkloadSpec spec, CancellationToken cancellationToken)
    {
        var known = spec.Volumes.Any(v => v.Kind == VolumeMount.Named) ? await _engine.VolumesAsync(cancellationToken) : [];
        return [.. spec.Volumes.Select(v => v.Kind == VolumeMount.Host
            ? new Mount(VolumePaths.Host(v, _options.Installation.VolumeRoots, _options.Installation.Data), v.Target, !v.ReadOnly)
            : Named(v, known.Find(k => k.Name == v.Source && k.Installation == Installation) ?? throw new IOException(VolumePaths.Missing(v))))];
    }

    /// <summary>Engines of this age mount whole volumes only: a folder in one is mounted from where the engine keeps it.</summary>
    private static Mount Named(VolumeMount volume, Engine.Volume known)
    {
        if (string.IsNullOrEmpty(volume.SubPath)) return new(volume.Source, volume.Target, !volume.ReadOnly, IsVolume: true);
        if (!Directory.Exists(known.Folder)) throw new IOException($"A folder in the volume '{volume.Source}' cannot be chosen: the engine's volumes cannot be seen from here. Leave the folder out.");
        return new(VolumePaths.Below(known.Folder, volume.SubPath, FileOwner.Give), volume.Target, !volume.ReadOnly);
    }
}
