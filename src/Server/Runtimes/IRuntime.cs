namespace McpCan.Server.Runtimes;

/// <summary>Talks to one kind of environment. Every call is idempotent; only the reconciler calls the ones that change something.</summary>
public interface IRuntime
{
    /// <summary>Kind of environment, for example <c>process</c>.</summary>
    string Kind { get; }

    /// <summary>
    /// Makes the workload run as specified: prepares (install phase), then starts the bridge with the server.
    /// Returns when the bridge listens or throws <see cref="WorkloadFailedException"/> with phase and reason.
    /// A workload of the same instance and generation that runs already is left alone.
    /// </summary>
    Task<WorkloadStatus> ApplyAsync(WorkloadSpec spec, IProgress<string> phase, CancellationToken cancellationToken);

    /// <summary>Ends the workload's run: asks it to stop, then kills the whole tree. Files needed for the next start stay.</summary>
    Task StopAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Ends the workload and removes all that belongs to the instance. Its last log stays readable until <paramref name="purge"/>.</summary>
    Task RemoveAsync(string instanceId, bool purge, CancellationToken cancellationToken);

    /// <summary>What runs for the instance now, or null when nothing does.</summary>
    Task<WorkloadStatus?> GetStatusAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Ends what a platform process that was killed left half-done: a start, an installation. For whoever begins to lead, before <see cref="ListAsync"/>.</summary>
    Task SweepAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>All workloads of this installation, for adoption at start and for the removal of left-overs.</summary>
    Task<IReadOnlyList<WorkloadStatus>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Completes when the workload's run ends, with the way it ended. Completes at once when none runs.</summary>
    Task<WorkloadExit?> WaitForExitAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>How a server process behind the running bridge last ended without being asked to, with the likely cause; null when none did.</summary>
    Task<WorkloadExit?> GetServerExitAsync(string instanceId, CancellationToken cancellationToken) => Task.FromResult<WorkloadExit?>(null);

    /// <summary>Log lines, oldest first; with <see cref="LogQuery.Follow"/> it goes on until cancelled or the log ends.</summary>
    IAsyncEnumerable<LogLine> ReadLogsAsync(string instanceId, LogQuery query, CancellationToken cancellationToken);

