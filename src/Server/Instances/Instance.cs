using System.Text.Json.Serialization;
using McpCan.Gateway;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>One MCP server under management: desired state, and the state last observed.</summary>
public sealed class Instance
{
    /// <summary>Opaque id, <c>i-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people.</summary>
    public required string Name { get; set; }
    /// <summary>Name in the address: lower-case letters, digits, dashes; unique; never changed by editing another field.</summary>
    public required string Slug { get; set; }
    /// <summary>One of <see cref="InstanceModes"/>.</summary>
    public required string Mode { get; set; }
    /// <summary>Environment's id.</summary>
    public string Environment { get; set; } = "local";
    /// <summary>What a managed instance runs.</summary>
    public InstanceSource? Source { get; set; }
    /// <summary>The remote server of a proxy or direct instance; kept when the mode changes, like <see cref="Source"/>.</summary>
    public RemoteServer? Remote { get; set; }
    /// <summary>What a virtual server offers; kept when the mode changes, too.</summary>
    public VirtualServer? Virtual { get; set; }
    /// <summary>Environment variables; secret values are protected.</summary>
    public Dictionary<string, EnvValue> Env { get; set; } = [];
    /// <summary><c>per-session</c>, <c>shared</c> or <c>per-principal</c>.</summary>
    public string Processes { get; set; } = "per-session";
    /// <summary>Limits.</summary>
    public WorkloadLimits Limits { get; set; } = new();
    /// <summary>Weakest isolation accepted, or null for the platform's policy.</summary>
    public IsolationLevel? MinimumIsolation { get; set; }
    /// <summary>Who pulls its image from a private registry; null for anybody.</summary>
    public RegistryCredentials? Registry { get; set; }
    /// <summary>Where its workload may connect to.</summary>
    public EgressPolicy Egress { get; set; } = EgressPolicy.Open;
    /// <summary>Whether clients must present a token.</summary>
    public bool TokenRequired { get; set; } = true;
    /// <summary>Whether <c>?token=</c> is accepted on the SSE address.</summary>
    public bool QueryTokenAllowed { get; set; }
    /// <summary>Limits on all of its traffic at the gateway; null for none.</summary>
    public TrafficLimits? TrafficLimits { get; set; }
    /// <summary>How payloads are kept with access records; null (the default) for not at all.</summary>
    public CaptureSettings? Capture { get; set; }
    /// <summary>A deployment of another version that is under way; null for none.</summary>
    public Rollout? Rollout { get; set; }
    /// <summary>Whether it should run.</summary>
    public bool ShouldRun { get; set; }
    /// <summary>Set while it is being deleted.</summary>
    public bool Deleting { get; set; }
    /// <summary>Rises with every change; the ETag.</summary>
    public long Revision { get; set; } = 1;
    /// <summary>Rises with every change that needs a new run, and with every restart.</summary>
    public long Generation { get; set; } = 1;
    /// <summary>State last observed.</summary>
    public InstanceStatus Status { get; set; } = new();
    /// <summary>Where its workload is, for gateways in other processes; null while nothing answers.</summary>
    public WorkloadPlace? Place { get; set; }
    /// <summary>Rises with every observation that is stored, so that other processes see that there is something new.</summary>
    public long Observed { get; set; }
    /// <summary>Term of the leader that observed last; one of an earlier term is not believed.</summary>
    public long Term { get; set; }
    /// <summary>The definitions that stand in for it while it sleeps; null for none.</summary>
    public PinnedVersion? Pinned { get; set; }
    /// <summary>Tools seen at the last probe.</summary>
    public int? ToolCount { get; set; }
    /// <summary>Server's name and version as it said at initialize.</summary>
    public string? ServerInfo { get; set; }
    /// <summary>Revision of the protocol that the server speaks.</summary>
    public string? ProtocolVersion { get; set; }
    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>Last change by a person or script.</summary>
    public DateTimeOffset UpdatedAt { get; set; }
    /// <summary>User or API key that made it.</summary>
    public string? CreatedBy { get; set; }
}

/// <summary>What a managed instance runs.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(CommandSource), "command")]
[JsonDerivedType(typeof(PackageCodeSource), "package")]
[JsonDerivedType(typeof(ImageSource), "image")]
public abstract record InstanceSource
{
    /// <summary>Where the server listens by itself; null when it speaks over standard input and output.</summary>
    public HttpEndpoint? Http { get; init; }
    /// <summary>Folders from outside that the server sees; null for none.</summary>
    public IReadOnlyList<VolumeMount>? Volumes { get; init; }
}

/// <summary>A command such as <c>npx -y @modelcontextprotocol/server-everything</c>.</summary>
/// <param name="Command">Program.</param>
/// <param name="Args">Arguments, handed over as they are.</param>
/// <param name="WorkingDirectory">Relative to the private home, a place in a volume, or null.</param>
public sealed record CommandSource(string Command, IReadOnlyList<string>? Args = null, string? WorkingDirectory = null) : InstanceSource;

