using System.Net;
using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>The engine cannot be reached.</summary>
public sealed class EngineUnreachableException(string message, Exception inner) : IOException(message, inner);

/// <summary>The engine answered, and refused.</summary>
public sealed class EngineRefusedException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>A network for workloads: its name, its addresses, and the engine's machine as it is seen there.</summary>
internal sealed record EngineNetwork(string Name, string Subnet, string? Gateway);

/// <summary>The calls that the runtime needs, with what Docker and Podman do differently evened out.</summary>
internal sealed partial class Engine : IDisposable
{
    private readonly DockerClient _quick;
    private readonly DockerClient _patient;
    private readonly EngineAddress _address;
    private Kind? _kind;

    public sealed record Kind(string Name, string Version, bool Podman, bool Rootless);

    public Engine(EngineAddress address, string? images)
    {
        _address = address;
        _quick = EngineClient.Open(address, TimeSpan.FromSeconds(30));
        _patient = EngineClient.Open(address);
        Image = new WorkloadImage(images, _patient);
    }

    public WorkloadImage Image { get; }

    public async Task<Kind> KindAsync(CancellationToken cancellationToken)
    {
        if (_kind is { } known) return known;
        var (version, info) = await CallAsync(async () => (await _quick.System.GetVersionAsync(cancellationToken), await _quick.System.GetSystemInfoAsync(cancellationToken)), cancellationToken);
        var podman = IsPodman(version);
        return _kind = new(podman ? "Podman" : "Docker", version.Version, podman, info.SecurityOptions?.Any(s => s.Contains("rootless", StringComparison.Ordinal)) == true);
    }

    public Task<SystemInfoResponse> InfoAsync(CancellationToken cancellationToken) => CallAsync(() => _quick.System.GetSystemInfoAsync(cancellationToken), cancellationToken);

    public async Task<string> CreateAsync(CreateContainerParameters parameters, CancellationToken cancellationToken) =>
        (await CallAsync(() => _quick.Containers.CreateContainerAsync(parameters, cancellationToken), cancellationToken)).ID;

    public Task StartAsync(string id, CancellationToken cancellationToken) => CallAsync(() => _quick.Containers.StartContainerAsync(id, new(), cancellationToken), cancellationToken);

