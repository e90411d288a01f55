using System.Diagnostics;
using System.Net.NetworkInformation;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>
/// A host that is not this machine: a network namespace with two addresses beside it, of those that are kept for documentation, so that
/// no rule for private networks touches them. On every port a connection is answered with the address that it came to.
/// </summary>
internal sealed class Elsewhere : IAsyncDisposable
{
    private const string Server = """
        import selectors, socket, sys
        waiting = selectors.DefaultSelector()
        for port in (8080, 9090):
            s = socket.socket(); s.bind(("0.0.0.0", port)); s.listen(); waiting.register(s, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in waiting.select():
                c, _ = key.fileobj.accept(); c.sendall(("%s:%d" % c.getsockname()).encode()); c.close()
        """;

    private readonly Process _server;

    private Elsewhere(Process server, string first, string second) => (_server, First, Second) = (server, first, second);

    public string First { get; }
    public string Second { get; }

    public static async Task<Elsewhere> StartAsync()
    {
        var server = Start("unshare", "--net", "python3", "-c", Server, Path.GetTempPath());
        Assert.Equal("ready", await server.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        var used = NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address.ToString()).ToHashSet();
        string net, here;
        do
        {
            net = $"{Random.Shared.GetItems(["192.0.2", "198.51.100", "203.0.113"], 1)[0]}.";
            here = $"{Random.Shared.Next(0, 31) * 8 + 1}";
        }
        while (used.Contains(net + here));
        var (first, second) = ($"{net}{int.Parse(here, System.Globalization.CultureInfo.InvariantCulture) + 1}", $"{net}{int.Parse(here, System.Globalization.CultureInfo.InvariantCulture) + 2}");
        var (ours, theirs) = ($"t{server.Id}a", $"t{server.Id}b");
        await IpAsync("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", $"{server.Id}");
        await IpAsync("addr", "add", $"{net}{here}/29", "dev", ours);
        await IpAsync("link", "set", ours, "up");
        foreach (var address in (string[])[first, second]) await InsideAsync("addr", "add", $"{address}/29", "dev", theirs);
        await InsideAsync("link", "set", theirs, "up");
        await InsideAsync("route", "add", "default", "via", net + here);
        return new(server, first, second);

        Task InsideAsync(params string[] arguments) => RunAsync("nsenter", ["--net", "--target", $"{server.Id}", "ip", .. arguments]);
    }

    // With its last process the namespace goes, and with that the cable.
    public async ValueTask DisposeAsync()
    {
        _server.Kill();
        await _server.WaitForExitAsync(CancellationToken.None);
        _server.Dispose();
    }

    private static Task IpAsync(params string[] arguments) => RunAsync("ip", arguments);

    private static async Task RunAsync(string program, string[] arguments)
    {
        using var process = Start(program, arguments);
        var said = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {said}");
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