/// <summary>A version of an uploaded package.</summary>
/// <param name="PackageId">Package.</param>
/// <param name="Version">Version, or null for the newest at deployment.</param>
/// <param name="Install">Overrides the detected install command; an empty list means: install nothing.</param>
/// <param name="Start">Overrides the detected start command.</param>
public sealed record PackageCodeSource(string PackageId, int? Version = null, IReadOnlyList<string>? Install = null, IReadOnlyList<string>? Start = null) : InstanceSource;

/// <summary>A container image whose program is the server.</summary>
/// <param name="Image">Name with tag or digest, for example <c>ghcr.io/example/server:1.2</c>.</param>
/// <param name="Entrypoint">In place of the image's own; null keeps that.</param>
/// <param name="Args">In place of the image's own arguments; null keeps those.</param>
/// <param name="Pull"><c>missing</c>, <c>always</c> or <c>never</c>.</param>
public sealed record ImageSource(string Image, IReadOnlyList<string>? Entrypoint = null, IReadOnlyList<string>? Args = null, string Pull = "missing") : InstanceSource;

/// <summary>Credentials of an image registry.</summary>
/// <param name="UserName">User.</param>
/// <param name="Password">Password or token, protected.</param>
public sealed record RegistryCredentials(string UserName, string Password);

/// <summary>How payloads are kept with access records.</summary>
/// <param name="MaxBytes">Bytes kept of each side: 256 to 262144.</param>
/// <param name="Redact">JSON members whose values are replaced, besides those that look like secrets anyway.</param>
public sealed record CaptureSettings(int MaxBytes = 16_384, IReadOnlyList<string>? Redact = null);

/// <summary>An environment variable's value.</summary>
/// <param name="Value">The plain value, or the protected one.</param>
/// <param name="Secret">Whether it is protected and never shown again.</param>
public sealed record EnvValue(string Value, bool Secret = false);

/// <summary>Where a workload is.</summary>
/// <param name="Address"><c>unix:/path</c> (for processes on the same machine) or <c>http://host:port</c>.</param>
/// <param name="Run">Number of the run; sealed in session ids.</param>
/// <param name="Generation">The generation of settings that it runs with.</param>
/// <param name="Draining">Runs whose sessions may still end; new ones do not go there.</param>
public sealed record WorkloadPlace(string Address, long Run, long Generation, IReadOnlyList<GatewayUpstream>? Draining = null);

/// <summary>The one status word, its reason, and since when.</summary>
public sealed record InstanceStatus
{
    /// <summary>One of <see cref="InstanceStates"/>.</summary>
    public string State { get; init; } = InstanceStates.Stopped;
    /// <summary>One sentence for people.</summary>
    public string? Reason { get; init; }
    /// <summary>While Starting: what is going on (install, start, initialize, tools).</summary>
    public string? Phase { get; init; }
    /// <summary>Since when the state holds.</summary>
    public DateTimeOffset Since { get; init; }
    /// <summary>How the last run ended badly; kept after the workload is gone.</summary>
    public WorkloadExit? LastExit { get; init; }
    /// <summary>While Sleeping: the generation that sleeps; another one is started.</summary>
    public long? Slept { get; init; }
    /// <summary>Restarts after crashes since the last start by a person.</summary>
    public int Restarts { get; init; }
    /// <summary>Isolation in force while running.</summary>
    public IsolationLevel? Isolation { get; init; }
    /// <summary>The image that runs, by digest where it has one.</summary>
    public string? Image { get; init; }
    /// <summary>Which limits hold and by what.</summary>
    public IReadOnlyList<string> LimitsInForce { get; init; } = [];
}

/// <summary>The status vocabulary.</summary>
public static class InstanceStates
{
    /// <summary>Up, and <c>tools/list</c> answers.</summary>
    public const string Running = "Running";
    /// <summary>Installing, starting, probing.</summary>
    public const string Starting = "Starting";
    /// <summary>Up, but probes fail.</summary>
    public const string Degraded = "Degraded";
    /// <summary>Exited or could not start.</summary>
    public const string Failed = "Failed";
    /// <summary>Stopped on purpose.</summary>
    public const string Stopped = "Stopped";
    /// <summary>Ended because nobody used it; the next call starts it again.</summary>
    public const string Sleeping = "Sleeping";
    /// <summary>On the way to Stopped.</summary>
    public const string Stopping = "Stopping";
    /// <summary>On the way out.</summary>
    public const string Deleting = "Deleting";
    /// <summary>The environment cannot be reached.</summary>
    public const string Unknown = "Unknown";
    /// <summary>Direct mode: on file only.</summary>
    public const string Registered = "Registered";
}

/// <summary>Something that happened to an instance.</summary>
public sealed class InstanceEvent
{
    /// <summary>Rising number.</summary>
    public long Id { get; set; }
    /// <summary>Instance.</summary>
    public required string InstanceId { get; set; }
    /// <summary>When.</summary>
    public DateTimeOffset Time { get; set; }
    /// <summary>Kind: created, updated, started, running, stopped, failed, restarted, crashed, adopted, probe-failed, token-created …</summary>
    public required string Kind { get; set; }
    /// <summary>User or API key that caused it, or null for the platform.</summary>
    public string? Actor { get; set; }
    /// <summary>Details for people (English; the console translates the kind).</summary>
    public string? Detail { get; set; }
}
