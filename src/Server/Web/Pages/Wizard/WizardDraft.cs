using McpCan.Server.Instances;
using McpCan.Server.Runtimes;
using McpCan.Server.Web.Parts;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>What has been entered so far; lives as long as the circuit, so that leaving and coming back loses nothing.</summary>
public sealed class WizardDraft
{
    /// <summary><c>registry</c> (npm or PyPI), <c>command</c>, <c>package</c>, <c>image</c>, <c>remote</c> or <c>json</c>.</summary>
    public string Source { get; set; } = "registry";
    public string Runner { get; set; } = "npx";
    public string? Package { get; set; }
    public string? Arguments { get; set; }
    public string? CommandLine { get; set; }
    public string? WorkingDirectory { get; set; }
    public string? PackageId { get; set; }
    public int? PackageVersion { get; set; }
    public string? Install { get; set; }
    public string? Start { get; set; }
    public string? Json { get; set; }
    /// <summary>Of a remote server: <c>proxy</c> or <c>direct</c>.</summary>
    public string RemoteMode { get; set; } = InstanceModes.Proxy;
    public RemoteDraft Remote { get; private set; } = new();
    public string? Name { get; set; }
    public string? Slug { get; set; }
    public List<EnvEntry> Env { get; } = [];
    public List<VolumeDraft> Volumes { get; } = [];
    /// <summary>What the chosen package asks for, as environment variables.</summary>
    public List<EnvEntry> Parameters { get; } = [];
    public bool TokenRequired { get; set; } = true;
    public bool FirstToken { get; set; } = true;
    public string? TokenName { get; set; } = "first-client";
    public int? TokenDays { get; set; } = 30;
    public RunSettings Run { get; private set; } = new();
    public ImageDraft Image { get; private set; } = new();
    public PlaceDraft Place { get; private set; } = new();

    /// <summary>Whether there is anything to lose.</summary>
    public bool Started => Name is not null || Package is not null || CommandLine is not null || PackageId is not null || Json is not null || Remote.Url is not null || Image.Image is not null;

    /// <summary>The mode that the server will have; pasted servers bring their own.</summary>
    public string Mode => Source == "remote" ? RemoteMode : InstanceModes.Managed;

    /// <summary>Whether clients will call an address of ours.</summary>
    public bool IsServed => Mode != InstanceModes.Direct;

    public InstanceSource? BuildSource() => What() is { } what ? what with { Volumes = VolumeDraft.ToMounts(Volumes) } : null;

    private InstanceSource? What() => Source switch
    {
        "registry" when Package is { Length: > 0 } package => new CommandSource(Runner, [.. Runner == "npx" ? ["-y", package] : new[] { package }, .. CommandText.Split(Arguments ?? "") ?? []]),
        "command" when CommandText.Split(CommandLine ?? "") is [var command, .. var rest] => new CommandSource(command, rest, string.IsNullOrWhiteSpace(WorkingDirectory) ? null : WorkingDirectory.Trim()),
        "package" when PackageId is not null => new PackageCodeSource(PackageId, PackageVersion, Install is null ? null : CommandText.Split(Install), string.IsNullOrWhiteSpace(Start) ? null : CommandText.Split(Start)),
        "image" => Image.ToSource(),
        _ => null,
    };

    public void Clear()
    {
        (Source, Runner, Package, Arguments, CommandLine, WorkingDirectory) = ("registry", "npx", null, null, null, null);
        (PackageId, PackageVersion, Install, Start, Json, Name, Slug) = (null, null, null, null, null, null, null);
        (TokenRequired, FirstToken, TokenName, TokenDays, Run) = (true, true, "first-client", 30, new RunSettings());
        (Image, Place) = (new ImageDraft(), new PlaceDraft());
        (RemoteMode, Remote) = (InstanceModes.Proxy, new RemoteDraft());
        Env.Clear();
        Volumes.Clear();
        Parameters.Clear();
    }

    /// <summary>A display name from what is to run: "@acme/weather-mcp@1.4" gives "Weather mcp".</summary>
    public void SuggestName(string? from)
    {
        if (!string.IsNullOrWhiteSpace(Name) || string.IsNullOrWhiteSpace(from)) return;
        var bare = from.Trim().Split('/')[^1];
        var at = bare.IndexOf('@', 1);
        bare = (at > 0 ? bare[..at] : bare).Replace('-', ' ').Replace('_', ' ').Trim();
        if (bare.StartsWith("server ", StringComparison.OrdinalIgnoreCase)) bare = bare[7..];
        if (bare.Length > 0) Name = char.ToUpperInvariant(bare[0]) + bare[1..];
    }
}

/// <summary>An environment variable while it is edited.</summary>
public sealed class EnvEntry
{
    public string Name { get; set; } = "";
    public string Value { get; set; } = "";
    public bool Secret { get; set; }
    /// <summary>A secret that is stored and stays unless a new value is entered.</summary>
    public bool Kept { get; set; }
}

/// <summary>How it runs, while it is edited.</summary>
public sealed class RunSettings
{
    public string Processes { get; set; } = "per-session";
    public IsolationLevel? MinimumIsolation { get; set; }
    public int MemoryMiB { get; set; } = 1024;
    public double Cpus { get; set; } = 1;
    public int Sessions { get; set; } = 100;
    public int IdleMinutes { get; set; } = 30;
    public int SleepSeconds { get; set; }
    public int StartSeconds { get; set; } = 60;
    public int WarmSpares { get; set; } = 1;

    public static RunSettings Of(Instance instance) => new()
    {
        Processes = instance.Processes,
        MinimumIsolation = instance.MinimumIsolation,
        MemoryMiB = (int)(instance.Limits.MemoryBytes >> 20),
        Cpus = instance.Limits.Cpus,
        Sessions = instance.Limits.Sessions,
        IdleMinutes = instance.Limits.SessionIdleSeconds / 60,
        SleepSeconds = instance.Limits.SleepSeconds,
        StartSeconds = instance.Limits.StartSeconds,
        WarmSpares = instance.Limits.WarmSpares,
    };

    public WorkloadLimits ToLimits(WorkloadLimits rest) => rest with
    {
        MemoryBytes = (long)MemoryMiB << 20,
        Cpus = Cpus,
        Sessions = Sessions,
        SessionIdleSeconds = IdleMinutes * 60,
        SleepSeconds = SleepSeconds,
        StartSeconds = StartSeconds,
        WarmSpares = WarmSpares,
    };
}
