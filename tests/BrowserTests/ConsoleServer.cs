using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using McpCan.BrowserTests;

[assembly: AssemblyFixture(typeof(ConsoleServer))]

namespace McpCan.BrowserTests;

/// <summary>The published server as its own process, set up through its pages, and one Chromium for all tests.</summary>
public sealed partial class ConsoleServer : IAsyncLifetime
{
    public const string UserName = "admin";
    public const string Password = "correct horse battery";
    private static readonly string[] Flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    private readonly StringBuilder _output = new();
    private readonly string _data = Directory.CreateTempSubdirectory("mcpcan-browser-").FullName;
    private Process? _process;
    private IPlaywright? _playwright;

    public static string Root { get; } = FindRoot();
    public string Url { get; private set; } = "";
    public string SetupCode { get; private set; } = "";
    /// <summary>Cookies of the signed-in administrator.</summary>
    public string Session { get; private set; } = "";
    public IBrowser Chromium { get; private set; } = null!;
    /// <summary>The management API with an administrator's key.</summary>
    public HttpClient Api { get; } = new();

    public async ValueTask InitializeAsync()
    {
        var program = Path.Combine(Root, "artifacts", "server", "mcpcan");
        if (!File.Exists(program)) await RunAsync(Path.Combine(Root, "script", "build"));
        Url = $"http://127.0.0.1:{FreePort()}";
        Api.BaseAddress = new Uri($"{Url}/api/v1/");
        _process = Start(program, "serve", "--port", new Uri(Url).Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "--data", _data);
        _process.OutputDataReceived += Note;
        _process.ErrorDataReceived += Note;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await UntilAsync("the server answers", async () => (await Api.GetAsync($"{Url}/readyz")).IsSuccessStatusCode, TimeSpan.FromSeconds(60));
        await UntilAsync("the set-up code is printed", () => Task.FromResult(Code().IsMatch(Output)), TimeSpan.FromSeconds(20));
        SetupCode = Code().Match(Output).Groups[1].Value;
        _playwright = await Playwright.CreateAsync();
        SetDefaultExpectTimeout(20_000); // two suites may share the machine; what holds at once waits no longer
        Chromium = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Environment.GetEnvironmentVariable("MCPCAN_TEST_CHROMIUM") ?? "/usr/bin/chromium", Args = Flags });
        await SetUpAsync();
        Api.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await RunAsync(program, "api-key", "create", "--name", "tests", "--role", "admin", "--data", _data)).Trim());
    }

    private string Output { get { lock (_output) return _output.ToString(); } }

    /// <summary>A fresh code is needed, so the wrong one is tried here as well.</summary>
    private async Task SetUpAsync()
    {
        await using var visit = await Visit.StartAsync(this, signedIn: false);
        var page = visit.Page;
        await page.GotoAsync(Url);
        await Expect(page).ToHaveURLAsync(new Regex("/setup$"));
        await FillAsync("AAAA-BBBB-CCCC-DDDD");
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("not the one that the server printed");
        await FillAsync(SetupCode);
        await visit.ReadyAsync();
        Session = await visit.Context.StorageStateAsync();

        async Task FillAsync(string code)
        {
            await page.GetByLabel("One-time set-up code").FillAsync(code);
            await page.GetByLabel("User name").FillAsync(UserName);
            await page.GetByLabel("Password", new() { Exact = true }).FillAsync(Password);
            await page.GetByRole(AriaRole.Button, new() { Name = "Create administrator" }).ClickAsync();
        }
    }

    public static async Task UntilAsync(string what, Func<Task<bool>> done, TimeSpan most)
    {
        for (var watch = Stopwatch.StartNew(); ;)
        {
            try
            {
                if (await done()) return;
            }
            catch (HttpRequestException)
            {
                // Not yet.
            }
            Assert.True(watch.Elapsed < most, $"Not within {most.TotalSeconds:0} s: {what}");
            await Task.Delay(100);
        }
    }

    private void Note(object sender, DataReceivedEventArgs e)
    {
        lock (_output) _output.AppendLine(e.Data);
    }

    private static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() };
        start.Environment["MCPCAN_BRIDGE_PATH"] = Path.Combine(Root, "artifacts", "bridge", "mcpcan-bridge");
        start.Environment["MCPCAN_VOLUME_ROOTS"] = Path.Combine(Root, "tests"); // any folder; the form offers host folders then
        start.Environment["MCPCAN_LOGINS_PER_MINUTE"] = "1000";
        start.Environment["MCPCAN_EGRESS_ALLOW"] = "loopback"; // the tests' remote servers run here
        return Process.Start(start)!;
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return await output;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "McpCan.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }

    public async ValueTask DisposeAsync()
    {
        if (Chromium is not null) await Chromium.DisposeAsync();
        _playwright?.Dispose();
        Api.Dispose();
        if (_process is { HasExited: false })
        {
            // As Ctrl-C does, so that workloads end with it.
            using var kill = Process.Start("kill", ["-INT", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }
        _process?.Dispose();
        try
        {
            Directory.Delete(_data, recursive: true);
        }
        catch (IOException)
        {
            // Something of a workload is still ending; the folder is below TMPDIR.
        }
    }

    [GeneratedRegex(@"one-time code: (\S+)")]
    private static partial Regex Code();
}
