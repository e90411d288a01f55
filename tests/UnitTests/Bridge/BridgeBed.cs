using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>A bridge as a real process with tests/Servers/echo.py behind it, on a Unix socket.</summary>
sealed class BridgeBed : IAsyncDisposable
{
    static readonly string Root = FindRoot();
    readonly string folder = Directory.CreateTempSubdirectory("bed-").FullName;
    readonly string tag = "BED=" + Guid.NewGuid().ToString("N");

    BridgeBed()
    {
        Client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        { BaseAddress = new("http://localhost"), Timeout = TimeSpan.FromSeconds(60) };
    }

    public HttpClient Client { get; }
    public Process Process { get; private set; } = null!;
    public string SocketPath => Path.Combine(folder, "bridge.sock");
    public string LogFolder => Path.Combine(folder, "logs");

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static string EchoServer => Path.Combine(Root, "tests/Servers/echo.py");

    /// <summary>The same with tests/Servers/modern.py.</summary>
    public static Task<BridgeBed> StartModernAsync(object? settings = null, params string[] serverOptions)
    {
        var config = JsonSerializer.SerializeToNode(settings ?? new { })!.AsObject();
        config["command"] = new JsonArray(["python3", Path.Combine(Root, "tests/Servers/modern.py"), .. serverOptions]);
        return StartAsync(config);
    }

    public static async Task<BridgeBed> StartAsync(object? settings = null, params string[] serverOptions)
    {
        var bed = new BridgeBed();
        var config = JsonSerializer.SerializeToNode(settings ?? new { })!.AsObject();
        config["listen"] = "unix:" + bed.SocketPath;
        config["command"] ??= new JsonArray(["python3", EchoServer, .. serverOptions]);
        config["workingDirectory"] ??= bed.folder;
        config["logDirectory"] = bed.LogFolder;
        config["environment"] = new JsonObject { ["BED"] = bed.tag[4..] };
        var path = Path.Combine(bed.folder, "bridge.json");
        await File.WriteAllTextAsync(path, config.ToJsonString(), Stop);
        bed.Process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "mcpcan-bridge"), ["--config", path]))!;
        await bed.Until(async () => File.Exists(bed.SocketPath) && (await bed.Client.GetAsync("/-/status", Stop)).IsSuccessStatusCode);
        return bed;
    }

    public async Task<JsonNode> StatusAsync() => JsonNode.Parse(await Client.GetStringAsync("/-/status", Stop))!;

    /// <summary>Opens a session and gives its id.</summary>
    public async Task<string> OpenAsync(string version = "2025-11-25", string? principal = null)
    {
        using var response = await PostAsync(null, $$$"""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"{{{version}}}","capabilities":{"sampling":{}},"clientInfo":{"name":"bed","version":"1"} } }""", principal: principal);
        var body = await response.Content.ReadAsStringAsync(Stop);
        Assert.True(body.Contains("\"result\"", StringComparison.Ordinal), body);
        var session = response.Headers.GetValues("Mcp-Session-Id").Single();
        using var _ = await PostAsync(session, """{"jsonrpc":"2.0","method":"notifications/initialized"}""", principal: principal);
        return session;
    }

    public Task<HttpResponseMessage> PostAsync(string? session, string json, string? principal = null, Action<HttpRequestMessage>? change = null, CancellationToken? cancellationToken = null)
        => PostAsync(session, Encoding.UTF8.GetBytes(json), principal, change, cancellationToken: cancellationToken);

    public Task<HttpResponseMessage> PostAsync(string? session, byte[] body, string? principal = null, Action<HttpRequestMessage>? change = null, string path = "/mcp", CancellationToken? cancellationToken = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.Accept.ParseAdd("application/json");
        request.Headers.Accept.ParseAdd("text/event-stream");
        if (session is not null) request.Headers.Add("Mcp-Session-Id", session);
        if (principal is not null) request.Headers.Add("Mcpcan-Principal", principal);
        change?.Invoke(request);
        return Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken ?? Stop);
    }

    public static string Call(string id, string tool, object? arguments = null, string? token = null)
        => $$"""{"jsonrpc":"2.0","id":{{id}},"method":"tools/call","params":{"name":"{{tool}}","arguments":{{JsonSerializer.Serialize(arguments ?? new { })}}{{(token is null ? "" : $",\"_meta\":{{\"progressToken\":{token}}}")}} } }""";

    /// <summary>Calls a tool and gives the whole body: JSON or events.</summary>
    public async Task<string> CallAsync(string session, string tool, object? arguments = null, string id = "1", string? principal = null)
    {
        using var response = await PostAsync(session, Call(id, tool, arguments), principal);
        return await response.Content.ReadAsStringAsync(Stop);
    }

    public async Task<EventReader> GetAsync(string session, string? lastEventId = null, string path = "/mcp")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (session.Length > 0) request.Headers.Add("Mcp-Session-Id", session);
        if (lastEventId is not null) request.Headers.Add("Last-Event-ID", lastEventId);
        var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return await EventReader.OpenAsync(response);
    }

    /// <summary>The servers of this bridge that run, with all that they started.</summary>
    public int[] Processes() => [.. Directory.EnumerateDirectories("/proc").Where(HasTag).Select(path => int.Parse(Path.GetFileName(path), null))];

    bool HasTag(string path)
    {
        try
        {
            return char.IsAsciiDigit(Path.GetFileName(path)[0]) && File.ReadAllText(path + "/environ").Contains(tag, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public async Task Until(Func<Task<bool>> condition)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                if (await condition()) return;
            }
            catch (HttpRequestException) when (watch.Elapsed.TotalSeconds < 20)
            {
                // not up yet
            }
            Assert.True(watch.Elapsed.TotalSeconds < 20, "the condition did not come true in 20 seconds");
            await Task.Delay(20, Stop);
        }
    }

    public Task UntilNoProcess() => Until(() => Task.FromResult(Processes().Length == 0));

    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
        {
            using var _ = await Client.PostAsync("/-/stop", null, CancellationToken.None);
            await Process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20), CancellationToken.None);
            Assert.Equal(0, Process.ExitCode);
        }
        await UntilNoProcess();
        Client.Dispose();
        Process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "McpCan.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
