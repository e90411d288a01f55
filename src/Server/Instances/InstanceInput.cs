using System.Text.Json.Serialization;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Instances;

/// <summary>What a new instance is to be.</summary>
public sealed record InstanceInput
{
    /// <summary>Name for people.</summary>
    public required string Name { get; init; }
    /// <summary>Name in the address; made from the name unless given.</summary>
    public string? Slug { get; init; }
    /// <summary><c>managed</c> (default: we run it), <c>proxy</c> (a remote server behind the gateway), <c>direct</c> (kept on file and handed out) or <c>virtual</c> (chosen parts of other instances).</summary>
    public string Mode { get; init; } = InstanceModes.Managed;
    /// <summary>Environment's id; <c>local</c> unless given.</summary>
    public string? Environment { get; init; }
    /// <summary>What runs; a direct instance may have a command here that is only handed out.</summary>
    public SourceInput? Source { get; init; }
    /// <summary>The remote server of a proxy or direct instance.</summary>
    public RemoteInput? Remote { get; init; }
    /// <summary>What a virtual server offers.</summary>
    public VirtualServer? Virtual { get; init; }
    /// <summary>Environment variables of the server.</summary>
    public IReadOnlyDictionary<string, EnvInput>? Env { get; init; }
    /// <summary><c>per-session</c> (default), <c>shared</c> or <c>per-principal</c>.</summary>
    public string? Processes { get; init; }
    /// <summary>Limits that differ from the defaults.</summary>
    public LimitsInput? Limits { get; init; }
    /// <summary>Weakest isolation accepted; null for the platform's policy.</summary>
    public IsolationLevel? MinimumIsolation { get; init; }
    /// <summary>Credentials of a private image registry.</summary>
    public RegistryInput? Registry { get; init; }
    /// <summary>Where it may connect to; <c>open</c> unless given.</summary>
    public EgressInput? Egress { get; init; }
    /// <summary>Who may call.</summary>
    public AccessInput? Access { get; init; }
    /// <summary>What is kept of its traffic.</summary>
    public TrafficInput? Traffic { get; init; }
    /// <summary>Whether it is started at once.</summary>
    public bool Start { get; init; } = true;
}

/// <summary>What is to change about an instance; what is left out stays (JSON merge patch).</summary>
public sealed record InstancePatch
{
    /// <summary>Name for people.</summary>
    public Patch<string> Name { get; init; }
    /// <summary>Name in the address. Clients must be told when it changes.</summary>
    public Patch<string> Slug { get; init; }
    /// <summary><c>managed</c>, <c>proxy</c>, <c>direct</c> or <c>virtual</c>. Address, tokens and logs stay; the workload of a managed instance is stopped.</summary>
    public Patch<string> Mode { get; init; }
    /// <summary>What runs; parts that are left out stay while the type stays.</summary>
    public Patch<SourceInput> Source { get; init; }
    /// <summary>The remote server; parts that are left out stay.</summary>
    public Patch<RemoteInput> Remote { get; init; }
    /// <summary>What a virtual server offers; replaces the whole.</summary>
    public Patch<VirtualServer> Virtual { get; init; }
    /// <summary>Variables to set; null removes one, <c>{ "secret": true }</c> keeps a stored secret. Null in place of the object removes all.</summary>
    public Patch<IReadOnlyDictionary<string, EnvInput?>> Env { get; init; }
    /// <summary><c>per-session</c>, <c>shared</c> or <c>per-principal</c>.</summary>
    public Patch<string> Processes { get; init; }
    /// <summary>Limits to change; null in place of the object means: all at their defaults.</summary>
    public Patch<LimitsInput> Limits { get; init; }
    /// <summary>Weakest isolation accepted; null for the platform's policy.</summary>
    public Patch<IsolationLevel?> MinimumIsolation { get; init; }
    /// <summary>Environment's id: the server moves there, with its files, under the same address.</summary>
    public Patch<string> Environment { get; init; }
    /// <summary>Credentials of a private image registry; null removes them.</summary>
    public Patch<RegistryInput> Registry { get; init; }
    /// <summary>Where it may connect to; null for <c>open</c>.</summary>
    public Patch<EgressInput> Egress { get; init; }
    /// <summary>Who may call.</summary>
    public Patch<AccessInput> Access { get; init; }
    /// <summary>What is kept of its traffic; null for nothing but the records.</summary>
    public Patch<TrafficInput> Traffic { get; init; }
}

/// <summary>Credentials of a private image registry.</summary>
/// <param name="UserName">User.</param>
/// <param name="Password">Password or token; never shown again. Left out: as stored.</param>
public sealed record RegistryInput(string UserName, string? Password = null)
{
    /// <inheritdoc/>
    public override string ToString() => UserName;
}

