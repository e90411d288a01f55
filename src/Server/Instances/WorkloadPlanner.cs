using McpCan.Server.Packages;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>From an instance to what is to run for it. Pure: the same input gives the same specification.</summary>
public static class WorkloadPlanner
{
    /// <summary>The specification.</summary>
    /// <param name="instance">Desired state.</param>
    /// <param name="package">The package's version, when the source is one, with the path of its archive.</param>
    /// <param name="environment">Environment variables with secrets in the clear.</param>
    /// <param name="minimum">The platform's weakest isolation; an instance can only ask for more.</param>
    /// <param name="tools">Interpreters of the environment: name → version. Another version installs anew.</param>
    /// <param name="login">Credentials of the image's registry, in the clear.</param>
    public static WorkloadSpec Plan(
        Instance instance, (PackageVersion Version, string ArchivePath)? package, IReadOnlyDictionary<string, string> environment, IsolationLevel minimum, IReadOnlyDictionary<string, string?> tools,
        RegistryLogin? login = null)
    {
        IReadOnlyList<string> command;
        (command, var install, var directory) = instance.Source switch
        {
            CommandSource c => Command(c, tools),
            ImageSource => ([], null, null),
            PackageCodeSource p when package is { } found => Package(p, found.Version, tools),
            _ => throw new InvalidOperationException("A managed instance needs a source."),
        };
        if (package is { } filled) (command, environment) = PackageParameter.Fill(filled.Version.Detected, command, environment);
        return new WorkloadSpec
        {
            InstanceId = instance.Id,
            Generation = instance.Generation,
            Package = package is { } code ? new PackageSource(code.ArchivePath, code.Version.Sha256, code.Version.FileName) : null,
            Install = install,
            Command = command,
            WorkingDirectory = string.IsNullOrEmpty(directory) ? null : directory,
            Environment = environment,
            Processes = instance.Processes,
            Http = instance.Source?.Http,
            Limits = instance.Limits,
            Volumes = instance.Source?.Volumes ?? [],
            Egress = instance.Egress,
            Image = instance.Source is ImageSource image ? new ImageSpec(image.Image, image.Pull, login, image.Entrypoint, image.Args) : null,
            MinimumIsolation = instance.MinimumIsolation is { } own && own > minimum ? own : minimum,
        };
    }

    private static (IReadOnlyList<string> Command, InstallStep? Install, string? Directory) Command(CommandSource source, IReadOnlyDictionary<string, string?> tools)
    {
        var plan = CommandPlans.Plan([source.Command, .. source.Args ?? []], tools.GetValueOrDefault("uv") is not null, Versions(tools));
        return (plan.Command, plan.Install, source.WorkingDirectory);
    }

    private static (IReadOnlyList<string> Command, InstallStep? Install, string? Directory) Package(PackageCodeSource source, PackageVersion version, IReadOnlyDictionary<string, string?> tools)
    {
        var start = source.Start ?? version.Detected.Start ?? throw new InvalidOperationException("The package has no entry. Set its start command.");
        var install = source.Install ?? version.Detected.Install;
        // The archive decides what is installed, or only its lock files. Then a version that changes none of them installs nothing anew.
        var shared = source.Install is null && version.Detected.OnlyLockFiles;
        var result = $"{(shared ? "" : version.Sha256)}\n{version.Detected.Root}\n{Versions(tools)}";
        var step = install is { Count: > 0 } ? CommandPlans.Install(install, result) with { Inputs = shared ? version.Detected.LockFiles : null } : null;
        // What was detected belongs together: who sets an install command of their own says all of it.
        if (source.Install is null && version.Detected.Build is { } build) step = step is null ? CommandPlans.Install(build, result) : step with { Commands = [.. step.Commands, build] };
        return (start, step, version.Detected.Root);
    }

    private static string Versions(IReadOnlyDictionary<string, string?> tools) =>
        string.Join(' ', new[] { "node", "npm", "python3", "pip", "uv" }.Select(t => $"{t}={tools.GetValueOrDefault(t)}"));
}
