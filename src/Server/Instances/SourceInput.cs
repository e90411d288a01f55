using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>What a managed instance is to run. Which fields count depends on the type.</summary>
public sealed record SourceInput
{
    /// <summary><c>command</c>, <c>package</c> or <c>image</c>.</summary>
    public string? Type { get; init; }
    /// <summary>Command: the program, for example <c>npx</c>.</summary>
    public Patch<string> Command { get; init; }
    /// <summary>Command: arguments, handed over as they are. Image: arguments in place of the image's own; null keeps those.</summary>
    public Patch<IReadOnlyList<string>> Args { get; init; }
    /// <summary>Command: folder to start in: relative to the private home, or a place in a volume such as <c>/code</c>.</summary>
    public Patch<string> WorkingDirectory { get; init; }
    /// <summary>Package: its id.</summary>
    public Patch<string> PackageId { get; init; }
    /// <summary>Package: its version; null for the newest.</summary>
    public Patch<int?> Version { get; init; }
    /// <summary>Package: install command in place of the detected one; an empty list installs nothing, null takes the detected one.</summary>
    public Patch<IReadOnlyList<string>> Install { get; init; }
    /// <summary>Package: start command in place of the detected one; null takes the detected one.</summary>
    public Patch<IReadOnlyList<string>> Start { get; init; }

    /// <summary>Image: its name with tag or digest.</summary>
    public Patch<string> Image { get; init; }
    /// <summary>Image: entry point in place of the image's own; null keeps that.</summary>
    public Patch<IReadOnlyList<string>> Entrypoint { get; init; }
    /// <summary>Image: <c>missing</c> (default: pulled when it is not there), <c>always</c> or <c>never</c>.</summary>
    public Patch<string> Pull { get; init; }
    /// <summary>Where the server listens by itself (in containers): port, path (default <c>/mcp</c>) and transport (<c>auto</c>, <c>streamable-http</c>, <c>sse</c>); null when it speaks over standard input and output.</summary>
    public Patch<HttpEndpoint> Http { get; init; }
    /// <summary>Folders from outside that the server sees: volumes of the environment, and folders that the administrator opened. Replaces all; null for none.</summary>
    public Patch<IReadOnlyList<VolumeMount>> Volumes { get; init; }

    /// <summary>A complete source.</summary>
    public static implicit operator SourceInput?(InstanceSource? source) => Fields(source) is { } fields ? fields with { Http = new(true, source!.Http), Volumes = new(true, source.Volumes) } : null;

    private static SourceInput? Fields(InstanceSource? source) => source switch
    {
        CommandSource c => new() { Type = "command", Command = c.Command, Args = new(true, c.Args), WorkingDirectory = new(true, c.WorkingDirectory) },
        PackageCodeSource p => new() { Type = "package", PackageId = p.PackageId, Version = new(true, p.Version), Install = new(true, p.Install), Start = new(true, p.Start) },
        ImageSource i => new() { Type = "image", Image = i.Image, Entrypoint = new(true, i.Entrypoint), Args = new(true, i.Args), Pull = i.Pull },
        _ => null,
    };

    /// <summary>The source that results from these fields over the present one.</summary>
    internal InstanceSource? Over(InstanceSource? current, Checks checks) => Next(current, checks) is { } next ? next with { Http = Http.Or(current?.Http), Volumes = Volumes.Or(current?.Volumes) } : null;

    private InstanceSource? Next(InstanceSource? current, Checks checks)
    {
        switch (Type ?? (current is PackageCodeSource ? "package" : current is CommandSource ? "command" : current is ImageSource ? "image" : null))
        {
            case "command":
                var command = current as CommandSource;
                return new CommandSource(Command.Or(command?.Command) ?? "", Args.Or(command?.Args), WorkingDirectory.Or(command?.WorkingDirectory));
            case "package":
                // Another package: what was set by hand for the old one does not fit.
                var package = current is PackageCodeSource p && (!PackageId.Given || PackageId.Value == p.PackageId) ? p : null;
                return new PackageCodeSource(PackageId.Or(package?.PackageId) ?? "", Version.Or(package?.Version), Install.Or(package?.Install), Start.Or(package?.Start));
            case "image":
                var image = current as ImageSource;
                return new ImageSource(Image.Or(image?.Image) ?? "", Entrypoint.Or(image?.Entrypoint), Args.Or(image?.Args), Pull.Or(image?.Pull) ?? "missing");
            case null:
                checks.That(false, "source.type", "Must be 'command', 'package' or 'image'.");
                return current;
            case var type:
                checks.That(false, "source.type", type is "openapi"
                    ? $"This version runs commands, uploaded packages and images only; source '{type}' is not available yet."
                    : "Must be 'command', 'package' or 'image'.");
                return current;
        }
    }
}
