using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>
/// An engine that a test may stop and start again. Docker gets an empty store of its own; Podman has no daemon, so a second service over the
/// store of the tests' engine does: without it nobody answers on this socket, while the containers go on.
/// </summary>
internal sealed class OwnEngine : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mcpcan-engine-").FullName;
    private readonly string _shared;
    private readonly bool _isDocker;
    private Process? _process;

    private OwnEngine(string engine)
    {
        _isDocker = engine == "docker";
        _shared = Path.GetDirectoryName(Engines.Address(engine)!.Endpoint.AbsolutePath)!;
    }

    public string Address => "unix://" + SocketPath;

    /// <summary>Where it listens with TLS as well; null unless asked for.</summary>
    public string? TlsAddress { get; private init; }

    /// <summary>Whether containers go on without it.</summary>
    public bool KeepsContainers => !_isDocker;

    private string SocketPath => Path.Combine(_folder, "engine.sock");

    /// <summary>Docker that listens on a port of this machine, for clients with a certificate only.</summary>
    public static async Task<OwnEngine> StartWithTlsAsync(string authority, string certificate, string key)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var made = new OwnEngine("docker") { TlsAddress = $"tcp://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}" };
        listener.Stop();
        foreach (var (name, pem) in new[] { ("ca", authority), ("certificate", certificate), ("key", key) }) await File.WriteAllTextAsync(Path.Combine(made._folder, name), pem);
        await made.StartAsync();
        return made;
    }

    public static async Task<OwnEngine> StartAsync(string engine)
    {
        var made = new OwnEngine(engine);
        await made.StartAsync();
        return made;
    }

    public async Task StartAsync()
    {
        var podman = Path.Combine(_shared, "podman");
        var start = _isDocker
            ? new ProcessStartInfo("dockerd", ["--data-root", Path.Combine(_folder, "data"), "--exec-root", Path.Combine(_folder, "exec"), "--bridge", "none", "-H", Address, "--pidfile", Path.Combine(_folder, "pid")])
            : new ProcessStartInfo("podman", ["--root", Path.Combine(podman, "root"), "--runroot", Path.Combine(podman, "run"), "--tmpdir", Path.Combine(podman, "tmp"), "--network-config-dir", Path.Combine(podman, "networks"), "system", "service", "--time=0", Address]);
        if (!_isDocker) start.Environment["CONTAINERS_CONF"] = Path.Combine(podman, "containers.conf");
        if (TlsAddress is not null)
            foreach (var argument in (string[])["--tlsverify", "--tlscacert", Path.Combine(_folder, "ca"), "--tlscert", Path.Combine(_folder, "certificate"), "--tlskey", Path.Combine(_folder, "key"), "-H", TlsAddress]) start.ArgumentList.Add(argument);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        File.Delete(SocketPath);
        _process = Process.Start(start)!;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await Eventually.HoldsAsync(AnswersAsync);
    }

    public async Task StopAsync()
    {
        if (_process is null) return;
        using (var kill = Process.Start("kill", [$"{_process.Id}"])) await kill.WaitForExitAsync(CancellationToken.None);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        _process = null;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> AnswersAsync()
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler);
        try
        {
            return await client.GetStringAsync(new Uri("http://engine/_ping"), TestContext.Current.CancellationToken) == "OK";
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
