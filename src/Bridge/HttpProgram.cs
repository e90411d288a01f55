using System.Net;
using System.Net.Sockets;
using McpCan.Protocol.Links;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Bridge;

/// <summary>
/// A server that listens by itself: one process, started ahead and again when it ends. What it prints is its log. Clients are served as
/// from a remote server: whatever they speak, and whatever it does.
/// </summary>
sealed class HttpProgram : IServers, IDisposable
{
    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(50);

    readonly Lock gate = new();
    readonly ChildHost host;
    readonly BridgeHttp http;
    readonly HttpMessageInvoker client;
    readonly RemoteEras eras;
    Task ready = Task.CompletedTask;
    bool begun;

    public HttpProgram(ChildHost host, BridgeHttp http)
    {
        (this.host, this.http) = (host, http);
        client = new(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        });
        var server = new RemoteServer(client, new Uri($"http://127.0.0.1:{http.Port}{http.Path}"), [])
        {
            // As over pipes: how long a call may take is the client's matter.
            RequestTimeout = TimeSpan.FromDays(1),
            StreamIdleTimeout = TimeSpan.FromDays(1),
            MaxMessageBytes = host.Config.MaxMessageBytes,
            Time = host.Time,
        };
        eras = new(server, http.Transport == "auto", http.Transport == "sse", host.Time);
    }

    public bool IsReady
    {
        get
        {
            lock (gate) return begun && ready.IsCompletedSuccessfully;
        }
    }

    public int SpareCount => 0;

    public bool? SpeaksModern => eras.SpeaksModern;

    public async ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken)
    {
        await ReadyAsync(cancellationToken);
        return await eras.RentAsync(principal, cancellationToken);
    }

    public async ValueTask<bool> DetectAsync(CancellationToken cancellationToken)
    {
        await ReadyAsync(cancellationToken);
        return await eras.DetectAsync(cancellationToken);
    }

    public ModernServer RentModern(string principal) => eras.RentModern(principal);

    public async ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken)
    {
        await ReadyAsync(cancellationToken);
        return await eras.RentSharedAsync(principal, cancellationToken);
    }

    public async ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken)
    {
        await ReadyAsync(cancellationToken);
        return await eras.RentLegacyAsync(principal, cancellationToken);
    }

    public void StartAhead()
    {
        lock (gate) Begin(TimeSpan.Zero);
    }

    public void Sweep()
    {
        // There is one process, for all.
    }

    public void Dispose()
    {
        eras.Dispose();
        client.Dispose();
    }

    async Task ReadyAsync(CancellationToken cancellationToken)
    {
        Task now;
        lock (gate)
        {
            if (!begun || ready.IsFaulted) Begin(TimeSpan.Zero);
            now = ready;
        }
        try
        {
            await now.WaitAsync(TimeSpan.FromSeconds(host.Config.StartSeconds), host.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new ServerUnavailableException(NotListening);
        }
    }

    string NotListening => $"the server did not listen on port {http.Port} within {host.Config.StartSeconds:0} seconds";

    void Begin(TimeSpan after)
    {
        begun = true;
        ready = Task.Run(() => StartAsync(after));
        // Looked at by the clients that come; where none comes the log and the state say it.
        _ = ready.ContinueWith(task => task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    async Task StartAsync(TimeSpan after)
    {
        await Task.Delay(after, host.Time);
        ChildProcess child;
        try
        {
            child = host.Start();
        }
        catch (IOException e)
        {
            host.OnCannotStart(e.Message);
            throw new ServerUnavailableException(e.Message);
        }
        _ = AgainAsync(child);
        var begin = host.Time.GetTimestamp();
        while (!await ListensAsync())
        {
            if (child.Ended.IsCompleted) throw new ServerUnavailableException(child.Exit?.Explain() ?? "the server ended");
            if (host.Time.GetElapsedTime(begin) > TimeSpan.FromSeconds(host.Config.StartSeconds))
            {
                host.OnCannotStart(NotListening);
                child.Stop();
                throw new ServerUnavailableException(NotListening);
            }
            await Task.Delay(Pace, host.Time);
        }
    }

    /// <summary>Starts it again when it ended by itself; after some failures in a row the next client does.</summary>
    async Task AgainAsync(ChildProcess child)
    {
        await child.Ended;
        if (!child.Crashed) return;
        lock (gate)
        {
            if (host.FailedStarts < 5) Begin(TimeSpan.FromMilliseconds(100 << Math.Min(host.FailedStarts, 6)));
        }
    }

    async Task<bool> ListensAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, http.Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
