using System.Diagnostics;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>The contract with bubblewrap.</summary>
public sealed class SandboxContractTests : RuntimeContractTests
{
    private protected override RuntimeFixture Create() => new();
}

/// <summary>The contract with Landlock only.</summary>
public sealed class LandlockContractTests : RuntimeContractTests
{
    private protected override RuntimeFixture Create() => new(IsolationLevel.Landlock);
}

/// <summary>The contract without isolation, as after an administrator allowed it.</summary>
public sealed class UnisolatedContractTests : RuntimeContractTests
{
    private protected override RuntimeFixture Create() => new(IsolationLevel.None, allowNone: true);
}

/// <summary>What a workload can reach, which limits hold, and what is left of it.</summary>
public sealed class ProcessRuntimeTests
{
    private const string Probe = """
        import os, socket, sys, time
        def tried(name, action):
            try: print(name, 'yes', action(), flush=True)
            except Exception as e: print(name, 'no', type(e).__name__, flush=True)
        data = sys.argv[1]
        tried('data', lambda: os.listdir(data))
        tried('host-tmp', lambda: [n for n in os.listdir('/tmp') if n.startswith('mcpcan-')][0])
        tried('root', lambda: os.listdir('/root/.nuget'))
        tried('shadow', lambda: open('/etc/shadow').read())
        tried('write-usr', lambda: open('/usr/x','w'))
        tried('write-etc', lambda: open('/etc/x','w'))
        tried('write-root', lambda: open('/x','w'))
        tried('sysctl', lambda: open('/proc/sys/kernel/core_pattern','w'))
        tried('cgroup', lambda: open('/sys/fs/cgroup/memory/memory.limit_in_bytes','w'))
        tried('signal', lambda: os.kill(int(sys.argv[2]), 0))
        tried('environ', lambda: open(f'/proc/{sys.argv[2]}/environ').read())
        tried('home', lambda: open(os.path.expanduser('~/x'),'w').write('1'))
        tried('tmp', lambda: open(os.environ['TMPDIR'] + '/x','w').write('1'))
        print('caps', [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0], flush=True)
        print('nnp', [l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0], flush=True)
        print('pids', len([p for p in os.listdir('/proc') if p.isdigit()]), flush=True)
        print('secrets', [k for k in os.environ if k.startswith('MCPCAN') and k not in ('MCPCAN_WORKLOAD','MCPCAN_PROCESS')], flush=True)
        print('uid', os.getuid(), os.environ.get('HOME'), flush=True)
        print('end', flush=True)
        time.sleep(600)
        """;

