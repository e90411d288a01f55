using System.Net;
using System.Net.Sockets;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>The contract with Docker.</summary>
public sealed class DockerContractTests : RuntimeContractTests
{
    private protected override RuntimeFixture Create() => ContainerFixture.On("docker");
}

/// <summary>The contract with Podman.</summary>
public sealed class PodmanContractTests : RuntimeContractTests
{
    private protected override RuntimeFixture Create() => ContainerFixture.On("podman");
}

/// <summary>What a workload in a container can reach, and which limits hold.</summary>
public abstract class ContainerRuntimeTests(string engine)
{
    private const string Idle = "import time\nprint('up',flush=True)\ntime.sleep(600)";

    private const string Probe = """
        import os, socket, sys, time
        def tried(name, action):
            try: print(name, 'yes', action(), flush=True)
            except Exception as e: print(name, 'no', type(e).__name__, flush=True)
        def connect(host, port):
            s = socket.socket(); s.settimeout(3); s.connect((host, port)); return 'connected'
        def gateway():
            for line in open('/proc/net/route').read().splitlines()[1:]:
                f = line.split()
                if f[1] == '00000000': return socket.inet_ntoa(bytes.fromhex(f[2])[::-1])
            return '192.0.2.254'
        tried('data', lambda: os.listdir(sys.argv[1]))
        tried('write-usr', lambda: open('/usr/x','w'))
        tried('write-etc', lambda: open('/etc/x','w'))
        tried('sysctl', lambda: open('/proc/sys/kernel/core_pattern','w'))
        tried('mount', lambda: os.listdir('/sys/fs/cgroup/memory') and open('/sys/fs/cgroup/memory/memory.limit_in_bytes','w'))
        tried('socket', lambda: [p for p in ('/var/run/docker.sock','/run/docker.sock','/run/podman/podman.sock') if os.path.exists(p)][0])
        tried('metadata', lambda: connect('169.254.169.254', 80))
        tried('gateway', lambda: connect(gateway(), int(sys.argv[2])))
        tried('machine', lambda: connect(sys.argv[3], int(sys.argv[2])))
        tried('loopback', lambda: connect('127.0.0.1', int(sys.argv[2])))
        tried('private', lambda: connect('10.99.99.99', 80))
        tried('rules', lambda: os.system('nft flush ruleset') and [][0])
        tried('config', lambda: open('/run/mcpcan/bridge.json').read())
        tried('home', lambda: open(os.path.expanduser('~/x'),'w').write('1'))
        tried('tmp', lambda: open('/tmp/x','w').write('1'))
        print('caps', [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0], flush=True)
        print('nnp', [l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0], flush=True)
        print('seccomp', [l.split()[1] for l in open('/proc/self/status') if l.startswith('Seccomp:')][0], flush=True)
        print('uid', os.getuid(), flush=True)
        print('interfaces', len(os.listdir('/sys/class/net')), flush=True)
        print('end', flush=True)
        time.sleep(600)
        """;

    [Fact]
    public async Task Workload_ReachesNothingOfOurs()
    {
        await using var fixture = ContainerFixture.On(engine);
        using var platform = new TcpListener(IPAddress.Any, 0);
        platform.Start();
        var port = ((IPEndPoint)platform.LocalEndpoint).Port;

        await fixture.ApplyAsync(fixture.Spec("i-a", "python3", "-u", "-c", Probe, fixture.Data, $"{port}", MachineAddress()));
        await fixture.LineAsync("i-a", m => m == "end");

        var said = await fixture.LogAsync("i-a");
        foreach (var closed in (string[])["data", "write-usr", "write-etc", "sysctl", "mount", "socket", "metadata", "gateway", "machine", "loopback", "private", "rules", "config"])
            Assert.Contains(said, l => l.StartsWith(closed + " no ", StringComparison.Ordinal));
        Assert.Contains("home yes 1", said);
        Assert.Contains("tmp yes 1", said);
        Assert.Contains("caps 0000000000000000", said);
        Assert.Contains("nnp 1", said);
        Assert.Contains("seccomp 2", said);
        Assert.Contains("uid 10001", said);
        Assert.False(platform.Pending());
    }

    [Fact]
    public async Task Egress_None_HasNoNetwork()
    {
        await using var fixture = ContainerFixture.On(engine);

        await fixture.ApplyAsync(fixture.Spec("i-a", "python3", "-u", "-c", Probe, fixture.Data, "80", MachineAddress()) with { Egress = EgressPolicy.None });
        await fixture.LineAsync("i-a", m => m == "end");

        Assert.Contains("interfaces 1", await fixture.LogAsync("i-a"));
    }

