using System.Globalization;
using System.Net.WebSockets;
using System.Security.Claims;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Terminals;

/// <summary>
/// The open terminals: how many, for how long, and whose. Each is a WebSocket and a command:
/// <code>
/// browser ── binary: keys ──────────────▶ ┌────────┐ ──▶ pseudo-terminal
///         ── text: {"resize":…} ────────▶ │ Serve  │
///         ◀─ binary: output ───────────── │        │ ◀── command
///         ◀─ text: {"exit":…} {"end":…} ─ └────────┘
/// </code>
/// Whichever end goes first takes the other with it; so do an idle quarter of an hour, a revoked session or key, and the end of the server.
/// </summary>
internal sealed partial class TerminalSessions(
    InstanceChanges changes, UserSessions users, ApiKeyManager keys, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<TerminalSessions> logger)
{
    public const int Most = 16, MostOfOne = 4;
    public static readonly TimeSpan Idle = TimeSpan.FromMinutes(15), Look = TimeSpan.FromSeconds(5), SendLimit = TimeSpan.FromSeconds(30), Farewell = TimeSpan.FromSeconds(3);
    private const int MessageLimit = 64 << 10;
    private readonly Dictionary<string, int> _open = new(StringComparer.Ordinal);

    /// <summary>A place among the open ones, until it is disposed.</summary>
    public IDisposable Take(string principal)
    {
        lock (_open)
        {
            var own = _open.GetValueOrDefault(principal);
            if (own >= MostOfOne) throw new ProblemException(429, "too-many-terminals", $"You have {MostOfOne} terminals open. Close one first.");
            if (_open.Values.Sum() >= Most) throw new ProblemException(503, "too-many-terminals", $"{Most} terminals are open. Wait until one is closed.");
            _open[principal] = own + 1;
        }
        return new Place(this, principal);
    }

    /// <summary>Goes on until one of both ends has ended.</summary>
    public async Task ServeAsync(WebSocket socket, ITerminal terminal, string instanceId, TerminalRequest request, HttpContext http, CancellationToken cancellationToken)
    {
        var actor = http.User.Actor();
        var begin = time.GetTimestamp();
        await changes.NoteAsync(instanceId, "terminal-opened", actor, ReferenceEquals(request.Command, TerminalRequest.Shell) ? "shell" : string.Join(' ', request.Command), cancellationToken);
        var outcome = "failed";
        try
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
            var use = new LastUse(time);
            var reader = ReceiveAsync(socket, terminal, use, over.Token);
            var writer = SendAsync(socket, terminal, use, over.Token);
            var watcher = WatchAsync(http, use, over.Token);
            var first = await Task.WhenAny(reader, writer, watcher);
            outcome = first.IsFaulted ? "failed" : await first ?? "closed";
            if (lifetime.ApplicationStopping.IsCancellationRequested) outcome = "stopping";
            // Said before anything is cancelled: a cancelled receive aborts the socket.
            await SayAsync(socket, first == writer, outcome, terminal);
            await terminal.DisposeAsync();
            await ((Task)reader).WaitAsync(Farewell, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the other's close
            await over.CancelAsync();
            await ((Task)Task.WhenAll(reader, writer, watcher)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (first.Exception is { } e) LogFailed(instanceId, e);
        }
        finally
        {
            var seconds = time.GetElapsedTime(begin).TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
            await changes.NoteAsync(instanceId, "terminal-closed", actor, $"{outcome}, after {seconds} s", CancellationToken.None);
        }
    }

    private static async Task<string?> ReceiveAsync(WebSocket socket, ITerminal terminal, LastUse use, CancellationToken cancellationToken)
    {
        var buffer = new byte[MessageLimit];
        var text = new MemoryStream();
        try
        {
            while (true)
            {
                var message = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
                if (message.MessageType == WebSocketMessageType.Close) return "closed";
                use.Now();
                if (message.MessageType == WebSocketMessageType.Binary)
                {
                    await terminal.WriteAsync(buffer.AsMemory(0, message.Count), cancellationToken);
                    continue;
                }
                text.Write(buffer, 0, message.Count);
                if (text.Length > 1024) return "bad-message";
                if (!message.EndOfMessage) continue;
                if (Size(text.ToArray()) is not { } size) return "bad-message";
                text.SetLength(0);
                await terminal.ResizeAsync(size.Columns, size.Rows, cancellationToken);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            return "closed";
        }
    }

    private static async Task<string?> SendAsync(WebSocket socket, ITerminal terminal, LastUse use, CancellationToken cancellationToken)
    {
        var buffer = new byte[16 << 10];
        try
        {
            while (await terminal.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            {
                use.Now();
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                limit.CancelAfter(SendLimit); // a browser that sleeps holds nothing for ever
                await socket.SendAsync(buffer.AsMemory(0, count), WebSocketMessageType.Binary, true, limit.Token);
            }
            return await terminal.Exit.WaitAsync(cancellationToken) is { } code ? $"exit code {code}" : "ended";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return "slow";
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            return "closed";
        }
    }

    private async Task<string?> WatchAsync(HttpContext http, LastUse use, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Look, time);
        var key = http.User.Identity?.AuthenticationType == ApiKeyHandler.Name ? http.Request.Headers.Authorization.ToString()["Bearer ".Length..].Trim() : null;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if (use.Ago > Idle) return "idle";
                var may = key is null
                    ? await users.IsValidAsync(http.User, cancellationToken)
                    : await keys.VerifyAsync(key, cancellationToken) is { } known && Principal.Rights(known.Role).Contains(Policies.Terminal);
                if (!may) return "revoked";
            }
        }
        catch (OperationCanceledException)
        {
            // it has ended
        }
        return "closed";
    }

    private static async Task SayAsync(WebSocket socket, bool ended, string outcome, ITerminal terminal)
    {
        if (socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived)) return;
        using var limit = new CancellationTokenSource(Farewell);
        try
        {
            if (socket.State == WebSocketState.Open && outcome != "slow")
            {
                var said = ended && terminal.Exit.IsCompletedSuccessfully ? JsonSerializer.SerializeToUtf8Bytes(new { exit = await terminal.Exit }) : JsonSerializer.SerializeToUtf8Bytes(new { end = outcome });
                await socket.SendAsync(said, WebSocketMessageType.Text, true, limit.Token);
            }
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or InvalidOperationException)
        {
            socket.Abort(); // nobody listens
        }
    }

    /// <summary>The size that a text message asks for; null when it is no such message.</summary>
    internal static (int Columns, int Rows)? Size(ReadOnlyMemory<byte> text)
    {
        try
        {
            using var json = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 4 });
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("resize", out var size) && size.ValueKind == JsonValueKind.Object
                && size.TryGetProperty("columns", out var columns) && columns.ValueKind == JsonValueKind.Number && columns.TryGetInt32(out var width) && width is >= 2 and <= 1000
                && size.TryGetProperty("rows", out var rows) && rows.ValueKind == JsonValueKind.Number && rows.TryGetInt32(out var height) && height is >= 2 and <= 1000
                ? (width, height) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed class LastUse(TimeProvider time)
    {
        private long _at = time.GetTimestamp();

        public TimeSpan Ago => time.GetElapsedTime(Interlocked.Read(ref _at));

        public void Now() => Interlocked.Exchange(ref _at, time.GetTimestamp());
    }

    private sealed class Place(TerminalSessions sessions, string principal) : IDisposable
    {
        public void Dispose()
        {
            lock (sessions._open)
            {
                if (--sessions._open[principal] == 0) sessions._open.Remove(principal);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "A terminal of {InstanceId} failed")]
    private partial void LogFailed(string instanceId, Exception exception);
}