    /// <summary>CPU and memory of the workload's tree, or null when nothing runs.</summary>
    Task<WorkloadUsage?> GetUsageAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Looks up again the names that a workload may connect to, and opens its network for addresses that are new.</summary>
    Task RenewEgressAsync(string instanceId, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Runs a command in a pseudo-terminal beside the server: same files, user, limits and isolation. Throws
    /// <see cref="InvalidOperationException"/> when the workload does not run, <see cref="NotSupportedException"/> when the environment has no terminals.
    /// </summary>
    Task<ITerminal> ExecAsync(string instanceId, TerminalRequest request, CancellationToken cancellationToken) => throw new NotSupportedException("This kind of environment has no terminals yet.");

    /// <summary>The volumes that the environment keeps for this installation.</summary>
    Task<IReadOnlyList<NamedVolume>> ListVolumesAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<NamedVolume>>([]);

    /// <summary>Why a volume cannot be mounted now, in a sentence; null when it can.</summary>
    Task<string?> CheckVolumeAsync(VolumeMount volume, CancellationToken cancellationToken) => Task.FromResult<string?>("This kind of environment has no volumes.");

    /// <summary>Makes a volume that workloads may write to; false when it is there already.</summary>
    Task<bool> CreateVolumeAsync(string name, CancellationToken cancellationToken) => throw new NotSupportedException("This kind of environment has no volumes.");

    /// <summary>Deletes a volume of this installation with all that is in it; false when there is none.</summary>
    Task<bool> DeleteVolumeAsync(string name, CancellationToken cancellationToken) => Task.FromResult(false);

    /// <summary>Whether the environment can be used, and what is missing.</summary>
    Task<RuntimeCheck> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>How strongly a workload is kept apart; a higher value is stronger.</summary>
public enum IsolationLevel
{
    /// <summary>Own process group and resource limits only.</summary>
    None = 0,
    /// <summary>File access restricted by Landlock.</summary>
    Landlock = 1,
    /// <summary>Own namespaces by bubblewrap: private home, tmp, process list; read-only system.</summary>
    Sandbox = 2,
    /// <summary>A container.</summary>
    Container = 3,
}

/// <summary>What is to run for an instance: the planner's result, complete and free of database types.</summary>
public sealed record WorkloadSpec
{
    /// <summary>Instance id (<c>i-…</c>); also the workload's name.</summary>
    public required string InstanceId { get; init; }
    /// <summary>Workload whose private home it uses in place of one of its own; null for its own.</summary>
    public string? HomeOf { get; init; }
    /// <summary>Number of the run. A new number means: replace what runs.</summary>
    public required long Generation { get; init; }
    /// <summary>Uploaded archive to unpack as the working directory, or null for a plain command.</summary>
    public PackageSource? Package { get; init; }
    /// <summary>Install step, run once per <see cref="InstallStep.CacheKey"/> in its own phase; null when nothing is to be installed.</summary>
    public InstallStep? Install { get; init; }
    /// <summary>Argument vector of the server. Never a shell string.</summary>
    public required IReadOnlyList<string> Command { get; init; }
    /// <summary>Working directory relative to the package's root (package source) or to the private home.</summary>
    public string? WorkingDirectory { get; init; }
    /// <summary>Environment variables with secrets resolved. Never logged.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    /// <summary><c>per-session</c>, <c>shared</c> or <c>per-principal</c>.</summary>
    public string Processes { get; init; } = "per-session";
    /// <summary>Where the server listens by itself; null when it speaks over standard input and output.</summary>
    public HttpEndpoint? Http { get; init; }
    /// <summary>Limits in force.</summary>
    public WorkloadLimits Limits { get; init; } = new();
    /// <summary>The container image that is the server; null for the workload image.</summary>
    public ImageSpec? Image { get; init; }
    /// <summary>Folders from outside that it sees.</summary>
    public IReadOnlyList<VolumeMount> Volumes { get; init; } = [];
    /// <summary>Where the workload may connect to.</summary>
    public EgressPolicy Egress { get; init; } = EgressPolicy.Open;
    /// <summary>Weakest isolation that the policy accepts.</summary>
    public IsolationLevel MinimumIsolation { get; init; } = IsolationLevel.Landlock;
}

/// <summary>Where a workload may connect to. In no mode to the platform, to other workloads or to metadata addresses of a cloud.</summary>
/// <param name="Mode"><c>open</c>, <c>allow-list</c> or <c>none</c>.</param>
/// <param name="Allow">With <c>allow-list</c>: names, addresses and networks, each with or without a port; see <see cref="EgressTarget"/>.</param>
public sealed record EgressPolicy(string Mode, IReadOnlyList<string>? Allow = null)
{
    /// <summary>Anywhere that the administrator's rules leave open.</summary>
    public static readonly EgressPolicy Open = new("open");
    /// <summary>The mode with a list.</summary>
    public const string AllowList = "allow-list";
    /// <summary>Nowhere.</summary>
    public static readonly EgressPolicy None = new("none");
}

/// <summary>Where a server listens that speaks HTTP itself. Only its own container reaches it; clients come through the bridge.</summary>
/// <param name="Port">Port on the container's loopback address, or on all its addresses.</param>
/// <param name="Path">Path of the MCP address; for HTTP+SSE that of the stream.</param>
/// <param name="Transport"><c>auto</c>, <c>streamable-http</c> or <c>sse</c>.</param>
public sealed record HttpEndpoint(int Port, string Path = "/mcp", string Transport = "auto");

/// <summary>A container image whose program is the server.</summary>
/// <param name="Reference">Name with tag or digest.</param>
/// <param name="Pull"><c>missing</c>, <c>always</c> or <c>never</c>.</param>
/// <param name="Login">Who may pull it; null for anybody.</param>
/// <param name="Entrypoint">In place of the image's own; null keeps that.</param>
/// <param name="Arguments">In place of the image's own; null keeps those.</param>
public sealed record ImageSpec(string Reference, string Pull = "missing", RegistryLogin? Login = null, IReadOnlyList<string>? Entrypoint = null, IReadOnlyList<string>? Arguments = null);

/// <summary>Credentials of an image registry, in the clear. Never logged.</summary>
public sealed record RegistryLogin(string UserName, string Password)
{
    /// <inheritdoc/>
    public override string ToString() => UserName;
}

/// <summary>An uploaded archive.</summary>
/// <param name="ArchivePath">Absolute path of the stored archive.</param>
/// <param name="Sha256">Its checksum in lower-case hex; names the unpacked copy.</param>
/// <param name="FileName">File name as uploaded (its extension says the format).</param>
public sealed record PackageSource(string ArchivePath, string Sha256, string FileName);

/// <summary>What is done before the first run.</summary>
/// <param name="Kind"><c>npx</c>, <c>uvx</c>, <c>npm</c>, <c>pip</c> or <c>command</c>.</param>
/// <param name="Commands">Argument vectors, run one after the other in the working directory with network access.</param>
/// <param name="CacheKey">Hash over all that decides the result (package spec or lock file, commands, runtime versions): the same key installs nothing again.</param>
/// <param name="Inputs">Files of the package, relative to the working directory, that alone decide the result beside the key; null when the whole package does.</param>
public sealed record InstallStep(string Kind, IReadOnlyList<IReadOnlyList<string>> Commands, string CacheKey, IReadOnlyList<string>? Inputs = null);

/// <summary>Limits of a workload. Zero means none.</summary>
public sealed record WorkloadLimits
{
    /// <summary>Memory of the whole tree in bytes.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;
    /// <summary>CPU in cores.</summary>
    public double Cpus { get; init; } = 1;
    /// <summary>Processes and threads.</summary>
    public int Pids { get; init; } = 512;
    /// <summary>Size of a single file in bytes.</summary>
    public long FileBytes { get; init; } = 1L << 30;
    /// <summary>Open files.</summary>
    public int OpenFiles { get; init; } = 4096;
    /// <summary>Sessions at the same time.</summary>
    public int Sessions { get; init; } = 100;
    /// <summary>Seconds after which an unused session ends.</summary>
    public int SessionIdleSeconds { get; init; } = 1800;
    /// <summary>Seconds without a session or a call after which the workload is ended until the next call; 0 for never.</summary>
    public int SleepSeconds { get; init; }
    /// <summary>Seconds that the server may take to answer <c>initialize</c>.</summary>
    public int StartSeconds { get; init; } = 60;
    /// <summary>Seconds that the install phase may take.</summary>
    public int InstallSeconds { get; init; } = 600;
    /// <summary>Processes kept started in advance (per-session mode).</summary>
    public int WarmSpares { get; init; } = 1;
}

/// <summary>A workload that runs.</summary>
public sealed record WorkloadStatus
{
    /// <summary>Instance id.</summary>
    public required string InstanceId { get; init; }
    /// <summary>Generation that runs.</summary>
    public required long Generation { get; init; }
    /// <summary>Bridge address: <c>unix:/path</c> or <c>http://host:port</c>.</summary>
    public required string Address { get; init; }
    /// <summary>Number of the run, names its log.</summary>
    public required int Run { get; init; }
    /// <summary>When the run started.</summary>
    public required DateTimeOffset StartedAt { get; init; }
    /// <summary>Isolation in force.</summary>
    public required IsolationLevel Isolation { get; init; }
    /// <summary>The image that runs, by digest where it has one; null for processes.</summary>
    public string? Image { get; init; }
    /// <summary>Which limits hold and by what, for people: for example <c>memory: cgroup</c>, <c>cpu: none (cgroup not writable)</c>.</summary>
    public IReadOnlyList<string> LimitsInForce { get; init; } = [];
}

/// <summary>How a run ended.</summary>
/// <param name="Code">Exit code, when the process ended by itself.</param>
/// <param name="Signal">Signal number, when it was killed.</param>
/// <param name="Phase"><c>install</c>, <c>start</c>, <c>initialize</c> or <c>run</c>.</param>
/// <param name="Reason">One sentence for people with the likely cause.</param>
/// <param name="LastLines">Last log lines, oldest first, at most 20.</param>
/// <param name="Time">When.</param>
public sealed record WorkloadExit(int? Code, int? Signal, string Phase, string Reason, IReadOnlyList<string> LastLines, DateTimeOffset Time);

/// <summary>A workload could not be started.</summary>
public sealed class WorkloadFailedException(WorkloadExit exit) : Exception(exit.Reason)
{
    /// <summary>Phase, reason, last lines.</summary>
    public WorkloadExit Exit { get; } = exit;
}

/// <summary>One log line.</summary>
/// <param name="N">Running number, unique and rising over all runs of the instance.</param>
/// <param name="T">When it was written (UTC).</param>
/// <param name="Stream"><c>stdout</c>, <c>stderr</c>, <c>install</c> or <c>bridge</c>.</param>
/// <param name="Level"><c>info</c>, <c>warning</c> or <c>error</c>.</param>
/// <param name="Msg">The line without its end.</param>
public sealed record LogLine(long N, DateTimeOffset T, string Stream, string Level, string Msg);

/// <summary>Which log lines are wanted.</summary>
public sealed record LogQuery
{
    /// <summary>Go on with new lines as they come.</summary>
    public bool Follow { get; init; }
    /// <summary>Only the last so many lines; null for all.</summary>
    public int? Tail { get; init; }
    /// <summary>Only lines with a number above this.</summary>
    public long? After { get; init; }
    /// <summary>Only lines at or after this time.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>Run number, <c>current</c> or <c>previous</c>; null means current.</summary>
    public string? Run { get; init; }
    /// <summary>Only this stream; null for all.</summary>
    public string? Stream { get; init; }
}

/// <summary>Use of resources by a workload's whole tree.</summary>
/// <param name="CpuSeconds">CPU time used since the start of the run.</param>
/// <param name="MemoryBytes">Resident memory now.</param>
/// <param name="Processes">Processes now.</param>
/// <param name="ReceivedBytes">Bytes from the network since the start of the run; null where that is not measured.</param>
/// <param name="SentBytes">Bytes to the network; null where that is not measured.</param>
public sealed record WorkloadUsage(double CpuSeconds, long MemoryBytes, int Processes, long? ReceivedBytes = null, long? SentBytes = null);

/// <summary>Whether an environment can be used.</summary>
/// <param name="Usable">Whether workloads can be started at all.</param>
/// <param name="Isolation">Strongest isolation that is available.</param>
/// <param name="Findings">One sentence per finding, with the remedy where something is missing.</param>
/// <param name="Tools">Interpreters found: name (node, npm, python3, pip, uv …) → version, or null with a finding.</param>
public sealed record RuntimeCheck(bool Usable, IsolationLevel Isolation, IReadOnlyList<string> Findings, IReadOnlyDictionary<string, string?> Tools);
