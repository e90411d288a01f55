using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>The program as people start it: own processes, one data folder.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CommandTests : IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("mcpcan-test-").FullName;
    private readonly List<Process> _servers = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (var server in _servers)
        {
            if (!server.HasExited) server.Kill(entireProcessTree: true);
            server.Dispose();
        }
        Directory.Delete(_data, recursive: true);
    }

    [Fact]
    public async Task Serve_ThenCommandsBesideIt_ThenCtrlC()
    {
        var (server, url, banner) = await ServeAsync("--data", _data, "--port", "0");
        Assert.Contains("one-time code", banner, StringComparison.Ordinal);
        Assert.Contains(_data, banner, StringComparison.Ordinal);

        // A key made by another process works at once, and prints nothing else.
        var key = await RunAsync(null, "api-key", "create", "--name", "ci", "--role", "admin", "--data", _data);
        Assert.Equal(0, key.Code);
        Assert.Matches("^mck_[A-Za-z0-9_-]{43}$", key.Out.Trim());
        using var client = new HttpClient { BaseAddress = new Uri(url), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key.Out.Trim()) } };
        Assert.Equal("admin", (await client.GetFromJsonAsync<JsonElement>("api/v1/me", Cancel)).GetProperty("role").GetString());
        var admin = await RunAsync("a long enough password\n", "admin", "create", "--user", "root", "--password-stdin", "--data", _data);
        Assert.Equal((0, ""), (admin.Code, admin.Out));
        Assert.False((await client.GetFromJsonAsync<JsonElement>("api/v1/setup", Cancel)).GetProperty("needed").GetBoolean());

        // Only the owner may look into the data folder, and no second server may use it.
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_data));
        var second = await RunAsync(null, "serve", "--data", _data, "--port", "0");
        Assert.Equal(1, second.Code);
        Assert.Contains("uses the data folder", second.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", second.Error, StringComparison.Ordinal);

        // Ctrl-C in the middle of open connections ends it quickly, and the next start keeps everything.
        using var open = new TcpClient();
        await open.ConnectAsync(IPAddress.Loopback, new Uri(url).Port, Cancel);
        var start = TimeProvider.System.GetTimestamp();
        Assert.Equal(0, await InterruptAsync(server));
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(8), "It took too long to end.");
        var (again, sameUrl, laterBanner) = await ServeAsync("--data", _data, "--port", "0");
        Assert.DoesNotContain("one-time code", laterBanner, StringComparison.Ordinal);
        using var later = new HttpClient { BaseAddress = new Uri(sameUrl), DefaultRequestHeaders = { Authorization = client.DefaultRequestHeaders.Authorization } };
        Assert.Equal(HttpStatusCode.OK, (await later.GetAsync("api/v1/me", Cancel)).StatusCode);

        // Killed: the lock goes with the process.
        again.Kill();
        await again.WaitForExitAsync(Cancel);
        await ServeAsync("--data", _data, "--port", "0");
    }

    [Fact]
    public async Task Serve_OnATakenPort_SaysSo()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);

        var result = await RunAsync(null, "--data", _data, "--port", port);

        Assert.Equal(1, result.Code);
        Assert.Contains($"Port {port} on 127.0.0.1 is taken", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error + result.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--port", "many")]
    [InlineData("--data", "/proc/none")]
    [InlineData("--database", "Host=/nonexistent;Database=x")]
    [InlineData("api-key", "create", "--name", "x", "--role", "boss")]
    [InlineData("api-key", "create", "--name", "x")]
    [InlineData("admin", "create", "--user", "x", "--password-stdin")]
    [InlineData("no-such-command")]
    public async Task Mistakes_AreSentences(params string[] arguments)
    {
        if (!arguments.Contains("--data")) arguments = [.. arguments, "--data", _data];
        var result = await RunAsync("short\n", arguments);

        Assert.Equal(1, result.Code);
        Assert.NotEqual("", result.Error.Trim());
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_NamesOptionsAndCommands()
    {
        var help = await RunAsync(null, "--help");

        Assert.Equal(0, help.Code);
        foreach (var word in new[] { "--port", "--data", "--host", "--database", "serve", "admin", "api-key", "MCPCAN_" }) Assert.Contains(word, help.Out, StringComparison.Ordinal);
    }

    private async Task<(Process Server, string Url, string Banner)> ServeAsync(params string[] arguments)
    {
        var server = Start(["serve", .. arguments]);
        _servers.Add(server);
        server.StandardInput.Close();
        var banner = new StringBuilder();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        timeout.CancelAfter(Eventually.Patience);
        while (await server.StandardOutput.ReadLineAsync(timeout.Token) is { } line)
        {
            banner.AppendLine(line);
            if (line.Contains("Ctrl-C", StringComparison.Ordinal)) return (server, Regex.Match(banner.ToString(), @"http://\S+/").Value, banner.ToString());
        }
        throw new InvalidOperationException("It ended: " + banner + await server.StandardError.ReadToEndAsync(timeout.Token));
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(string? input, params string[] arguments)
    {
        using var process = Start(arguments);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        timeout.CancelAfter(Eventually.Patience);
        var output = process.StandardOutput.ReadToEndAsync(timeout.Token);
        var error = process.StandardError.ReadToEndAsync(timeout.Token);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
        return (process.ExitCode, await output, await error);
    }

    private static async Task<int> InterruptAsync(Process process)
    {
        using var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(Cancel);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        timeout.CancelAfter(Eventually.Patience);
        await process.WaitForExitAsync(timeout.Token);
        return process.ExitCode;
    }

    private static Process Start(string[] arguments) => Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "mcpcan"), arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        WorkingDirectory = Path.GetTempPath(),
    })!;
}
