using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Docker.DotNet;
using Docker.DotNet.Models;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>An image of an engine.</summary>
/// <param name="Id">Its digest without the algorithm's name.</param>
/// <param name="Names">Names with tags.</param>
/// <param name="Digests">Names with the digest that a registry knows.</param>
/// <param name="Bytes">Size.</param>
/// <param name="CreatedAt">When it was built.</param>
/// <param name="Containers">Containers that use it.</param>
/// <param name="IsWorkload">Whether commands and packages run in it.</param>
public sealed record EngineImage(string Id, IReadOnlyList<string> Names, IReadOnlyList<string> Digests, long Bytes, DateTimeOffset CreatedAt, int Containers, bool IsWorkload);

/// <summary>A network of an engine.</summary>
/// <param name="IsOurs">Whether this installation made it.</param>
/// <param name="Subnet">Its addresses.</param>
/// <param name="Internal">Whether it has no way out.</param>
public sealed record EngineNetworkView(string Id, string Name, string Driver, string? Subnet, bool Internal, bool IsOurs);

/// <summary>Something that happened to a container of ours.</summary>
/// <param name="Time">When.</param>
/// <param name="Type">container, network, volume or image.</param>
/// <param name="Action">What, in the engine's words: create, start, die, oom, destroy.</param>
/// <param name="InstanceId">The instance that it belongs to.</param>
/// <param name="Detail">Name, and the exit code where there is one.</param>
public sealed record EngineEvent(DateTimeOffset Time, string Type, string Action, string? InstanceId, string? Detail);

