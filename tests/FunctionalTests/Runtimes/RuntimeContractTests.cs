using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>What every runtime promises. A runtime's tests derive from it and say how one is made.</summary>
public abstract class RuntimeContractTests
{
    private protected const string Idle = "import sys,time\nprint('up',flush=True)\ntime.sleep(600)";

    private protected abstract RuntimeFixture Create();

    [Fact]
    public async Task Apply_StartsAndSaysWhatIsInForce()
    {
        await using var fixture = Create();

        var status = await fixture.ApplyAsync(fixture.Python("i-a", Idle));

        Assert.Equal(("i-a", 1L, 1), (status.InstanceId, status.Generation, status.Run));
        Assert.StartsWith("unix:", status.Address, StringComparison.Ordinal);
        Assert.Equal(fixture.Level, status.Isolation);
        Assert.Contains(status.LimitsInForce, l => l.StartsWith("memory: 1024 MiB", StringComparison.Ordinal));
        Assert.Equal("start", fixture.Phases[^1]);
        Assert.Equal(status.Address, (await fixture.Runtime.GetStatusAsync("i-a", TestContext.Current.CancellationToken))!.Address);
        Assert.NotNull(await BridgeClient.StatusAsync(status.Address, TestContext.Current.CancellationToken));
        Assert.Equal("up", (await fixture.LineAsync("i-a", m => m == "up")).Msg);
    }

