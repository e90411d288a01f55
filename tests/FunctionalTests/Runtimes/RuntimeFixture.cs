using System.IO.Compression;
using System.Security.Cryptography;
using McpCan.Server.Runtimes;
using Microsoft.Extensions.Logging.Abstractions;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>A process runtime with a data folder of its own; at the end nothing of it is left, or the test fails.</summary>
internal class RuntimeFixture : IAsyncDisposable
{
    private static int _count;
    private readonly List<IRuntime> _all = [];
    private IRuntime? _runtime;

    public RuntimeFixture(IsolationLevel level = IsolationLevel.Sandbox, string? data = null, string? bridge = null, bool allowNone = false)
    {
        Data = data ?? Path.Combine(Path.GetTempPath(), $"mcpcan-runtime-{Guid.NewGuid():N}"[..28]);
        Directory.CreateDirectory(Data);
        Bridge = bridge ?? StandIn;
        Level = level;
        AllowNone = allowNone;
    }

    public static string StandIn { get; } = Find("tests/FunctionalTests/Runtimes/stand-in-bridge.py");
    /// <summary>The real bridge, or null while it is not built.</summary>
    public static string? RealBridge { get; } = Environment.GetEnvironmentVariable("MCPCAN_BRIDGE_PATH") is { Length: > 0 } path && File.Exists(path) ? path : TryFind("artifacts/bridge/mcpcan-bridge");

    public string Data { get; }
    /// <summary>The folder that the administrator opened for volumes.</summary>
    public string Open => Data + "-open";

    /// <summary>Begins a Python server that does nothing before <see cref="Go"/>: a bomb that goes off earlier keeps the bridge from starting.</summary>
    public const string UntilGo = "import os,time\nwhile not os.path.exists(os.path.expanduser('~/go')): time.sleep(0.02)\n";

    public void Go(string instanceId) => File.WriteAllText(Path.Combine(new WorkloadFolder(Path.Combine(Data, "workloads", instanceId)).Home, "go"), "");
    public IsolationLevel Level { get; }
    public bool AllowNone { get; }
    public string Installation { get; } = $"mcpcan-test{Environment.ProcessId}x{Interlocked.Increment(ref _count)}";
    public IRuntime Runtime => _runtime ??= Again();
    protected string Bridge { get; }
    protected ProcessRuntimeOptions Options => new() { Data = Data, InstallationId = () => Installation, BridgePath = Bridge, StrongestIsolation = Level, AllowNone = AllowNone, VolumeRoots = [Open] };
    public List<string> Phases { get; } = [];

    /// <summary>A second server over the same data folder, as after a restart.</summary>
    public IRuntime Again()
    {
        var runtime = Make();
        _all.Add(runtime);
        return runtime;
    }

    protected virtual IRuntime Make() => new ProcessRuntime(Options, TimeProvider.System, NullLogger<ProcessRuntime>.Instance);

    public Task<WorkloadStatus> ApplyAsync(WorkloadSpec spec) => Runtime.ApplyAsync(spec, new PhaseList(Phases), TestContext.Current.CancellationToken);

    public WorkloadSpec Spec(string id, params string[] command) => new() { InstanceId = id, Generation = 1, Command = command, MinimumIsolation = IsolationLevel.None };

    /// <summary>Runs Python code as the workload.</summary>
    public WorkloadSpec Python(string id, string code) => Spec(id, "python3", "-u", "-c", code);

    public PackageSource Zip(params (string Name, string Text)[] files)
    {
        var path = Path.Combine(Data, $"package-{Guid.NewGuid():N}.zip");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            foreach (var (name, text) in files)
            {
                using var writer = new StreamWriter(zip.CreateEntry(name).Open());
                writer.Write(text);
            }
        }
        return new PackageSource(path, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), "package.zip");
    }

    public async Task<List<string>> LogAsync(string id, LogQuery? query = null)
    {
        var lines = new List<string>();
        await foreach (var line in Runtime.ReadLogsAsync(id, query ?? new(), TestContext.Current.CancellationToken)) lines.Add(line.Msg);
        return lines;
    }

    /// <summary>Follows the log until a line is wanted; the result is that line.</summary>
    public async Task<LogLine> LineAsync(string id, Func<string, bool> wanted)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        await foreach (var line in Runtime.ReadLogsAsync(id, new LogQuery { Follow = true }, limit.Token))
        {
            if (wanted(line.Msg)) return line;
        }
        throw new InvalidOperationException("The log ended.");
    }

    /// <summary>Processes that carry the installation's mark.</summary>
    public int Processes => ProcessTable.Marked(Installation + "/").Count;

    /// <summary>Processes of the installation's workloads.</summary>
    public virtual Task<int> ProcessesAsync() => Task.FromResult(Processes);

    public virtual async ValueTask DisposeAsync()
    {
        foreach (var status in await Runtime.ListAsync(CancellationToken.None)) await Runtime.RemoveAsync(status.InstanceId, purge: true, CancellationToken.None);
        var left = await ProcessesAsync();
        foreach (var runtime in _all) ((IDisposable)runtime).Dispose();
        foreach (var folder in (string[])[Data, Open]) if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Cgroups.Detect(Installation).Dissolve();
        Assert.Equal(0, left);
    }

    internal static string Find(string path) => TryFind(path) ?? throw new FileNotFoundException(path);

    private static string? TryFind(string path)
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, path))) return Path.Combine(folder, path);
        }
        return null;
    }

    private sealed class PhaseList(List<string> phases) : IProgress<string>
    {
        public void Report(string value) => phases.Add(value);
    }
}
