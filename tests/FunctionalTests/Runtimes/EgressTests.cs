using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>A workload reaches what its allow-list names, and nothing else.</summary>
public abstract class EgressTests(string engine)
{
    // Each line: what was tried, and the answer or "no". What should be reached has a plus, and some patience.
    private const string Visits = """
        import os, socket, sys, time
        def visit(host, port):
            try:
                with socket.create_connection((host, int(port)), 5) as s: return s.recv(100).decode()
            except OSError as e: return "no"
        def ask(server):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
            query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x04test\x00\x00\x01\x00\x01"
            try:
                s.sendto(query, (server, 53)); return "answered %d" % len(s.recv(512))
            except OSError: return "no"
        gateway = [socket.inet_ntoa(int(l.split()[2], 16).to_bytes(4, "little")) for l in open("/proc/net/route").readlines()[1:] if l.split()[1] == "00000000"][0]
        servers = [l.split()[1] for l in open("/etc/resolv.conf") if l.startswith("nameserver")]
        def round():
            for place in sys.argv[1:]:
                said = visit(*place.lstrip("+").rsplit(":", 1))
                tries = 40 if place[0] == "+" else 0 # the machine's own rules for forwarding change while engines start and stop beside this
                while said == "no" and tries: time.sleep(0.5); tries -= 1; said = visit(*place.lstrip("+").rsplit(":", 1))
                print("visit", place.lstrip("+"), said, flush=True)
            for server in {gateway, "127.0.0.11", *servers}: print("names", ask(server), flush=True)
        print("self", socket.gethostbyname(socket.gethostname()), flush=True)
        round(); print("end", flush=True)
        while not os.path.exists(os.path.expanduser("~/go")): time.sleep(0.02)
        round(); print("end again", flush=True)
        time.sleep(600)
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Workload_ReachesOnlyWhatItsListNames()
    {
        await using var elsewhere = await Elsewhere.StartAsync();
        await using var fixture = ContainerFixture.On(engine);
        fixture.Names = _ => [elsewhere.First];

        await fixture.ApplyAsync(Visitor(fixture, ["api.test:8080"], "+api.test:8080", "api.test:9090", "other.test:8080", $"+{elsewhere.First}:8080", $"{elsewhere.Second}:8080"));
        await fixture.LineAsync("i-a", m => m == "end");

        var said = await fixture.LogAsync("i-a");
        Assert.Contains($"visit api.test:8080 {elsewhere.First}:8080", said);
        Assert.Contains($"visit {elsewhere.First}:8080 {elsewhere.First}:8080", said); // by its address it is the same place
        Assert.Contains("visit api.test:9090 no", said);
        Assert.Contains("visit other.test:8080 no", said);
        Assert.Contains($"visit {elsewhere.Second}:8080 no", said);
        Assert.All(said.Where(l => l.StartsWith("names ", StringComparison.Ordinal)), l => Assert.Equal("names no", l));
        Assert.Contains("self 127.0.1.1", said);
        Assert.Contains("network: allow-list (1)", (await fixture.Runtime.GetStatusAsync("i-a", Cancel))!.LimitsInForce);
    }

    [Fact]
    public async Task Name_ThatMovesToAnotherAddress_IsFollowed()
    {
        await using var elsewhere = await Elsewhere.StartAsync();
        await using var fixture = ContainerFixture.On(engine);
        var at = elsewhere.First;
        fixture.Names = _ => [at];
        await fixture.ApplyAsync(Visitor(fixture, ["api.test"], "+api.test:9090", $"{elsewhere.Second}:8080"));
        await fixture.LineAsync("i-a", m => m == "end");
        Assert.Contains($"visit {elsewhere.Second}:8080 no", await fixture.LogAsync("i-a"));

        at = elsewhere.Second;
        await fixture.Runtime.RenewEgressAsync("i-a", Cancel);
        fixture.Go("i-a");
        await fixture.LineAsync("i-a", m => m == "end again");

        var said = await fixture.LogAsync("i-a");
        Assert.Contains($"visit api.test:9090 {elsewhere.Second}:9090", said);
        Assert.Contains($"visit {elsewhere.Second}:8080 {elsewhere.Second}:8080", said);
    }

    [Fact]
    public async Task Network_OnOnePort_IsOpen_AndTheMachineStaysClosed()
    {
        await using var elsewhere = await Elsewhere.StartAsync();
        await using var fixture = ContainerFixture.On(engine);
        var network = elsewhere.First[..elsewhere.First.LastIndexOf('.')] + ".0/24";
        var machine = elsewhere.First[..(elsewhere.First.LastIndexOf('.') + 1)] + (int.Parse(elsewhere.First[(elsewhere.First.LastIndexOf('.') + 1)..], System.Globalization.CultureInfo.InvariantCulture) - 1);
        using var platform = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Parse(machine), 8080);
        platform.Start();

        await fixture.ApplyAsync(Visitor(fixture, [$"{network}:8080", "10.0.0.0/8"], $"+{elsewhere.Second}:8080", $"{elsewhere.Second}:9090", $"{machine}:8080", "169.254.169.254:80"));
        await fixture.LineAsync("i-a", m => m == "end");

        var said = await fixture.LogAsync("i-a");
        Assert.Contains($"visit {elsewhere.Second}:8080 {elsewhere.Second}:8080", said);
        Assert.Contains($"visit {elsewhere.Second}:9090 no", said);
        Assert.Contains($"visit {machine}:8080 no", said);
        Assert.Contains("visit 169.254.169.254:80 no", said);
        Assert.False(platform.Pending());
    }

    [Fact]
    public async Task NameThatIsNotFound_KeepsTheServerFromStarting_AndIsNamed()
    {
        await using var fixture = ContainerFixture.On(engine);
        fixture.Names = _ => throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.HostNotFound);

        var failure = await Assert.ThrowsAsync<WorkloadFailedException>(() => fixture.ApplyAsync(Visitor(fixture, ["mistake.test"])));

        Assert.Contains("'mistake.test'", failure.Exit.Reason, StringComparison.Ordinal);
        Assert.Equal(0, await fixture.ProcessesAsync());
    }

    private static WorkloadSpec Visitor(ContainerFixture fixture, string[] allow, params string[] places) =>
        fixture.Spec("i-a", ["python3", "-u", "-c", Visits, .. places]) with { Egress = new(EgressPolicy.AllowList, allow) };
}

public sealed class DockerEgressTests() : EgressTests("docker");

public sealed class PodmanEgressTests() : EgressTests("podman");
