using Docker.DotNet.Models;
using McpCan.Server.Runtimes;
using Mount = McpCan.Server.Runtimes.VolumeMount;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>What every runtime that has volumes promises of them.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public abstract class VolumeContractTests
{
    private const string Try = """
        import os, sys, time
        def tried(name, action):
            try: print(name, 'yes', action(), flush=True)
            except Exception as e: print(name, 'no', type(e).__name__, flush=True)
        for path in sys.argv[1:]:
            tried('list ' + path, lambda: ' '.join(sorted(os.listdir(path))))
            tried('write ' + path, lambda: open(path + '/written', 'a').write('once\n'))
            tried('read ' + path, lambda: open(path + '/written').read().count('once'))
        print('end', flush=True)
        time.sleep(600)
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected abstract RuntimeFixture Create();

    [Fact]
    public async Task NamedVolume_KeepsWhatWasWritten_OverRunsAndServers_UntilDeleted()
    {
        await using var fixture = Create();
        var name = $"{fixture.Installation}-notes";
        Assert.True(await fixture.Runtime.CreateVolumeAsync(name, Cancel));
        Assert.False(await fixture.Runtime.CreateVolumeAsync(name, Cancel));
        Assert.Equal(name, Assert.Single(await fixture.Runtime.ListVolumesAsync(Cancel)).Name);
        Mount notes = new("named", name, "/data/notes");

        Assert.Contains("read /data/notes yes 1", await SayAsync(fixture, "i-a", 1, notes));
        Assert.Contains("read /data/notes yes 2", await SayAsync(fixture, "i-a", 2, notes));
        await fixture.Runtime.RemoveAsync("i-a", purge: true, Cancel);
        var reader = await SayAsync(fixture, "i-b", 1, notes with { ReadOnly = true });

        Assert.Contains("list /data/notes yes written", reader);
        Assert.Contains("write /data/notes no OSError", reader);
        Assert.Contains("read /data/notes yes 2", reader);
        await fixture.Runtime.RemoveAsync("i-b", purge: true, Cancel);
        Assert.True(await fixture.Runtime.DeleteVolumeAsync(name, Cancel));
        Assert.False(await fixture.Runtime.DeleteVolumeAsync(name, Cancel));
        Assert.Empty(await fixture.Runtime.ListVolumesAsync(Cancel));
        Assert.Contains("There is no volume", await FailAsync(fixture, notes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task FolderOfANamedVolume_IsMade_AndNothingAboveItIsSeen()
    {
        await using var fixture = Create();
        var name = $"{fixture.Installation}-notes";
        await fixture.Runtime.CreateVolumeAsync(name, Cancel);

        Assert.Contains("write /data yes 5", await SayAsync(fixture, "i-a", 1, new Mount("named", name, "/data", SubPath: "deep/er")));
        Assert.Contains("list /data yes deep", await SayAsync(fixture, "i-b", 1, new Mount("named", name, "/data")));
        await fixture.ApplyAsync(fixture.Python("i-b", "import os\nos.symlink('/', '/data/away')\nprint('linked',flush=True)\nimport time\ntime.sleep(600)") with { Generation = 2, Volumes = [new("named", name, "/data")] });
        await fixture.LineAsync("i-b", m => m == "linked");

        Assert.Contains("leads elsewhere", await FailAsync(fixture, new Mount("named", name, "/data", SubPath: "away/etc")), StringComparison.Ordinal);
        Assert.Contains("leads elsewhere", await FailAsync(fixture, new Mount("named", name, "/data", SubPath: "../deep")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task HostFolder_IsSeen_ReadOnlyHolds_AndWhatIsNotOpenIsRefused()
    {
        await using var fixture = Create();
        var open = Directory.CreateDirectory(fixture.Open, (UnixFileMode)0x1FF);
        File.SetUnixFileMode(open.FullName, (UnixFileMode)0x1FF);
        var inside = Directory.CreateDirectory(Path.Combine(fixture.Open, "inside"));
        File.SetUnixFileMode(inside.FullName, (UnixFileMode)0x1FF);
        File.WriteAllText(Path.Combine(inside.FullName, "from-host"), "x");
        var elsewhere = Directory.CreateDirectory(Path.Combine(fixture.Data, "elsewhere")).FullName;
        File.CreateSymbolicLink(Path.Combine(fixture.Open, "out"), elsewhere);
        File.CreateSymbolicLink(Path.Combine(fixture.Open, "through"), "out/..");
        File.CreateSymbolicLink(Path.Combine(fixture.Open, "same"), "inside");

        var said = await SayAsync(fixture, "i-a", 1, new Mount("host", inside.FullName, "/data"), new Mount("host", Path.Combine(fixture.Open, "same"), "/srv/again", ReadOnly: true));

        Assert.Contains("list /data yes from-host", said);
        Assert.Contains("write /data yes 5", said);
        Assert.Equal("once\n", File.ReadAllText(Path.Combine(inside.FullName, "written")));
        Assert.Contains("write /srv/again no OSError", said);
        Assert.Contains("read /srv/again yes 1", said);
        foreach (var closed in (string[])["out", "through", "inside/../..", "nowhere", "inside/from-host"])
            Assert.Contains("is no folder below one of those", await FailAsync(fixture, new Mount("host", Path.Combine(fixture.Open, closed), "/data")), StringComparison.Ordinal);
        foreach (var closed in (string[])["/", "/etc", fixture.Data, fixture.Open + "er"])
            Assert.Contains("is no folder below one of those", await FailAsync(fixture, new Mount("host", closed, "/data")), StringComparison.Ordinal);
        Assert.Contains("leads elsewhere", await FailAsync(fixture, new Mount("host", fixture.Open, "/data", SubPath: "out")), StringComparison.Ordinal);
        Assert.Contains("There is no folder", await FailAsync(fixture, new Mount("host", fixture.Open, "/data", SubPath: "inside/missing")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restarted_ServerStillHasItsVolume_AndSoHasATerminal()
    {
        await using var fixture = Create();
        var name = $"{fixture.Installation}-notes";
        await fixture.Runtime.CreateVolumeAsync(name, Cancel);
        await SayAsync(fixture, "i-a", 1, new Mount("named", name, "/data"));

        var again = fixture.Again();
        Assert.Single(await again.ListAsync(Cancel));
        await using var terminal = await again.ExecAsync("i-a", new TerminalRequest(["cat", "/data/written"], 80, 24), Cancel);
        await Typing.UntilAsync(terminal, "once");
    }

    /// <summary>Mounts the volumes, tries them, and answers what the server saw.</summary>
    private static async Task<List<string>> SayAsync(RuntimeFixture fixture, string id, long generation, params Mount[] volumes)
    {
        await fixture.ApplyAsync(fixture.Spec(id, ["python3", "-u", "-c", Try, .. volumes.Select(v => v.Target)]) with { Generation = generation, Volumes = volumes });
        await fixture.LineAsync(id, m => m == "end");
        return await fixture.LogAsync(id);
    }

    private static async Task<string> FailAsync(RuntimeFixture fixture, Mount volume)
    {
        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(fixture.Spec("i-refused", "sleep", "600") with { Volumes = [volume] }));
        Assert.Equal("start", failed.Exit.Phase);
        return failed.Message;
    }
}

/// <summary>Volumes of processes.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class SandboxVolumeTests : VolumeContractTests
{
    private protected override RuntimeFixture Create() => new();

    [Fact]
    public async Task WithoutBubblewrap_AServerWithVolumesIsNotStarted()
    {
        await using var fixture = new RuntimeFixture(IsolationLevel.Landlock);
        await fixture.Runtime.CreateVolumeAsync("notes", TestContext.Current.CancellationToken);

        var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(fixture.Spec("i-a", "sleep", "600") with { Volumes = [new("named", "notes", "/data")] }));

        Assert.Contains("bubblewrap", failed.Message, StringComparison.Ordinal);
        Assert.Contains("bubblewrap", await fixture.Runtime.CheckVolumeAsync(new("named", "notes", "/data"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OwnData_IsNeverAVolume_EvenBelowAnOpenFolder()
    {
        var root = Directory.CreateTempSubdirectory("mcpcan-open");
        await using (var fixture = new RuntimeFixture(data: Directory.CreateDirectory(Path.Combine(root.FullName, "data")).FullName))
        {
            Directory.CreateSymbolicLink(fixture.Open, root.FullName);
            foreach (var own in (string[])["data", "data/packages"])
            {
                Directory.CreateDirectory(Path.Combine(root.FullName, own));
                Assert.Contains("MCPCAN's own data", await fixture.Runtime.CheckVolumeAsync(new("host", Path.Combine(root.FullName, own), "/data"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
            }
            Assert.Contains("MCPCAN's own data", await fixture.Runtime.CheckVolumeAsync(new("host", root.FullName, "/data"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
            File.Delete(fixture.Open);
        }
        root.Delete(recursive: true);
    }
}

/// <summary>Volumes of containers, and whose they are.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public abstract class ContainerVolumeTests(string engine) : VolumeContractTests
{
    private protected override RuntimeFixture Create() => ContainerFixture.On(engine);

    [Fact]
    public async Task VolumesOfOthers_AreNeitherListedNorMountedNorDeleted()
    {
        await using var fixture = ContainerFixture.On(engine);
        await using var neighbour = fixture.Neighbour();
        var (foreign, nobodys) = ($"{neighbour.Installation}-notes", $"{fixture.Installation}-nobodys");
        await neighbour.Runtime.CreateVolumeAsync(foreign, TestContext.Current.CancellationToken);
        await fixture.Client.Volumes.CreateAsync(new VolumesCreateParameters { Name = nobodys }, TestContext.Current.CancellationToken);
        try
        {
            Assert.Empty(await fixture.Runtime.ListVolumesAsync(TestContext.Current.CancellationToken));
            foreach (var name in (string[])[foreign, nobodys])
            {
                Assert.False(await fixture.Runtime.DeleteVolumeAsync(name, TestContext.Current.CancellationToken));
                await Assert.ThrowsAsync<McpCan.Server.Runtimes.Docker.EngineRefusedException>(() => fixture.Runtime.CreateVolumeAsync(name, TestContext.Current.CancellationToken));
                var failed = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(fixture.Spec("i-a", "sleep", "600") with { Volumes = [new("named", name, "/data")] }));
                Assert.Contains("There is no volume", failed.Message, StringComparison.Ordinal);
            }
            Assert.Single(await neighbour.Runtime.ListVolumesAsync(TestContext.Current.CancellationToken));
        }
        finally
        {
            await fixture.Client.Volumes.RemoveAsync(nobodys, null, CancellationToken.None);
        }
    }
}

/// <summary>Volumes with Docker.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class DockerVolumeTests() : ContainerVolumeTests("docker");

/// <summary>Volumes with Podman.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class PodmanVolumeTests() : ContainerVolumeTests("podman");