    [Fact]
    public async Task Apply_SameGeneration_LeavesItAlone_NewGeneration_Replaces()
    {
        await using var fixture = Create();
        var first = await fixture.ApplyAsync(fixture.Python("i-a", Idle));

        var same = await fixture.ApplyAsync(fixture.Python("i-a", Idle));
        var next = await fixture.ApplyAsync(fixture.Python("i-a", Idle) with { Generation = 2 });

        Assert.Equal((1, first.StartedAt), (same.Run, same.StartedAt));
        Assert.Equal((2, 2L), (next.Run, next.Generation));
        Assert.Single(await fixture.Runtime.ListAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Stop_LeavesNothing_AndCanBeRepeated()
    {
        await using var fixture = Create();
        await fixture.ApplyAsync(fixture.Python("i-a", "import subprocess,time\nfor i in range(3): subprocess.Popen(['sleep','600'],start_new_session=True)\nprint('forked',flush=True)\ntime.sleep(600)"));
        await fixture.LineAsync("i-a", m => m == "forked");
        Assert.True(await fixture.ProcessesAsync() >= 5);
        var exit = fixture.Runtime.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        await fixture.Runtime.StopAsync("i-a", TestContext.Current.CancellationToken);
        await fixture.Runtime.StopAsync("i-a", TestContext.Current.CancellationToken);

        Assert.Equal(0, await fixture.ProcessesAsync());
        Assert.Equal(0, (await exit)!.Code);
        Assert.Null(await fixture.Runtime.GetStatusAsync("i-a", TestContext.Current.CancellationToken));
        Assert.Empty(await fixture.Runtime.ListAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Remove_KeepsTheLogUntilPurged()
    {
        await using var fixture = Create();
        await fixture.ApplyAsync(fixture.Python("i-a", Idle));
        await fixture.LineAsync("i-a", m => m == "up");

        await fixture.Runtime.RemoveAsync("i-a", purge: false, TestContext.Current.CancellationToken);
        Assert.Contains("up", await fixture.LogAsync("i-a"));
        Assert.Equal(0, await fixture.ProcessesAsync());

        await fixture.Runtime.RemoveAsync("i-a", purge: true, TestContext.Current.CancellationToken);
        Assert.Empty(await fixture.LogAsync("i-a"));
    }

    [Fact]
    public async Task Logs_RiseOverRuns_AndCanBeNarrowed()
    {
        await using var fixture = Create();
        await fixture.ApplyAsync(fixture.Python("i-a", "import time\nfor i in range(500): print('line',i,flush=True)\ntime.sleep(600)"));
        var last = await fixture.LineAsync("i-a", m => m == "line 499");
        await fixture.ApplyAsync(fixture.Python("i-a", Idle) with { Generation = 2 });
        var up = await fixture.LineAsync("i-a", m => m == "up");

        Assert.True(up.N > last.N);
        Assert.Equal(["line 497", "line 498", "line 499"], await fixture.LogAsync("i-a", new() { Run = "previous", Tail = 3 }));
        Assert.Equal(["line 498", "line 499"], await fixture.LogAsync("i-a", new() { Run = "1", After = last.N - 2 }));
        Assert.DoesNotContain("up", await fixture.LogAsync("i-a", new() { Stream = "bridge" }));
        Assert.Equal(["up"], await fixture.LogAsync("i-a", new() { Stream = "stderr" }));
        Assert.Empty(await fixture.LogAsync("i-a", new() { Since = TimeProvider.System.GetUtcNow().AddHours(1) }));
    }

    [Fact]
    public async Task ServerExit_SaysWhy()
    {
        await using var fixture = Create();
        await fixture.ApplyAsync(fixture.Python("i-a", "import surely_not_there"));
        await fixture.LineAsync("i-a", m => m.Contains("No module named", StringComparison.Ordinal));

        WorkloadExit? exit = null;
        await Eventually.HoldsAsync(async () => (exit = await fixture.Runtime.GetServerExitAsync("i-a", TestContext.Current.CancellationToken)) is not null);

        Assert.Equal(1, exit!.Code);
        Assert.Contains("'surely_not_there'", exit.Reason, StringComparison.Ordinal);
        Assert.Contains(exit.LastLines, l => l.Contains("No module named", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restarted_AdoptsWhatRuns()
    {
        await using var fixture = Create();
        var status = await fixture.ApplyAsync(fixture.Python("i-a", Idle));

        var again = fixture.Again();
        var listed = await again.ListAsync(TestContext.Current.CancellationToken);
        var usage = await again.GetUsageAsync("i-a", TestContext.Current.CancellationToken);
        var exit = again.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        Assert.Equal((status.Address, status.Run), (Assert.Single(listed).Address, listed[0].Run));
        Assert.True(usage is { MemoryBytes: > 1_000_000, Processes: >= 2 });
        Assert.False(exit.IsCompleted);
        await again.StopAsync("i-a", TestContext.Current.CancellationToken);
        Assert.NotNull(await exit);
    }

    [Fact]
    public async Task Install_RunsOnce_HasItsOwnLog()
    {
        await using var fixture = Create();
        var step = new InstallStep("command", [["sh", "-c", "echo installing; echo done > {deps}/file"]], "key-1");
        var spec = fixture.Spec("i-a", "sh", "-c", "cat {deps}/file; sleep 600") with { Install = step };

        await fixture.ApplyAsync(spec);
        Assert.Contains("installing", await fixture.LogAsync("i-a", new() { Stream = "install" }));
        await fixture.LineAsync("i-a", m => m == "done");
        await fixture.ApplyAsync(spec with { Generation = 2 });
        await fixture.ApplyAsync(spec with { InstanceId = "i-b" });

        Assert.Single(fixture.Phases, p => p == "install");
        Assert.Empty(await fixture.LogAsync("i-a", new() { Stream = "install" }));
    }

    [Fact]
    public async Task Install_IsKeptWhileAServerWasStartedFromIt_AlsoStopped_AndRemovedAfterwards()
    {
        await using var fixture = Create();
        var spec = fixture.Spec("i-a", "sh", "-c", "cat {deps}/file; sleep 600") with { Install = new InstallStep("command", [["sh", "-c", "echo done > {deps}/file"]], "key-kept") };
        await fixture.ApplyAsync(spec);
        await fixture.Runtime.StopAsync("i-a", TestContext.Current.CancellationToken);
        var cache = InstallCache.Of(fixture.Data);

        Assert.Equal(0, Clean().Results);
        await fixture.ApplyAsync(spec);
        Assert.Single(fixture.Phases, p => p == "install");
        await fixture.Runtime.RemoveAsync("i-a", purge: true, TestContext.Current.CancellationToken);

        Assert.Equal(1, Clean().Results);
        Assert.Empty(Directory.GetDirectories(Path.Combine(fixture.Data, "cache", "install")));

        (int Results, long Bytes) Clean() => cache.Clean(TimeSpan.Zero, long.MaxValue, TimeProvider.System.GetUtcNow().AddSeconds(1), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Install_Failing_LeavesNothing_AndSaysWhy()
    {
        await using var fixture = Create();
        var spec = fixture.Python("i-a", Idle) with { Install = new InstallStep("command", [["sh", "-c", "echo npm error code E404 >&2; exit 3"]], "key-2") };

        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(spec));

        Assert.Equal(("install", 3), (failed.Exit.Phase, failed.Exit.Code));
        Assert.Contains("not in the registry", failed.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(fixture.Data, "cache", "install")));
        Assert.Contains("npm error code E404", await fixture.LogAsync("i-a"));
    }

    [Fact]
    public async Task Install_TooSlow_IsStopped()
    {
        await using var fixture = Create();
        var spec = fixture.Python("i-a", Idle) with { Install = new InstallStep("command", [["sleep", "600"]], "key-3"), Limits = new() { InstallSeconds = 1 } };

        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(spec));

        Assert.Contains("longer than 1 seconds", failed.Message, StringComparison.Ordinal);
        Assert.Equal(0, await fixture.ProcessesAsync());
    }

    [Fact]
    public async Task Package_IsUnpacked_InstalledInto_AndWritable()
    {
        await using var fixture = Create();
        var spec = fixture.Spec("i-a", "python3", "-u", "server.py") with
        {
            Package = fixture.Zip(("top/server.py", "import time\nprint('built:', open('built.txt').read(), flush=True)\nopen('state','w').write('x')\nprint('written',flush=True)\ntime.sleep(600)")),
            WorkingDirectory = "top",
            Install = new InstallStep("command", [["sh", "-c", "printf yes > built.txt"]], "key-4"),
        };

        await fixture.ApplyAsync(spec);

        await fixture.LineAsync("i-a", m => m == "built: yes");
        await fixture.LineAsync("i-a", m => m == "written");
    }

    [Fact]
    public async Task Install_IsShared_OnlyByThoseWithTheSameEnvironment()
    {
        await using var fixture = Create();

        Assert.True(await InstallsAsync("i-a", "one"));
        Assert.False(await InstallsAsync("i-b", "one"));
        // Who can lead an install elsewhere must not lead that of others.
        Assert.True(await InstallsAsync("i-c", "two"));

        async Task<bool> InstallsAsync(string id, string source)
        {
            var spec = fixture.Spec(id, "python3", "-u", "-c", "import sys, time\nprint('has ' + open(sys.argv[1]).read().strip(), flush=True)\ntime.sleep(600)", CommandPlans.Deps + "/made") with
            {
                Environment = new Dictionary<string, string> { ["npm_config_registry"] = source },
                Install = new InstallStep("command", [["sh", "-c", "echo \"$npm_config_registry\" > " + CommandPlans.Deps + "/made"]], "key-of-a-command"),
            };
            await fixture.ApplyAsync(spec);
            await fixture.LineAsync(id, m => m == $"has {source}");
            return (await fixture.LogAsync(id, new() { Stream = "install" })).Count > 0;
        }
    }

    [Fact]
    public async Task Package_WhoseLockFilesAloneDecide_InstallsOnceForAllItsVersions()
    {
        await using var fixture = Create();

        Assert.True(await InstallsAsync(1, "one", "locked"));
        Assert.False(await InstallsAsync(2, "two", "locked"));
        Assert.True(await InstallsAsync(3, "two", "locked anew"));

        async Task<bool> InstallsAsync(int generation, string text, string locked)
        {
            var spec = fixture.Spec("i-a", "python3", "-u", "server.py") with
            {
                Generation = generation,
                Package = fixture.Zip(
                    ("top/server.py", "import os, time\nprint(open('text').read(), open('made/text').read(), sorted(os.listdir('.')), flush=True)\ntime.sleep(600)"), ("top/text", text), ("top/lock", locked)),
                WorkingDirectory = "top",
                // It sees the lock file and nothing else, and what the package holds is not written over.
                Install = new InstallStep("command", [["sh", "-c", "ls; mkdir made; cp lock made/text; printf old > text"]], "key-lock", ["lock"]),
            };
            await fixture.ApplyAsync(spec);
            await fixture.LineAsync("i-a", m => m == $"{text} {locked} ['lock', 'made', 'server.py', 'text']");
            return (await fixture.LogAsync("i-a", new() { Run = "current" })).Contains("lock");
        }
    }
}