    /// <summary>The container, or null when it is gone.</summary>
    public Task<ContainerInspectResponse?> InspectAsync(string id, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            return await _quick.Containers.InspectContainerAsync(id, cancellationToken);
        }
        catch (DockerApiException e) when (IsGone(e))
        {
            return null;
        }
    }, cancellationToken);

    /// <summary>Returns when the container does not run any more, or is gone.</summary>
    public Task WaitAsync(string id, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            await _patient.Containers.WaitContainerAsync(id, cancellationToken);
        }
        catch (DockerApiException e) when (IsGone(e))
        {
        }
        return true;
    }, cancellationToken);

    public Task StopAsync(string id, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            await _quick.Containers.StopContainerAsync(id, new ContainerStopParameters { WaitBeforeKillSeconds = 1 }, cancellationToken);
        }
        catch (DockerApiException e) when (IsGone(e) || e.StatusCode == HttpStatusCode.NotModified)
        {
        }
        return true;
    }, cancellationToken);

    /// <summary>Kills and removes; gone already is well.</summary>
    public Task RemoveAsync(string id, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await _quick.Containers.RemoveContainerAsync(id, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }, cancellationToken);
                return true;
            }
            catch (DockerApiException e) when (IsGone(e))
            {
                return true;
            }
            catch (DockerApiException) when (attempt < 20)
            {
                // Another call removes it at this moment, or the engine still ends it.
                await Task.Delay(100, cancellationToken);
            }
        }
    }, cancellationToken);

    /// <summary>Containers with these labels, in the order in which they can be removed: those that live in another's network first.</summary>
    public Task<IReadOnlyList<ContainerListResponse>> ListAsync(IEnumerable<(string Label, string Value)> labels, CancellationToken cancellationToken) =>
        CallAsync<IReadOnlyList<ContainerListResponse>>(async () =>
        {
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    var all = await _quick.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = Labels(labels) }, cancellationToken);
                    return [.. all.OrderBy(c => c.Labels?.TryGetValue(ContainerPlan.Role, out var role) == true && role == "network" ? 0 : 1)];
                }
                catch (DockerApiException e) when (IsGone(e) && attempt < 20)
                {
                    // Podman lists one that is removed at this moment.
                }
            }
        }, cancellationToken);

    /// <summary>What a container wrote; with <paramref name="follow"/> until it ends.</summary>
    public async Task ReadAsync(string id, bool follow, Action<string> line, CancellationToken cancellationToken)
    {
        using var stream = await CallAsync(() => _patient.Containers.GetContainerLogsAsync(id, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Follow = follow, Tail = follow ? "all" : "40" }, cancellationToken), cancellationToken);
        var buffer = new byte[16384];
        var rest = new Dictionary<MultiplexedStream.TargetStream, (Decoder Decoder, StringBuilder Text)>();
        while (await stream.ReadOutputAsync(buffer, 0, buffer.Length, cancellationToken) is { EOF: false } read)
        {
            if (!rest.TryGetValue(read.Target, out var part)) rest[read.Target] = part = (Encoding.UTF8.GetDecoder(), new());
            var characters = new char[Encoding.UTF8.GetMaxCharCount(read.Count)];
            foreach (var c in characters.AsSpan(0, part.Decoder.GetChars(buffer, 0, read.Count, characters, 0, flush: false)))
            {
                if (c != '\n' && part.Text.Length < 65536) part.Text.Append(c);
                if (c != '\n' || part.Text.Length == 0) continue;
                line(part.Text.ToString().TrimEnd('\r'));
                part.Text.Clear();
            }
        }
        foreach (var (_, text) in rest.Values.Where(r => r.Text.Length > 0)) line(text.ToString());
    }

    /// <summary>An image, or null when the engine has none of that name.</summary>
    public Task<ImageInspectResponse?> InspectImageAsync(string name, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            return await _quick.Images.InspectImageAsync(name, cancellationToken);
        }
        catch (DockerImageNotFoundException)
        {
            return null;
        }
    }, cancellationToken);

    /// <summary>Pulls an image; a name without tag means the tag <c>latest</c>.</summary>
    public Task PullAsync(string name, RegistryLogin? login, Action<string> line, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        string? fault = null;
        var last = "";
        var progress = new Inline<JSONMessage>(m =>
        {
            fault ??= m.Error?.Message;
            var text = $"{m.ID} {m.Status}".Trim();
            if (m.Progress is null && text.Length > 0 && text != last) line(last = text);
        });
        var path = name[(name.LastIndexOf('/') + 1)..];
        var parameters = name.Contains('@', StringComparison.Ordinal) ? new ImagesCreateParameters { FromImage = name }
            : path.Contains(':', StringComparison.Ordinal) ? new ImagesCreateParameters { FromImage = name[..name.LastIndexOf(':')], Tag = name[(name.LastIndexOf(':') + 1)..] }
            : new ImagesCreateParameters { FromImage = name, Tag = "latest" };
        await _patient.Images.CreateImageAsync(parameters, login is null ? null! : new AuthConfig { Username = login.UserName, Password = login.Password }, progress, cancellationToken);
        return fault is null ? true : throw new EngineRefusedException(fault);
    }, cancellationToken);

    public async Task<ContainerStatsResponse?> StatsAsync(string id, CancellationToken cancellationToken)
    {
        ContainerStatsResponse? last = null;
        await CallAsync(async () =>
        {
            await _quick.Containers.GetContainerStatsAsync(id, new ContainerStatsParameters { Stream = false, OneShot = true }, new Inline<ContainerStatsResponse>(s => last = s), cancellationToken);
            return true;
        }, cancellationToken);
        return last;
    }

    /// <summary>The installation's network, made when it is not there: its name, addresses and gateway.</summary>
    public Task<EngineNetwork> NetworkAsync(string name, string installation, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var network = await _quick.Networks.InspectNetworkAsync(name, cancellationToken);
                var pool = network.IPAM?.Config?.FirstOrDefault(c => c.Subnet?.Contains('.', StringComparison.Ordinal) == true) ?? throw new EngineRefusedException($"The network {name} has no addresses.");
                return new EngineNetwork(name, pool.Subnet, pool.Gateway?.Split('/')[0]);
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound && attempt < 3)
            {
                var options = (await KindAsync(cancellationToken)).Podman ? [] : new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" };
                try
                {
                    await _quick.Networks.CreateNetworkAsync(new NetworksCreateParameters { Name = name, Driver = "bridge", Options = options, Labels = new Dictionary<string, string> { [ContainerPlan.Installation] = installation } }, cancellationToken);
                }
                catch (DockerApiException conflict) when (conflict.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.InternalServerError && attempt < 2)
                {
                    // made by another start meanwhile
                }
            }
        }
    }, cancellationToken);

    /// <summary>Removes the network when nothing is in it any more.</summary>
    public async Task RemoveNetworkAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await _quick.Networks.DeleteNetworkAsync(name, cancellationToken);
        }
        catch (DockerApiException)
        {
            // not there, or in use
        }
    }

    public void Dispose()
    {
        _quick.Dispose();
        _patient.Dispose();
        Image.Dispose();
    }

    private async Task<T> CallAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call();
        }
        catch (DockerApiException e)
        {
            throw new EngineRefusedException($"The engine refused: {Text(e)}", e);
        }
        catch (Exception e) when (e is not (EngineUnreachableException or EngineRefusedException) && EngineClient.IsUnreachable(e, cancellationToken))
        {
            _kind = null;
            throw new EngineUnreachableException($"The engine at {_address} cannot be reached: {EngineClient.Why(e)}", e);
        }
    }

    /// <summary>Podman says it with status 500 while a container is being removed.</summary>
    internal static bool IsGone(DockerApiException e) => e.StatusCode == HttpStatusCode.NotFound
        || e.ResponseBody is { } said && (said.Contains("no such container", StringComparison.OrdinalIgnoreCase) || said.Contains("container not known", StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether the engine behind the Docker API is Podman.</summary>
    internal static bool IsPodman(VersionResponse version) => version.Components?.Any(c => c.Name.Contains("Podman", StringComparison.OrdinalIgnoreCase)) == true;

    /// <summary>What the engine said.</summary>
    internal static string Text(DockerApiException e)
    {
        try
        {
            using var json = System.Text.Json.JsonDocument.Parse(e.ResponseBody ?? "");
            if (json.RootElement.TryGetProperty("message", out var message)) return message.GetString() ?? "";
        }
        catch (System.Text.Json.JsonException)
        {
            // plain text
        }
        return $"{(int)e.StatusCode} {e.ResponseBody}".Trim();
    }

    private static Dictionary<string, IDictionary<string, bool>> Labels(IEnumerable<(string Label, string Value)> labels) =>
        new() { ["label"] = labels.ToDictionary(l => $"{l.Label}={l.Value}", _ => true) };

    private sealed class Inline<T>(Action<T> action) : IProgress<T>
    {
        public void Report(T value) => action(value);
    }
}