    [Theory]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.Landlock)]
    public async Task Workload_ReachesNothingOfOurs(IsolationLevel level)
    {
        await using var fixture = new RuntimeFixture(level);
        await fixture.ApplyAsync(fixture.Spec("i-a", "python3", "-u", "-c", Probe, fixture.Data, $"{Environment.ProcessId}"));
        await fixture.LineAsync("i-a", m => m == "end");

        var said = (await fixture.LogAsync("i-a", new() { Stream = "stderr" })).Select(l => l.Split(' ', 2)).ToDictionary(p => p[0], p => p.Length > 1 ? p[1] : "");

        foreach (var refused in new[] { "data", "host-tmp", "root", "shadow", "write-usr", "write-etc", "write-root", "sysctl", "cgroup", "environ" })
            Assert.True(said[refused].StartsWith("no", StringComparison.Ordinal), $"{refused}: {said[refused]}");
        Assert.Equal("yes 1", said["home"]);
        Assert.Equal("yes 1", said["tmp"]);
        Assert.Equal(0UL, Convert.ToUInt64(said["caps"], 16));
        Assert.Equal("1", said["nnp"]);
        Assert.Equal("[]", said["secrets"]);
        if (level == IsolationLevel.Landlock) return;
        Assert.StartsWith("no", said["signal"], StringComparison.Ordinal);
        Assert.True(int.Parse(said["pids"], System.Globalization.CultureInfo.InvariantCulture) <= 4, said["pids"]);
        Assert.Equal("10001 /home/mcp", said["uid"]);
    }

    [Fact]
    public async Task BelowTheMinimum_IsRefused()
    {
        await using var fixture = new RuntimeFixture(IsolationLevel.Landlock);
        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(fixture.Python("i-a", "") with { MinimumIsolation = IsolationLevel.Sandbox }));
        Assert.Contains("demands isolation 'sandbox'", failed.Message, StringComparison.Ordinal);

        await using var none = new RuntimeFixture(IsolationLevel.None);
        failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => none.ApplyAsync(none.Python("i-a", "")));
        Assert.Contains("MCPCAN_MINIMUM_ISOLATION=none", failed.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.None)]
    public async Task MemoryLimit_Holds(IsolationLevel level)
    {
        await using var fixture = new RuntimeFixture(level, allowNone: true);
        await fixture.ApplyAsync(fixture.Python("i-a", "import time\nkept=[]\nfor i in range(64): kept.append(bytearray(b'x')*(16<<20))\nprint('survived',flush=True)\ntime.sleep(600)") with { Limits = new() { MemoryBytes = 256L << 20 } });

        WorkloadExit? exit = null;
        await Eventually.HoldsAsync(async () => (exit = await fixture.Runtime.GetServerExitAsync("i-a", TestContext.Current.CancellationToken)) is not null
            || await fixture.Runtime.GetStatusAsync("i-a", TestContext.Current.CancellationToken) is null);
        exit ??= await fixture.Runtime.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        Assert.Contains("memory", exit!.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("survived", await fixture.LogAsync("i-a"));
    }

    [Fact]
    public async Task ProcessLimit_Holds()
    {
        var groups = Cgroups.Detect("mcpcan-test-look");
        groups.Dissolve();
        if (!groups.Has("pids")) Assert.Skip("No pids cgroup is writable here, and the process limit does not hold for root.");
        await using var fixture = new RuntimeFixture();
        await fixture.ApplyAsync(fixture.Python("i-a", RuntimeFixture.UntilGo + "n=0\ntry:\n  while n<500:\n    if os.fork()==0: time.sleep(600)\n    n+=1\nexcept OSError as e: print('stopped at',n,flush=True)\ntime.sleep(600)") with { Limits = new() { Pids = 40 } });

        fixture.Go("i-a");
        var line = await fixture.LineAsync("i-a", m => m.StartsWith("stopped at", StringComparison.Ordinal));

        Assert.True(int.Parse(line.Msg.Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture) < 40);
    }

    [Fact]
    public async Task BridgeKilled_TakesAllWithIt_AndSaysSo()
    {
        await using var fixture = new RuntimeFixture();
        await fixture.ApplyAsync(fixture.Python("i-a", "import subprocess,time\nsubprocess.Popen(['sleep','600'],start_new_session=True)\nprint('up',flush=True)\ntime.sleep(600)"));
        await fixture.LineAsync("i-a", m => m == "up");
        var waiting = fixture.Runtime.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        new WorkloadFolder(Path.Combine(fixture.Data, "workloads", "i-a")).Load()!.Init!.Signal(Linux.SigKill);
        var exit = await waiting;

        Assert.Equal(9, exit!.Signal);
        Assert.Contains("SIGKILL", exit.Reason, StringComparison.Ordinal);
        Assert.Contains("up", exit.LastLines);
        Assert.Equal(0, fixture.Processes);
    }

    [Fact]
    public async Task Workload_HasNoTieToTheServersProcess()
    {
        await using var fixture = new RuntimeFixture();
        await fixture.ApplyAsync(fixture.Python("i-a", "import time; time.sleep(600)"));
        var leader = new WorkloadFolder(Path.Combine(fixture.Data, "workloads", "i-a")).Load()!.Leader.Pid;

        var session = File.ReadAllText($"/proc/{leader}/stat").Split(") ")[1].Split(' ')[3];
        var files = Directory.EnumerateFiles($"/proc/{leader}/fd").Select(f => new FileInfo(f).LinkTarget!).ToList();

        Assert.Equal($"{leader}", session);
        Assert.DoesNotContain(files, f => f.StartsWith("pipe:", StringComparison.Ordinal) || f.StartsWith("socket:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task LeftOvers_OfOurInstallationOnly_AreSwept()
    {
        await using var fixture = new RuntimeFixture();
        var (ours, foreign) = (Marked($"{fixture.Installation}/i-x/3"), Marked("mcpcan-somebody/i-x/3"));
        try
        {
            await fixture.Runtime.SweepAsync(TestContext.Current.CancellationToken);
            await ours.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
            Assert.False(foreign.HasExited);
        }
        finally
        {
            foreign.Kill();
            ours.Dispose();
            foreign.Dispose();
        }
    }

    [Fact]
    public async Task DeepDataFolder_GetsAShortAddress()
    {
        var deep = Path.Combine(Path.GetTempPath(), $"mcpcan-{Guid.NewGuid():N}", new string('d', 100));
        foreach (var level in new[] { IsolationLevel.Sandbox, IsolationLevel.Landlock })
        {
            await using var fixture = new RuntimeFixture(level, deep);
            var status = await fixture.ApplyAsync(fixture.Python("i-a", "import time; time.sleep(600)"));

            Assert.True(status.Address.Length < 112);
            await fixture.Runtime.RemoveAsync("i-a", purge: true, TestContext.Current.CancellationToken);
            Assert.False(Path.Exists(Path.GetDirectoryName(status.Address["unix:".Length..])));
        }
        Directory.Delete(Path.GetDirectoryName(deep)!, recursive: true);
    }

    [Fact]
    public async Task Socket_ReplacedByTheWorkload_DoesNotMisleadUs()
    {
        await using var fixture = new RuntimeFixture();
        var status = await fixture.ApplyAsync(fixture.Python("i-a", "import os,time\ntime.sleep(0.5)\nos.remove('/run/mcpcan/bridge.sock')\nos.symlink('/var/run/other.sock','/run/mcpcan/bridge.sock')\nos.symlink('/etc/hostname','/run/mcpcan/logs/install-1.ndjson')\nprint('replaced',flush=True)\ntime.sleep(600)"));
        await fixture.LineAsync("i-a", m => m == "replaced");

        Assert.NotNull(await BridgeClient.StatusAsync(status.Address, TestContext.Current.CancellationToken));
        Assert.Empty(await fixture.LogAsync("i-a", new() { Stream = "install" }));
    }

    [Fact]
    public async Task Npx_IsInstalledOnce_AndStartedFromThere()
    {
        await using var fixture = new RuntimeFixture();
        var plan = CommandPlans.Plan(["npx", "-y", "cowsay@1.6.0", "moo"]);
        await fixture.ApplyAsync(fixture.Spec("i-a") with { Command = plan.Command, Install = plan.Install });

        await fixture.LineAsync("i-a", m => m.Contains("moo", StringComparison.Ordinal));
        Assert.Contains("install", fixture.Phases);
    }

    [Fact]
    public async Task Npx_UnknownPackage_SaysSo()
    {
        await using var fixture = new RuntimeFixture();
        var plan = CommandPlans.Plan(["npx", "-y", "@mcpcan-tests/there-is-no-such-package"]);

        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(fixture.Spec("i-a") with { Command = plan.Command, Install = plan.Install }));

        Assert.Equal("install", failed.Exit.Phase);
        Assert.NotEmpty(failed.Exit.LastLines);
    }

    [Fact]
    public async Task Pip_InstallsIntoAnEnvironmentOfItsOwn()
    {
        await using var fixture = new RuntimeFixture();
        var spec = fixture.Spec("i-a", "python3", "-u", "server.py") with
        {
            Package = fixture.Zip(
                ("server.py", "import sys, time, hello_there\nprint(hello_there.WORD, sys.prefix, flush=True)\ntime.sleep(600)"),
                ("lib/pyproject.toml", "[project]\nname='hello-there'\nversion='1'\n[build-system]\nrequires=[]\nbuild-backend='backend'\nbackend-path=['.']"),
                ("lib/backend.py", "import zipfile\ndef build_wheel(folder, settings=None, metadata=None):\n  name='hello_there-1-py3-none-any.whl'\n  with zipfile.ZipFile(folder+'/'+name,'w') as w:\n    w.writestr('hello_there.py','WORD=\"hello\"')\n    w.writestr('hello_there-1.dist-info/METADATA','Metadata-Version: 2.1\\nName: hello-there\\nVersion: 1\\n')\n    w.writestr('hello_there-1.dist-info/WHEEL','Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    w.writestr('hello_there-1.dist-info/RECORD','')\n  return name")),
            Install = CommandPlans.Install(["pip", "install", "./lib"], "lock"),
        };

        await fixture.ApplyAsync(spec);

        await fixture.LineAsync("i-a", m => m == "hello /deps/venv");
    }

    [Fact]
    public async Task RealBridge_StartsAndStops()
    {
        if (RuntimeFixture.RealBridge is null) Assert.Skip("The bridge is not built (script/build).");
        foreach (var level in new[] { IsolationLevel.Sandbox, IsolationLevel.Landlock })
        {
            await using var fixture = new RuntimeFixture(level, bridge: RuntimeFixture.RealBridge);
            await fixture.ApplyAsync(fixture.Python("i-a", "import sys\nprint('served', file=sys.stderr, flush=True)\nsys.stdin.read()"));
            await fixture.LineAsync("i-a", m => m == "served");

            var begin = Stopwatch.GetTimestamp();
            await fixture.Runtime.StopAsync("i-a", TestContext.Current.CancellationToken);

            Assert.Equal(0, fixture.Processes);
            Assert.True(Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(8));
        }
    }

    [Fact]
    public async Task Check_FindsWhatIsThere()
    {
        await using var fixture = new RuntimeFixture();

        var check = await fixture.Runtime.CheckAsync(TestContext.Current.CancellationToken);

        Assert.True(check.Usable);
        Assert.Equal(IsolationLevel.Sandbox, check.Isolation);
        Assert.Matches(@"^\d+\.\d+", check.Tools["node"]);
        Assert.Matches(@"^3\.\d+", check.Tools["python3"]);
    }

    private static Process Marked(string mark)
    {
        var info = new ProcessStartInfo("sleep", "600") { Environment = { [ProcessTable.Mark] = mark } };
        return Process.Start(info)!;
    }
}
