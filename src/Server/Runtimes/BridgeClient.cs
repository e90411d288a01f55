using System.Net.Sockets;

namespace McpCan.Server.Runtimes;

/// <summary>The bridge's answer to <c>GET /-/status</c>.</summary>
internal sealed record BridgeState(string State, int Sessions, int Children, int RunningCalls, int Restarts, BridgeExit? LastExit, double UnusedSeconds);

/// <summary>How a server process behind the bridge ended.</summary>
internal sealed record BridgeExit(int? Code, string? Signal, DateTimeOffset Time, string[]? LastLines)
{
    /// <summary>The same with the likely cause.</summary>
    public WorkloadExit Explain(bool outOfMemory)
    {
        var lines = LastLines ?? [];
        int? signal = Signal is null ? null : Signal switch { "SIGABRT" => 6, "SIGKILL" => 9, "SIGSEGV" => 11, "SIGTERM" => 15, var s when int.TryParse(s, out var n) => n, _ => 0 };
        return new WorkloadExit(Code, signal, "run", ExitReasons.Explain("run", Code, signal, signal == 9 && outOfMemory, lines), lines, Time);
    }
}

/// <summary>The bridge's control calls.</summary>
internal static class BridgeClient
{
    /// <summary>The state, or null while nothing answers.</summary>
    public static async Task<BridgeState?> StatusAsync(string address, CancellationToken cancellationToken)
    {
        try
        {
            using var client = Connect(address, TimeSpan.FromSeconds(5));
            return await client.GetFromJsonAsync<BridgeState>("/-/status", cancellationToken);
        }
        catch (Exception e) when (Unreachable(e, cancellationToken) || e is System.Text.Json.JsonException)
        {
            return null;
        }
    }

    /// <summary>Asks the bridge to end. False when it cannot be asked.</summary>
    public static async Task<bool> StopAsync(string address, CancellationToken cancellationToken)
    {
        try
        {
            using var client = Connect(address, TimeSpan.FromSeconds(5));
            using var response = await client.PostAsync("/-/stop", null, cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (Unreachable(e, cancellationToken))
        {
            return false;
        }
    }

    private static bool Unreachable(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private static HttpClient Connect(string address, TimeSpan timeout) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address["unix:".Length..]), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    })
    { BaseAddress = new Uri("http://bridge"), Timeout = timeout };
}
