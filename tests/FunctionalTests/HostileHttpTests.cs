using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Raw bytes on the MCP address of a server that runs: each gets a clear answer, and the next caller is served.</summary>
public sealed class HostileHttpTests(HostileHttpTests.RunningServer server) : IClassFixture<HostileHttpTests.RunningServer>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, int> Bodies => new()
    {
        { "not JSON", "{", 400 },
        { "two values", "{}{}", 400 },
        { "a text", "\"tools/list\"", 400 },
        { "no method", """{"jsonrpc":"2.0","id":1}""", 400 },
        { "null id", """{"jsonrpc":"2.0","id":null,"method":"ping"}""", 400 },
        { "object as id", """{"jsonrpc":"2.0","id":{},"method":"ping"}""", 400 },
        { "number as method", """{"jsonrpc":"2.0","id":1,"method":7}""", 400 },
        { "half a surrogate as method", """{"jsonrpc":"2.0","id":1,"method":"\ud800"}""", 200 },
        { "empty batch", "[]", 400 },
        { "batch where none is allowed", """[{"jsonrpc":"2.0","id":1,"method":"ping"}]""", 400 },
        { "duplicate keys", """{"jsonrpc":"2.0","id":1,"id":2,"method":"nothing","method":"ping"}""", 200 },
        { "deep", """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x","deep":""" + new string('[', 500) + new string(']', 500) + "}}}", 200 },
        { "id of 100,000 digits", """{"jsonrpc":"2.0","id":""" + new string('9', 100_000) + ""","method":"ping"}""", 200 },
        { "id of 100,000 letters", """{"jsonrpc":"2.0","id":" """ + new string('x', 100_000) + "\"" + ""","method":"ping"}""", 200 },
        { "fraction as id", """{"jsonrpc":"2.0","id":2.50,"method":"ping"}""", 200 },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Body_OfAnyKind_HasAClearAnswer(string kind, string body, int status)
    {
        var session = await server.OpenAsync();
        var answer = await server.RoundTripAsync(server.Post(Encoding.UTF8.GetBytes(body), session));

        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), $"{kind}: {answer[..Math.Min(300, answer.Length)]}");
        if (kind == "fraction as id") Assert.Contains("\"id\": 2.50", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer, StringComparison.Ordinal);
        await server.StillServesAsync(session);
    }

    [Fact]
    public async Task InvalidUtf8_IsRefused()
    {
        var session = await server.OpenAsync();
        var answer = await server.RoundTripAsync(server.Post([.. "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\""u8, 0xFF, 0xC0, .. "\"}"u8], session));

        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        await server.StillServesAsync(session);
    }

    [Fact]
    public async Task PipelinedRequests_AreAnsweredInOrder()
    {
        var session = await server.OpenAsync();
        using var client = await server.ConnectAsync();
        for (var i = 1; i <= 20; i++) await client.GetStream().WriteAsync(server.Post(Call(i), session), Cancel);

        var text = await ReadUntilAsync(client, t => t.Contains("\"text-20\"", StringComparison.Ordinal));

        var places = Enumerable.Range(1, 20).Select(i => text.IndexOf($"\"text-{i}\"", StringComparison.Ordinal)).ToArray();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
    }

    [Fact]
    public async Task HalfClosedConnection_IsStillAnswered()
    {
        var session = await server.OpenAsync();
        using var client = await server.ConnectAsync();
        await client.GetStream().WriteAsync(server.Post(Call(3), session), Cancel);
        var stream = client.GetStream();
        client.Client.Shutdown(SocketShutdown.Send);

        // Whether a half-closed client still reads is its business; the server must neither hang nor break.
        try
        {
            await stream.CopyToAsync(Stream.Null, Cancel);
        }
        catch (IOException)
        {
            // reset: an end as well
        }
        await server.StillServesAsync(session);
    }

    [Fact]
    public async Task BodyThatNeverComes_HoldsNothingUp()
    {
        var session = await server.OpenAsync();
        var silent = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 200; i++)
            {
                var client = await server.ConnectAsync();
                silent.Add(client);
                var whole = server.Post(Call(i), session);
                await client.GetStream().WriteAsync(whole.AsMemory(0, i % 2 == 0 ? whole.Length - 5 : 40), Cancel);
            }
            await server.StillServesAsync(session);
        }
        finally
        {
            foreach (var client in silent) client.Dispose();
        }
        await server.StillServesAsync(session);
    }

    [Fact]
    public async Task TenThousandIdleConnections_LeaveRoomForCalls()
    {
        const int KibEach = 64; // several times what one takes; other tests run in this process at the same time
        var session = await server.OpenAsync();
        var count = Math.Min(10_000, OpenFiles() / 2);
        var before = Environment.WorkingSet;
        // The callers' ends live in a process of their own, so that only the server's count against this one's open files.
        using var crowd = Process.Start(new ProcessStartInfo("python3", ["-c", Crowd, $"{new Uri(server.Url).Port}", $"{count}"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            limit.CancelAfter(TimeSpan.FromMinutes(2));
            Assert.Equal($"open {count}", await crowd.StandardOutput.ReadLineAsync(limit.Token));

            await server.StillServesAsync(session);
            Assert.InRange(Environment.WorkingSet - before, long.MinValue, (long)count * KibEach * 1024);
            await crowd.StandardInput.WriteLineAsync("count".AsMemory(), limit.Token);
            Assert.Equal($"open {count}", await crowd.StandardOutput.ReadLineAsync(limit.Token));
        }
        finally
        {
            crowd.Kill();
            await crowd.WaitForExitAsync(Cancel);
        }
        await server.StillServesAsync(session);
    }

    /// <summary>Opens connections from several loopback addresses and says how many are open, now and for each line it reads.</summary>
    private const string Crowd = """
        import resource, select, socket, sys
        port, count = int(sys.argv[1]), int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        ends = [socket.create_connection(('127.0.0.1', port), 60, (f'127.0.0.{2 + i % 20}', 0)) for i in range(count)]
        poll = select.poll()
        for end in ends: poll.register(end, select.POLLIN)
        print('open', count - len(poll.poll(0)), flush=True)
        for line in sys.stdin: print('open', count - len(poll.poll(0)), flush=True)
        """;

    /// <summary>The hard limit of open files, to which the runtime raises its own.</summary>
    private static int OpenFiles()
    {
        var limit = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[4];
        return limit == "unlimited" ? int.MaxValue : int.Parse(limit, System.Globalization.CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("Content-Length: 5\r\nContent-Length: 6")]
    [InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked")]
    [InlineData("Content-Length: -1")]
    [InlineData("Transfer-Encoding: gzip, chunked, identity")]
    [InlineData("Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\nContent-Length: 2")]
    public async Task AmbiguousHeaders_AreRefused(string headers)
    {
        var request = $"POST {server.Path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.Token}\r\nContent-Type: application/json\r\nAccept: */*\r\n{headers}\r\n\r\n{{}}";
        var answer = await server.RoundTripAsync(Encoding.ASCII.GetBytes(request));

        Assert.Matches("^HTTP/1.1 (400|411|501) ", answer);
    }

    private static byte[] Call(int i) =>
        Encoding.UTF8.GetBytes($$$"""{"jsonrpc":"2.0","id":{{{i}}},"method":"tools/call","params":{"name":"echo","arguments":{"text":"text-{{{i}}}"} } }""");

    private static async Task<string> ReadUntilAsync(TcpClient client, Func<string, bool> enough)
    {
        var stream = client.GetStream();
        var text = new StringBuilder();
        var buffer = new byte[65536];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!enough(text.ToString()))
        {
            var read = await stream.ReadAsync(buffer, limit.Token);
            if (read == 0) break;
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
        return text.ToString();
    }

    /// <summary>One server on SQLite with an instance that runs.</summary>
    public sealed class RunningServer : SqliteApp, IAsyncLifetime
    {
        public string Path { get; private set; } = "";
        public string Token { get; private set; } = "";

        async ValueTask IAsyncLifetime.InitializeAsync()
        {
            await InitializeAsync();
            var made = await (await Operator.PostAsJsonAsync("api/v1/instances", new { name = "hostile", processes = "shared", source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } })).Content.ReadFromJsonAsync<JsonElement>();
            var id = made.GetProperty("id").GetString();
            await Eventually.HoldsAsync(async () => (await Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}")).GetProperty("status").GetProperty("state").GetString() == "Running");
            var token = await (await Operator.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances = "*" })).Content.ReadFromJsonAsync<JsonElement>();
            (Path, Token) = ("/mcp-gateway/hostile/mcp", token.GetProperty("value").GetString()!);
        }

        public async Task<TcpClient> ConnectAsync()
        {
            var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", new Uri(Url).Port, Cancel);
            return client;
        }

        public byte[] Post(byte[] body, string? session)
        {
            var head = $"POST {Path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {Token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
                (session is null ? "" : $"Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-06-18\r\n") + $"Content-Length: {body.Length}\r\n\r\n";
            return [.. Encoding.ASCII.GetBytes(head), .. body];
        }

        /// <summary>The answer to one request, read to its end.</summary>
        public async Task<string> RoundTripAsync(byte[] request)
        {
            using var client = await ConnectAsync();
            await client.GetStream().WriteAsync(request, Cancel);
            return await ReadUntilAsync(client, IsWhole);
        }

        public async Task<string> OpenAsync()
        {
            var answer = await RoundTripAsync(Post("""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}"""u8.ToArray(), null));
            var line = answer.Split("\r\n").First(l => l.StartsWith("Mcp-Session-Id:", StringComparison.OrdinalIgnoreCase));
            return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        public async Task StillServesAsync(string session)
        {
            var answer = await RoundTripAsync(Post(Call(77), session));
            Assert.Contains("text-77", answer, StringComparison.Ordinal);
        }

        private static bool IsWhole(string text)
        {
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0) return false;
            if (text[..end].Contains("chunked", StringComparison.OrdinalIgnoreCase)) return text.EndsWith("0\r\n\r\n", StringComparison.Ordinal);
            var length = text[..end].Split("\r\n").FirstOrDefault(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
            return length is null || Encoding.UTF8.GetByteCount(text.AsSpan(end + 4)) >= int.Parse(length["Content-Length:".Length..], System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