/// <summary>Where a workload may connect to.</summary>
/// <param name="Mode"><c>open</c> (anywhere but the platform, other workloads and what the administrator closed), <c>allow-list</c> or <c>none</c>.</param>
/// <param name="Allow">With <c>allow-list</c>: 1 to 100 host names, addresses or networks, each with or without a port: <c>api.example.com:443</c>, <c>192.0.2.7</c>, <c>[2001:db8::/32]:443</c>.</param>
public sealed record EgressInput(string? Mode = null, string[]? Allow = null)
{
    internal static readonly string[] Modes = [EgressPolicy.Open.Mode, EgressPolicy.AllowList, EgressPolicy.None.Mode];

    internal static EgressPolicy Over(EgressInput? input) =>
        input is null ? EgressPolicy.Open : new(input.Mode ?? (input.Allow is null ? EgressPolicy.Open.Mode : EgressPolicy.AllowList), input.Allow is null ? null : [.. input.Allow.Select(a => a.Trim())]);
}

/// <summary>Who may call an instance; what is left out stays.</summary>
/// <param name="TokenRequired">Whether clients must present a token (default: yes).</param>
/// <param name="QueryToken">Whether <c>?token=</c> is accepted from clients that cannot send headers (default: no).</param>
public sealed record AccessInput(bool? TokenRequired = null, bool? QueryToken = null)
{
    /// <summary>Limits on all of the instance's traffic, whoever calls; answered by 429. Null for none.</summary>
    public Patch<TrafficLimitsInput> Limits { get; init; }
}

/// <summary>What is kept of an instance's traffic besides access records and counts.</summary>
/// <param name="Capture">Keeps the payloads of exchanges, secrets replaced, for operators and administrators to see; null (the default) for none.</param>
public sealed record TrafficInput(CaptureSettings? Capture = null);

/// <summary>A variable's value: a text, or <c>{ "secret": "value" }</c>; <c>{ "secret": true }</c> means: as stored.</summary>
[JsonConverter(typeof(EnvInputConverter))]
public sealed record EnvInput(string? Value, bool Secret)
{
    /// <summary>Whether the stored secret is kept.</summary>
    public bool Keep => Secret && Value is null;

    /// <summary>A plain value.</summary>
    public static implicit operator EnvInput(string value) => new(value, false);
}

/// <summary>Limits to set; what is left out stays. Zero means none where none is possible.</summary>
public sealed record LimitsInput
{
    /// <summary>Memory of the whole tree in bytes.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>CPU in cores.</summary>
    public double? Cpus { get; init; }
    /// <summary>Processes and threads.</summary>
    public int? Pids { get; init; }
    /// <summary>Size of a single file in bytes.</summary>
    public long? FileBytes { get; init; }
    /// <summary>Open files.</summary>
    public int? OpenFiles { get; init; }
    /// <summary>Sessions at the same time.</summary>
    public int? Sessions { get; init; }
    /// <summary>Seconds after which an unused session ends.</summary>
    public int? SessionIdleSeconds { get; init; }
    /// <summary>Seconds without a session or a call after which the workload is ended until the next call; 0 for never.</summary>
    public int? SleepSeconds { get; init; }
    /// <summary>Seconds that the server may take to answer <c>initialize</c>.</summary>
    public int? StartSeconds { get; init; }
    /// <summary>Seconds that the install phase may take.</summary>
    public int? InstallSeconds { get; init; }
    /// <summary>Processes kept started in advance (per-session mode).</summary>
    public int? WarmSpares { get; init; }

    /// <summary>All of the limits.</summary>
    public static implicit operator LimitsInput(WorkloadLimits l) => new()
    {
        MemoryBytes = l.MemoryBytes,
        Cpus = l.Cpus,
        Pids = l.Pids,
        FileBytes = l.FileBytes,
        OpenFiles = l.OpenFiles,
        Sessions = l.Sessions,
        SessionIdleSeconds = l.SessionIdleSeconds,
        SleepSeconds = l.SleepSeconds,
        StartSeconds = l.StartSeconds,
        InstallSeconds = l.InstallSeconds,
        WarmSpares = l.WarmSpares,
    };

    internal WorkloadLimits Over(WorkloadLimits l) => new()
    {
        MemoryBytes = MemoryBytes ?? l.MemoryBytes,
        Cpus = Cpus ?? l.Cpus,
        Pids = Pids ?? l.Pids,
        FileBytes = FileBytes ?? l.FileBytes,
        OpenFiles = OpenFiles ?? l.OpenFiles,
        Sessions = Sessions ?? l.Sessions,
        SessionIdleSeconds = SessionIdleSeconds ?? l.SessionIdleSeconds,
        SleepSeconds = SleepSeconds ?? l.SleepSeconds,
        StartSeconds = StartSeconds ?? l.StartSeconds,
        InstallSeconds = InstallSeconds ?? l.InstallSeconds,
        WarmSpares = WarmSpares ?? l.WarmSpares,
    };
}

/// <summary>What a list of instances may be narrowed to.</summary>
/// <param name="Page">Search, sort and page.</param>
/// <param name="Mode">Only this mode.</param>
/// <param name="Status">Only these states, separated by commas.</param>
/// <param name="Environment">Only this environment.</param>
public sealed record InstanceQuery(PageQuery Page, string? Mode = null, string? Status = null, string? Environment = null);
