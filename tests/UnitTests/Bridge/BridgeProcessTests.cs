using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;

namespace McpCan.UnitTests.Bridge;

/// <summary>Processes: crashes, trees, limits, logs, the end of everything.</summary>
public class BridgeProcessTests
{
    const string Initialize = """{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}""";
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Crash_DuringACall_IsNamed_ThenSessionIsGone()
    {
        await using var bed = await BridgeBed.StartAsync();
        var session = await bed.OpenAsync();
        var body = await bed.CallAsync(session, "crash", new { code = 3 });
        Assert.Contains("-32010", body);
        Assert.Contains("code 3: about to crash", body);
        using var gone = await bed.PostAsync(session, """{"jsonrpc":"2.0","id":1,"method":"ping"}""");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        var status = await bed.StatusAsync();
        Assert.Equal(3, (int)status["lastExit"]!["code"]!);
        Assert.Equal("ready", (string?)status["state"]);
        await bed.OpenAsync();
    }

    [Fact]
    public async Task Client_ThatLeavesBeforeItsSessionBegins_LeavesNone()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0 }, "--silent");
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var asked = bed.PostAsync(null, Initialize, cancellationToken: leave.Token);
        await bed.Until(async () => (int)(await bed.StatusAsync())["sessions"]! == 1);

        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await bed.Until(async () => (int)(await bed.StatusAsync())["sessions"]! == 0);
        await bed.Until(() => Task.FromResult(bed.Processes().Length == 0));
    }

    [Fact]
    public async Task Server_ThatExitsAtOnce_IsExplained()
    {
        await using var bed = await BridgeBed.StartAsync(null, "--exit", "7");
        await bed.Until(async () => (string?)(await bed.StatusAsync())["state"] == "failed");
        using var response = await bed.PostAsync(null, Initialize);
        var body = await response.Content.ReadAsStringAsync(Stop);
        Assert.Contains("code 7: cannot start: no configuration", body);
        Assert.False(response.Headers.Contains("Mcp-Session-Id"));
        Assert.Equal("cannot start: no configuration", (string?)(await bed.StatusAsync())["lastExit"]!["lastLines"]![0]);
    }

    [Fact]
    public async Task Program_ThatDoesNotExist_IsExplained()
    {
        await using var bed = await BridgeBed.StartAsync(new { command = (string[])["/nonexistent/server"] });
        using var response = await bed.PostAsync(null, Initialize);
        Assert.Contains("cannot start /nonexistent/server", await response.Content.ReadAsStringAsync(Stop));
    }

    [Fact]
    public async Task Server_ThatNeverAnswers_IsEnded()
    {
        await using var bed = await BridgeBed.StartAsync(new { startSeconds = 1, warmSpares = 0, sessionIdleSeconds = 2 }, "--silent");
        using var response = await bed.PostAsync(null, Initialize);
        Assert.Contains("did not answer initialize within 1 seconds", await response.Content.ReadAsStringAsync(Stop));
        await bed.UntilNoProcess();
    }

    [Fact]
    public async Task Noise_AndLateStart_AreTolerated()
    {
        await using var bed = await BridgeBed.StartAsync(null, "--banner", "--bom", "--slow-start", "1");
        await bed.OpenAsync();
        Assert.Contains("*** Welcome", await File.ReadAllTextAsync(Path.Combine(bed.LogFolder, "run-1.ndjson"), Stop));
    }

    [Fact]
    public async Task IdleSessions_End_WithTheirProcesses()
    {
        await using var bed = await BridgeBed.StartAsync(new { sessionIdleSeconds = 1, warmSpares = 0 });
        for (var i = 0; i < 5; i++) await bed.OpenAsync();
        var listening = await bed.OpenAsync();
        using var events = await bed.GetAsync(listening);
        await bed.Until(async () => (int)(await bed.StatusAsync())["sessions"]! == 1);
        await bed.Until(() => Task.FromResult(bed.Processes().Length == 1));
    }

    [Fact]
    public async Task Sessions_BeyondTheLimit_Get503()
    {
        await using var bed = await BridgeBed.StartAsync(new { maxSessions = 1 });
        await bed.OpenAsync();
        using var response = await bed.PostAsync(null, Initialize);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.Contains("too many sessions", await response.Content.ReadAsStringAsync(Stop));
    }

    [Fact]
    public async Task Tree_OfAnEndedSession_IsGone()
    {
        await using var bed = await BridgeBed.StartAsync(new { warmSpares = 0 });
        var session = await bed.OpenAsync();
        await bed.CallAsync(session, "fork", new { count = 2 });
        await bed.CallAsync(session, "fork", new { count = 2, detach = true });
        Assert.Equal(5, bed.Processes().Length);
        using var delete = new HttpRequestMessage(HttpMethod.Delete, "/mcp") { Headers = { { "Mcp-Session-Id", session } } };
        await bed.Client.SendAsync(delete, Stop);
        await bed.UntilNoProcess();
    }

    [Fact]
    public async Task Tree_OfAKilledBridge_IsGone()
    {
        await using var bed = await BridgeBed.StartAsync(null, "--deaf");
        var session = await bed.OpenAsync();
        await bed.CallAsync(session, "fork", new { count = 1 });
        await bed.CallAsync(session, "fork", new { count = 1, detach = true });
        Assert.True(bed.Processes().Length >= 3);
        bed.Process.Kill();
        await bed.UntilNoProcess();
    }

    [Fact]
    public async Task DeafServer_IsStoppedOnSigterm()
    {
        await using var bed = await BridgeBed.StartAsync(null, "--deaf");
        await bed.OpenAsync();
        using var kill = Process.Start("kill", ["-TERM", $"{bed.Process.Id}"]);
        await bed.Process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(15), Stop);
        Assert.Equal(0, bed.Process.ExitCode);
        await bed.UntilNoProcess();
    }

    [Fact]
    public async Task Flood_OnStderr_StaysBoundedOnDisk()
    {
        await using var bed = await BridgeBed.StartAsync(new { logBytes = 200_000 });
        var session = await bed.OpenAsync();
        Assert.Contains("flooded", await bed.CallAsync(session, "flood", new { mib = 20 }));
        using var delete = new HttpRequestMessage(HttpMethod.Delete, "/mcp") { Headers = { { "Mcp-Session-Id", session } } };
        await bed.Client.SendAsync(delete, Stop);
        await bed.Until(async () => (int)(await bed.StatusAsync())["children"]! == 1); // all that it wrote has been read
        Assert.True(Directory.GetFiles(bed.LogFolder).Sum(path => new FileInfo(path).Length) < 250_000);
        Assert.Equal(2, Directory.GetFiles(bed.LogFolder).Length);
        var line = JsonNode.Parse(File.ReadLines(Path.Combine(bed.LogFolder, "run-1.1.ndjson")).First())!;
        Assert.Equal(("stderr", "info"), ((string?)line["stream"], (string?)line["level"]));
    }

    [Fact]
    public async Task Line_BeyondTheLimit_EndsTheServer()
    {
        await using var bed = await BridgeBed.StartAsync(new { maxMessageBytes = 1_000_000 });
        var session = await bed.OpenAsync();
        Assert.Contains("longer than", await bed.CallAsync(session, "big", new { bytes = 5_000_000 }));
    }
}
