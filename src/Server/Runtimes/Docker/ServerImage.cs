using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>An image that is a server, as the engine has it.</summary>
/// <param name="Id">The engine's id: what was looked at is what runs, whatever the name means meanwhile.</param>
/// <param name="Digest">Name and digest for people; the id when it was never in a registry.</param>
/// <param name="Command">Entry point and arguments.</param>
/// <param name="Directory">Where it starts.</param>
internal sealed record ServerImage(string Id, string Digest, string[] Command, string Directory)
{
    /// <summary>The image, pulled as its policy says.</summary>
    public static async Task<ServerImage> EnsureAsync(Engine engine, ImageSpec spec, IProgress<string> phase, Func<InstallLog> log, CancellationToken cancellationToken)
    {
        var found = spec.Pull == "always" ? null : await engine.InspectImageAsync(spec.Reference, cancellationToken);
        if (found is null)
        {
            if (spec.Pull == "never") throw new IOException($"The engine does not have the image {spec.Reference}, and it is not to be pulled. Load it (docker load, podman load), or set the pull policy to 'missing'.");
            phase.Report("install");
            var lines = log();
            lines.Write("info", $"$ pull {spec.Reference}");
            try
            {
                await engine.PullAsync(spec.Reference, spec.Login, line => lines.Write("info", line), cancellationToken);
            }
            catch (IOException e)
            {
                lines.Write("error", e.Message);
                throw new IOException($"The image {spec.Reference} could not be pulled. {e.Message} Check its name, the registry's credentials and the network of the engine's machine.", e);
            }
            found = await engine.InspectImageAsync(spec.Reference, cancellationToken) ?? throw new IOException($"The engine pulled {spec.Reference} and does not show it.");
        }
        var config = found.Config;
        // An own entry point leaves the image's arguments out, as everywhere.
        string[] command = [.. spec.Entrypoint ?? [.. config?.Entrypoint ?? []], .. spec.Arguments ?? [.. (spec.Entrypoint is null ? config?.Cmd : null) ?? []]];
        if (command.Length == 0) throw new IOException($"The image {spec.Reference} starts no program by itself. Set its entry point.");
        return new(found.ID, found.RepoDigests?.FirstOrDefault() ?? $"{spec.Reference} ({found.ID})", command, config?.WorkingDir is { Length: > 0 } directory ? directory : "/");
    }
}