/// <summary>Images, networks and events of registered engines. What belongs to another installation is not shown.</summary>
public sealed partial class EngineThings(EnvironmentSync sync, InstallationId installation, TimeProvider time)
{
    private const int MostEvents = 500;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1), CallLimit = TimeSpan.FromSeconds(30), LoadLimit = TimeSpan.FromMinutes(30);

    /// <summary>The engine of an environment.</summary>
    /// <exception cref="ProblemException">There is none.</exception>
    internal (DockerClient Client, string Name) Require(string id)
    {
        if (id == EnvironmentMap.Local) throw new ProblemException(409, "no-engine", "This machine's processes run without an engine: there are no images and networks.");
        var known = sync.Find(id) ?? throw ProblemException.NotFound("environment", id);
        return (known.Client ?? throw new ProblemException(409, "environment-unusable", known.Problem ?? "The environment cannot be used."), known.Stored.Name);
    }

    /// <summary>All images.</summary>
    public Task<IReadOnlyList<EngineImage>> ImagesAsync(string id, CancellationToken cancellationToken) => CallAsync<IReadOnlyList<EngineImage>>(id, CallLimit, async (client, cancel) =>
    {
        var images = await client.Images.ListImagesAsync(new ImagesListParameters(), cancel);
        var used = (await ContainersAsync(client, cancel)).CountBy(c => Digest(c.ImageID ?? "")).ToDictionary();
        return [.. images.Select(i => Image(i, used.GetValueOrDefault(Digest(i.ID)))).OrderBy(i => i.Names.Count == 0 ? "~" : i.Names[0], StringComparer.Ordinal)];
    }, cancellationToken);

    /// <summary>Loads an archive as <c>docker save</c> makes it; the names of what is new.</summary>
    public Task<IReadOnlyList<EngineImage>> LoadAsync(string id, Stream archive, CancellationToken cancellationToken) => CallAsync<IReadOnlyList<EngineImage>>(id, LoadLimit, async (client, cancel) =>
    {
        var before = (await client.Images.ListImagesAsync(new ImagesListParameters(), cancel)).ToDictionary(i => i.ID, i => Names(i).Count);
        var said = new List<string>();
        string? failed = null;
        await client.Images.LoadImageAsync(new ImageLoadParameters { Quiet = true }, archive, new Inline<JSONMessage>(m =>
        {
            failed ??= m.Error?.Message;
            if (m.Stream is { } line) said.Add(line.Trim());
        }), cancel);
        if (failed is not null) throw new ProblemException(422, "image-refused", $"The engine refused the archive: {failed}");
        var after = await client.Images.ListImagesAsync(new ImagesListParameters(), cancel);
        return [.. after.Where(i => before.GetValueOrDefault(i.ID, -1) < Names(i).Count || said.Exists(s => s.Contains(Digest(i.ID), StringComparison.Ordinal) || Names(i).Any(n => s.EndsWith(n, StringComparison.Ordinal)))).Select(i => Image(i, 0))];
    }, cancellationToken);

    /// <summary>Removes an image with all its names; refused while a container uses it.</summary>
    public Task RemoveImageAsync(string id, string image, CancellationToken cancellationToken) => CallAsync(id, CallLimit, async (client, cancel) =>
    {
        if (!ImageId().IsMatch(image)) throw ProblemException.NotFound("image", image);
        var matching = (await client.Images.ListImagesAsync(new ImagesListParameters(), cancel)).Where(i => Digest(i.ID).StartsWith(image, StringComparison.Ordinal)).ToList();
        if (matching.Count > 1) throw new ProblemException(409, "image-ambiguous", $"Several images begin with '{image}'. Give more of the id.");
        var found = matching.FirstOrDefault() ?? throw ProblemException.NotFound("image", image);
        var containers = await ContainersAsync(client, cancel);
        if (containers.Count(c => Digest(c.ImageID ?? "") == Digest(found.ID)) is > 0 and var count)
            throw new ProblemException(409, "image-in-use", $"{count} containers use this image. Stop or move their servers first.");
        var names = Names(found);
        foreach (var name in names) await client.Images.DeleteImageAsync(name, new ImageDeleteParameters(), cancel);
        if (names.Count == 0) await client.Images.DeleteImageAsync(found.ID, new ImageDeleteParameters(), cancel);
        return true;
    }, cancellationToken);

    /// <summary>Networks, without those of other installations.</summary>
    public Task<IReadOnlyList<EngineNetworkView>> NetworksAsync(string id, CancellationToken cancellationToken) => CallAsync<IReadOnlyList<EngineNetworkView>>(id, CallLimit, async (client, cancel) =>
    [
        .. (await client.Networks.ListNetworksAsync(new NetworksListParameters(), cancel)).Where(n => !IsForeign(n.Labels)).OrderBy(n => n.Name, StringComparer.Ordinal)
            .Select(n => new EngineNetworkView(n.ID, n.Name, n.Driver, n.IPAM?.Config?.FirstOrDefault()?.Subnet, n.Internal, IsOurs(n.Labels))),
    ], cancellationToken);

    /// <summary>What happened to containers of this installation, newest first.</summary>
    public Task<IReadOnlyList<EngineEvent>> EventsAsync(string id, TimeSpan back, CancellationToken cancellationToken) => CallAsync<IReadOnlyList<EngineEvent>>(id, CallLimit, async (client, cancel) =>
    {
        var until = time.GetUtcNow();
        var events = new Queue<EngineEvent>();
        // Podman with an end loses most of them, and without one it does not end: then they are all there when none comes any more.
        var isPodman = Engine.IsPodman(await client.System.GetVersionAsync(cancel));
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (isPodman) quiet.CancelAfter(Quiet);
        try
        {
            await client.System.MonitorEventsAsync(new ContainerEventsParameters
            {
                Since = (until - back).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
                // To the millisecond: whole seconds would leave out what happened in this one.
                Until = isPodman ? null : (until.ToUnixTimeMilliseconds() / 1000m).ToString("0.000", CultureInfo.InvariantCulture),
                Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { [$"{ContainerPlan.Installation}={installation.Value}"] = true } },
            }, new Inline<Message>(m =>
            {
                var happened = Event(m);
                if (happened.Time > until || m.Action?.StartsWith("exec", StringComparison.Ordinal) == true) return;
                if (isPodman) quiet.CancelAfter(Quiet);
                events.Enqueue(happened);
                if (events.Count > MostEvents) events.Dequeue();
            }), quiet.Token);
        }
        catch (OperationCanceledException) when (isPodman && !cancel.IsCancellationRequested)
        {
            // That was all.
        }
        return [.. events.Reverse()];
    }, cancellationToken);

    private static EngineEvent Event(Message message)
    {
        var attributes = message.Actor?.Attributes ?? new Dictionary<string, string>();
        string?[] detail = [attributes.TryGetValue("name", out var name) ? name : null, (attributes.TryGetValue("exitCode", out var code) || attributes.TryGetValue("containerExitCode", out code)) && code is not "" ? $"exit code {code}" : null];
        return new(message.TimeNano is > 0 and var nano ? DateTimeOffset.UnixEpoch.AddTicks(nano / 100) : DateTimeOffset.FromUnixTimeSeconds(message.Time ?? 0), message.Type ?? "", message.Action ?? "",
            attributes.TryGetValue(ContainerPlan.Instance, out var instance) ? instance : null, string.Join(", ", detail.Where(d => d is not null)) is { Length: > 0 } text ? text : null);
    }

    private async Task<T> CallAsync<T>(string id, TimeSpan limit, Func<DockerClient, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        var (client, name) = Require(id);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(limit);
        try
        {
            return await call(client, stop.Token);
        }
        catch (DockerApiException e)
        {
            var said = Engine.Text(e);
            throw e.StatusCode switch
            {
                HttpStatusCode.NotFound => new ProblemException(404, "not-found", $"The engine does not know it: {said}"),
                HttpStatusCode.Conflict => new ProblemException(409, "engine-conflict", $"The engine refused: {said}"),
                _ when said.Contains("in use", StringComparison.OrdinalIgnoreCase) || said.Contains("being used", StringComparison.OrdinalIgnoreCase) => new ProblemException(409, "engine-conflict", $"The engine refused: {said}"),
                _ => new ProblemException(422, "engine-refused", $"The engine refused: {said}"),
            };
        }
        catch (Exception e) when (EngineClient.IsUnreachable(e, cancellationToken))
        {
            throw new ProblemException(503, "environment-unreachable", $"The engine of '{name}' cannot be reached: {EngineClient.Why(e)}");
        }
    }

    private static EngineImage Image(ImagesListResponse image, int containers) => new(
        Digest(image.ID), Names(image), [.. (image.RepoDigests ?? []).Where(d => !d.Contains("<none>", StringComparison.Ordinal))], image.Size, new DateTimeOffset(DateTime.SpecifyKind(image.Created, DateTimeKind.Utc)), containers,
        image.Labels?.Keys.Any(l => l.StartsWith("mcpcan.tool.", StringComparison.Ordinal)) == true);

    private static List<string> Names(ImagesListResponse image) => [.. (image.RepoTags ?? []).Where(t => !t.Contains("<none>", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static string Digest(string id) => id[(id.IndexOf(':', StringComparison.Ordinal) + 1)..];

    private bool IsOurs(IDictionary<string, string>? labels) => labels?.TryGetValue(ContainerPlan.Installation, out var owner) == true && owner == installation.Value;

    private bool IsForeign(IDictionary<string, string>? labels) => labels?.ContainsKey(ContainerPlan.Installation) == true && !IsOurs(labels);

    /// <summary>Podman fails to list what is removed at this moment.</summary>
    private static async Task<IList<ContainerListResponse>> ContainersAsync(DockerClient client, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await client.Containers.ListContainersAsync(new ContainersListParameters { All = true }, cancellationToken);
            }
            catch (DockerApiException e) when (Engine.IsGone(e) && attempt < 20)
            {
                // Once more.
            }
        }
    }

    private sealed class Inline<T>(Action<T> action) : IProgress<T>
    {
        public void Report(T value) => action(value);
    }

    [GeneratedRegex("^[0-9a-f]{6,64}$", RegexOptions.CultureInvariant)]
    private static partial Regex ImageId();
}