    [Fact]
    public async Task Egress_Open_ReachesWhatTheAdministratorAllows_AndNeverAnotherWorkload()
    {
        await using var fixture = ContainerFixture.On(engine, null, "private");
        const string serve = "import socket\ns=socket.socket(); s.bind(('0.0.0.0',8080)); s.listen()\nprint('address',socket.gethostbyname(socket.gethostname()),flush=True)\nwhile True: s.accept()[0].close(); print('visited',flush=True)";
        await fixture.ApplyAsync(fixture.Python("i-server", serve));
        var address = (await fixture.LineAsync("i-server", m => m.StartsWith("address ", StringComparison.Ordinal))).Msg["address ".Length..];
        const string visit = "import socket,sys,time\ns=socket.socket(); s.settimeout(3)\ntry: s.connect((sys.argv[1],8080)); print('reached',flush=True)\nexcept Exception as e: print('refused',flush=True)\ntime.sleep(600)";

        await fixture.ApplyAsync(fixture.Spec("i-visitor", "python3", "-u", "-c", visit, address));

        Assert.Equal("refused", (await fixture.LineAsync("i-visitor", m => m is "reached" or "refused")).Msg);
        Assert.DoesNotContain("visited", await fixture.LogAsync("i-server"));
    }

    [Fact]
    public async Task MemoryBomb_EndsTheServer_AndIsNamed()
    {
        await using var fixture = ContainerFixture.On(engine);
        await fixture.ApplyAsync(fixture.Python("i-a", RuntimeFixture.UntilGo + "b=[]\nwhile True: b.append(bytearray(8<<20))") with { Limits = new() { MemoryBytes = 128 << 20 } });
        fixture.Go("i-a");

        WorkloadExit? exit = null;
        await Eventually.HoldsAsync(async () => (exit = await fixture.Runtime.GetServerExitAsync("i-a", TestContext.Current.CancellationToken)) is not null
            || await fixture.Runtime.GetStatusAsync("i-a", TestContext.Current.CancellationToken) is null);
        exit ??= await fixture.Runtime.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        Assert.Equal(9, exit!.Signal);
        Assert.Contains("memory limit", exit.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForkBomb_IsHeld_AndEnds()
    {
        await using var fixture = ContainerFixture.On(engine);
        await fixture.ApplyAsync(fixture.Python("i-a", RuntimeFixture.UntilGo + "n=0\ntry:\n  while True:\n    if os.fork()==0: time.sleep(600)\n    n+=1\nexcept OSError: print('held',n,flush=True)\ntime.sleep(600)") with { Limits = new() { Pids = 64 } });

        fixture.Go("i-a");
        var held = await fixture.LineAsync("i-a", m => m.StartsWith("held ", StringComparison.Ordinal));

        Assert.InRange(int.Parse(held.Msg.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), 1, 64);
        await fixture.Runtime.StopAsync("i-a", TestContext.Current.CancellationToken);
        Assert.Equal(0, await fixture.ProcessesAsync());
    }

    [Fact]
    public async Task Killed_IsNoticed_AndNothingIsLeft()
    {
        await using var fixture = ContainerFixture.On(engine);
        await fixture.ApplyAsync(fixture.Python("i-a", Idle));
        var exit = fixture.Runtime.WaitForExitAsync("i-a", TestContext.Current.CancellationToken);

        await fixture.Client.Containers.KillContainerAsync((await fixture.ContainersAsync())[0].ID, new() { Signal = "KILL" }, TestContext.Current.CancellationToken);

        Assert.Equal(9, (await exit)!.Signal);
        Assert.Empty(await fixture.ContainersAsync());
        Assert.Null(await fixture.Runtime.GetStatusAsync("i-a", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Sweep_RemovesLeftOvers_AndOnlyItsOwn()
    {
        await using var fixture = ContainerFixture.On(engine);
        await using var neighbour = fixture.Neighbour();
        await fixture.ApplyAsync(fixture.Python("i-a", Idle));
        await fixture.ApplyAsync(fixture.Python("i-left", Idle));
        await neighbour.ApplyAsync(neighbour.Python("i-left", Idle));
        File.Delete(Path.Combine(fixture.Data, "workloads", "i-left", "container.json")); // as after a kill in the middle of a start

        var again = fixture.Again();
        await again.SweepAsync(TestContext.Current.CancellationToken);

        Assert.Equal("i-a", Assert.Single(await again.ListAsync(TestContext.Current.CancellationToken)).InstanceId);
        Assert.Single(await fixture.ContainersAsync());
        Assert.Equal("i-left", Assert.Single(await neighbour.Runtime.ListAsync(TestContext.Current.CancellationToken)).InstanceId);
    }

    [Fact]
    public async Task RealBridge_AnswersTheProtocol()
    {
        Assert.SkipWhen(RuntimeFixture.RealBridge is null, "The bridge is not built: script/build builds it.");
        await using var fixture = ContainerFixture.On(engine, RuntimeFixture.RealBridge);

        var status = await fixture.ApplyAsync(fixture.Spec("i-a", "python3", "-u", "-c", "import sys,json\nfor l in sys.stdin:\n m=json.loads(l)\n if 'id' in m: print(json.dumps({'jsonrpc':'2.0','id':m['id'],'result':{'protocolVersion':'2025-06-18','capabilities':{'tools':{}},'serverInfo':{'name':'t','version':'1'}}}),flush=True)"));

        using var client = UnixHttp.Client(status.Address);
        Assert.Contains("serverInfo", await UnixHttp.InitializeAsync(client), StringComparison.Ordinal);
        var usage = await fixture.Runtime.GetUsageAsync("i-a", TestContext.Current.CancellationToken);
        Assert.True(usage is { MemoryBytes: > 1_000_000, Processes: >= 2 });
    }

    [Fact]
    public async Task Image_KeepsItsEntryPoint_OrTakesOurs_AndNeedsNoLibrary()
    {
        Assert.SkipWhen(RuntimeFixture.RealBridge is null, "The bridge is not built: script/build builds it.");
        await using var fixture = ContainerFixture.On(engine, RuntimeFixture.RealBridge);
        await using var image = await TestImage.LoadAsync(fixture.Client);
        var spec = fixture.Spec("i-a") with { Image = new ImageSpec(image.Name, "never"), Egress = EgressPolicy.None };

        var status = await fixture.ApplyAsync(spec);
        await fixture.LineAsync("i-a", m => m == "arguments: own word: image folder: /srv");
        Assert.Contains("sha256:", status.Image, StringComparison.Ordinal);
        using var client = UnixHttp.Client(status.Address);
        Assert.Contains("\"image\"", await UnixHttp.InitializeAsync(client), StringComparison.Ordinal);

        await fixture.ApplyAsync(spec with { Generation = 2, Image = spec.Image with { Arguments = ["ours", "two"] } });
        await fixture.LineAsync("i-a", m => m == "arguments: ours two word: image folder: /srv");
        await fixture.ApplyAsync(spec with { Generation = 3, Environment = new Dictionary<string, string> { ["WORD"] = "set" }, Image = spec.Image with { Entrypoint = ["/bin/sh", "-c", "echo entry $WORD >&2; exec sh /srv/server.sh"] } });
        await fixture.LineAsync("i-a", m => m == "entry set");
    }

    [Fact]
    public async Task Image_ThatIsNotThere_SaysWhatToDo()
    {
        await using var fixture = ContainerFixture.On(engine);
        var spec = fixture.Spec("i-a") with { Image = new ImageSpec("localhost:9/nothing/here:1", "never") };

        var never = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(spec));
        var missing = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(spec with { Image = new ImageSpec("localhost:9/nothing/here:1", Login: new("somebody", "pass-word")) }));

        Assert.Contains("not to be pulled", never.Message, StringComparison.Ordinal);
        Assert.Contains("could not be pulled", missing.Message, StringComparison.Ordinal);
        Assert.Equal("install", missing.Exit.Phase);
        Assert.DoesNotContain("pass-word", string.Join('\n', await fixture.LogAsync("i-a")) + missing, StringComparison.Ordinal);
        Assert.Contains("$ pull localhost:9/nothing/here:1", await fixture.LogAsync("i-a"));
    }

    [Fact]
    public async Task Check_NamesEngineAndTools()
    {
        await using var fixture = ContainerFixture.On(engine);

        var check = await fixture.Runtime.CheckAsync(TestContext.Current.CancellationToken);

        Assert.True(check.Usable, string.Join(' ', check.Findings));
        Assert.Equal(IsolationLevel.Container, check.Isolation);
        Assert.StartsWith(engine, check.Tools["engine"], StringComparison.OrdinalIgnoreCase);
        Assert.All((string[])["node", "npm", "python3", "pip", "git"], t => Assert.NotNull(check.Tools[t]));
        Assert.Empty(await fixture.ContainersAsync());
    }

    private static string MachineAddress() => System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses)
        .Select(a => a.Address).First(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a)).ToString();
}

/// <summary>The same on Docker.</summary>
public sealed class DockerRuntimeTests() : ContainerRuntimeTests("docker");

/// <summary>The same on Podman.</summary>
public sealed class PodmanRuntimeTests() : ContainerRuntimeTests("podman");

internal static class UnixHttp
{
    public static async Task<string> InitializeAsync(HttpClient client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/mcp") { Content = new StringContent("""{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}""", System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    public static HttpClient Client(string address) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(address["unix:".Length..]), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    { BaseAddress = new Uri("http://localhost"), Timeout = TimeSpan.FromSeconds(30) };
}
