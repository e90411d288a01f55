using System.Diagnostics;
using System.Net;
using McpCan.Server.Hosting;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>The server as a process of its own, which can be killed.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly HttpClient Http = new();
    private readonly Process _process;
    private readonly List<string> _output = [];
    private bool _disposed;

    private ServerProcess(string database, string data, string role)
    {
        var port = FreePort();
        Url = $"http://127.0.0.1:{port}";
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "mcpcan"), ["serve", "--port", $"{port}", "--data", data, "--database", database])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MCPCAN_ROLE"] = role;
        start.Environment[Configuration.EnvironmentName(nameof(McpCanOptions.BridgePath))] = TestBridge.Path;
        start.Environment["DOTNET_TieredPGO"] = "0";
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, e) => Keep(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Url { get; }

    public bool HasExited => _process.HasExited;

    public string Output
    {
        get
        {
            lock (_output) return string.Join('\n', _output);
        }
    }

    /// <summary>Whether it has said that it looks after the servers.</summary>
    public bool Leads => Output.Contains("looks after the servers now", StringComparison.Ordinal);

    /// <summary>Starts it and waits until it is ready.</summary>
    public static async Task<ServerProcess> StartAsync(string database, string data, string role = "all")
    {
        var process = new ServerProcess(database, data, role);
        try
        {
            // Longer than anything else is waited for: many of them start beside other tests.
            for (var begin = Stopwatch.StartNew(); await process.StatusAsync("readyz") != HttpStatusCode.OK; await Task.Delay(50))
            {
                Assert.False(process.HasExited, $"It ended by itself: {process.Output}");
                Assert.True(begin.Elapsed < TimeSpan.FromMinutes(2), $"It is not ready after {begin.Elapsed}: {process.Output}");
            }
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts what is not going to be ready; the result is what it said.</summary>
    public static async Task<string> RefusedAsync(string database, string data, string role)
    {
        await using var process = new ServerProcess(database, data, role);
        await process._process.WaitForExitAsync().WaitAsync(Eventually.Patience);
        Assert.NotEqual(0, process._process.ExitCode);
        return process.Output;
    }

    /// <summary>Ends it as a power cut would: nothing of it gets to say goodbye.</summary>
    public async Task KillAsync()
    {
        _process.Kill(); // this process only, not the workloads
        await _process.WaitForExitAsync();
    }

    /// <summary>Sends a signal by its name, for example <c>STOP</c>.</summary>
    public void Signal(string name) => Process.Start("kill", [$"-{name}", $"{_process.Id}"]).WaitForExit();

    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }

    private async Task<HttpStatusCode?> StatusAsync(string path)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri($"{Url}/{path}"));
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private void Keep(string? line)
    {
        lock (_output)
        {
            if (line is not null) _output.Add(line);
        }
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
