using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>From what is to run to a container's settings: nothing more than it needs.</summary>
internal static class ContainerPlan
{
    public const string Installation = "mcpcan.installation", Environment = "mcpcan.environment", Instance = "mcpcan.instance", Generation = "mcpcan.generation", Run = "mcpcan.run", Role = "mcpcan.role";
    /// <summary>Where the bridge looks for its configuration; it waits for it.</summary>
    public const string Config = "/run/mcpcan/bridge.json";
    private const long TmpBytes = 256L << 20;

    /// <summary>What a container runs.</summary>
    public sealed record Order
    {
        public required string Name { get; init; }
        public required string Image { get; init; }
        public required IReadOnlyList<string> Command { get; init; }
        public required IReadOnlyDictionary<string, string> Environment { get; init; }
        public required IReadOnlyList<Mount> Mounts { get; init; }
        public required IReadOnlyDictionary<string, string> Labels { get; init; }
        public required WorkloadLimits Limits { get; init; }
        public required string Network { get; init; }
        public required string User { get; init; }
        public bool Podman { get; init; }
        public string Directory { get; init; } = "/";
        public string? HostName { get; init; }
    }

    public static CreateContainerParameters Create(Order order)
    {
        var limits = order.Limits;
        var host = new HostConfig
        {
            NetworkMode = order.Network,
            ReadonlyRootfs = true,
            CapDrop = ["ALL"],
            SecurityOpt = ["no-new-privileges"],
            Tmpfs = order.Mounts.Any(m => m.Inside == "/tmp") ? null : new Dictionary<string, string> { ["/tmp"] = $"rw,exec,nosuid,nodev,mode=1777,size={TmpBytes}" },
            Mounts = [.. order.Mounts.Select(m => new global::Docker.DotNet.Models.Mount
            {
                Type = m.IsVolume ? "volume" : "bind",
                Source = m.Host,
                Target = m.Inside,
                ReadOnly = !m.Writable,
                VolumeOptions = m.IsVolume ? new VolumeOptions { NoCopy = true } : null,
            })],
            LogConfig = order.Podman
                ? new LogConfig { Type = "k8s-file", Config = new Dictionary<string, string> { ["max-size"] = "1m" } }
                : new LogConfig { Type = "json-file", Config = new Dictionary<string, string> { ["max-size"] = "1m", ["max-file"] = "1" } },
            RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
            Ulimits = [new Ulimit { Name = "core" }],
        };
        if (limits.MemoryBytes > 0) host.Memory = host.MemorySwap = limits.MemoryBytes;
        if (limits.Cpus > 0) host.NanoCPUs = (long)(limits.Cpus * 1e9);
        if (limits.Pids > 0) host.PidsLimit = limits.Pids;
        if (limits.OpenFiles > 0) host.Ulimits.Add(new Ulimit { Name = "nofile", Soft = limits.OpenFiles, Hard = limits.OpenFiles });
        // Podman gives limits that are not named its own height, which is more than it may where it lacks a right.
        if (order.Podman) host.Ulimits.Add(new Ulimit { Name = "nproc", Soft = 32768, Hard = 32768 });
        if (order.Podman && limits.OpenFiles == 0) host.Ulimits.Add(new Ulimit { Name = "nofile", Soft = 4096, Hard = 4096 });
        if (limits.FileBytes > 0) host.Ulimits.Add(new Ulimit { Name = "fsize", Soft = limits.FileBytes, Hard = limits.FileBytes });
        var container = new CreateContainerParameters
        {
            Name = order.Name,
            Image = order.Image,
            Entrypoint = [.. order.Command],
            Cmd = [],
            Env = [.. order.Environment.Select(e => $"{e.Key}={e.Value}")],
            Labels = new Dictionary<string, string>(order.Labels),
            User = order.User,
            WorkingDir = order.Directory,
            HostConfig = host,
        };
        if (order.HostName is { } name) container.Hostname = name;
        return container;
    }

    /// <summary>Which limits hold and by what, for people.</summary>
    public static string[] InForce(WorkloadLimits limits, EgressPolicy egress, string engine) =>
    [
        limits.MemoryBytes <= 0 ? "memory: none" : $"memory: {limits.MemoryBytes >> 20} MiB ({engine})",
        limits.Cpus <= 0 ? "cpu: none" : FormattableString.Invariant($"cpu: {limits.Cpus} cores ({engine})"),
        limits.Pids <= 0 ? "processes: none" : $"processes: {limits.Pids} ({engine})",
        limits.OpenFiles <= 0 ? "open files: none" : $"open files: {limits.OpenFiles} for each process ({engine})",
        limits.FileBytes <= 0 ? "file size: none" : $"file size: {limits.FileBytes >> 20} MiB ({engine})",
        egress.Allow is { Count: > 0 } allow ? $"network: {egress.Mode} ({allow.Count})" : $"network: {egress.Mode}",
    ];
}
