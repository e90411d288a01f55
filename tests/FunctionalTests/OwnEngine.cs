using System.Diagnostics;
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

    /// <summary>Whether containers go on without it.</summary>
    public bool KeepsContainers => !_isDocker;

    private string SocketPath => Path.Combine(_folder, "engine.sock");

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
