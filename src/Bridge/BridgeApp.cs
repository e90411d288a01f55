using System.Diagnostics.CodeAnalysis;
using System.Net;
using McpCan.Protocol.Http;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace McpCan.Bridge;

/// <summary>The program: servers on one side, HTTP on the other.</summary>
sealed class BridgeApp : IDisposable
{
    readonly BridgeConfig config;
    readonly ChildHost host;
    readonly SessionTable sessions;
    readonly McpEndpoint mcp;
    readonly SseEndpoint sse;
    readonly IServers servers;
    readonly ModernEndpoint modern;
    readonly DateTimeOffset startedAt;
    long lastUse = Environment.TickCount64;

    BridgeApp(BridgeConfig config, BridgeLog log, TimeProvider time)
    {
        this.config = config;
        startedAt = time.GetUtcNow();
        host = new(config, log, time);
        servers = config.Http is not { } http ? Processes(host) : KnowsHttp ? new HttpProgram(host, http) : throw new InvalidDataException("this program was built without http; start mcpcan-bridge-http");
        sessions = new(servers, Options(config), config.MaxSessions, time) { ServerAnswered = host.OnAnswered };
        modern = new(servers, sessions.Options, time);
        mcp = new(sessions, modern);
        sse = new(sessions);
    }

    [FeatureSwitchDefinition("McpCan.Bridge.Http")]
    static bool KnowsHttp => !AppContext.TryGetSwitch("McpCan.Bridge.Http", out var known) || known;

    static EraServers Processes(ChildHost host)
    {
        if (host.Config.Processes != "per-session") return new(host, null, new SharedServers(host, host.Config.Processes == "per-principal"));
        var perSession = new PerSessionServers(host);
        host.ServerCrashed = perSession.Refill;
        return new(host, perSession, null);
    }

    static McpCan.Protocol.Sessions.SessionOptions Options(BridgeConfig config) => new()
    {
        MaxMessageBytes = config.MaxMessageBytes,
        ReplayBytes = config.ReplayBytes,
        KeepAlive = TimeSpan.FromSeconds(config.KeepAliveSeconds),
        IdleLimit = TimeSpan.FromSeconds(config.SessionIdleSeconds),
        ParkLimit = TimeSpan.FromSeconds(config.ParkSeconds),
        MaxLeases = config.MaxLeases,
        StartLimit = TimeSpan.FromSeconds(config.StartSeconds),
    };

    /// <summary>Runs until SIGTERM, SIGINT or <c>POST /-/stop</c>.</summary>
    public static async Task<int> RunAsync(BridgeConfig config)
    {
        using var log = new BridgeLog(config, TimeProvider.System);
        using var bridge = new BridgeApp(config, log, TimeProvider.System);
        await using var web = bridge.BuildWeb();
        bridge.host.StartGuard();
        if (config.Listen.StartsWith("unix:", StringComparison.Ordinal)) File.Delete(config.Listen["unix:".Length..]);
        var mask = Native.UMask(0x7F); // the socket is for us alone from its first moment
        await web.StartAsync();
        _ = Native.UMask(mask);
        bridge.servers.StartAhead();
        using var sweep = TimeProvider.System.CreateTimer(_ => bridge.servers.Sweep(), null, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5));
        await web.WaitForShutdownAsync();
        await bridge.host.StopAllAsync();
        return 0;
    }

    WebApplication BuildWeb()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(Listen);
        builder.WebHost.UseSockets(sockets =>
        {
            // No hop between threads from the socket to the server's standard input: nothing here ever blocks.
            sockets.UnsafePreferInlineScheduling = true;
            sockets.WaitForDataBeforeAllocatingBuffer = false;
        });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(15));
        var web = builder.Build();
        web.Lifetime.ApplicationStopping.Register(EndAll);
        web.Run(http => HandleAsync(http, web.Lifetime));
        return web;
    }

    void Listen(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        options.Limits.MaxRequestBodySize = null; // the endpoint has its own limit and answer
        options.Limits.MinResponseDataRate = null; // a stream may be quiet, and has its own limit when it is not read
        options.Limits.MaxConcurrentConnections = null;
        if (config.Listen.StartsWith("unix:", StringComparison.Ordinal))
        {
            options.ListenUnixSocket(config.Listen["unix:".Length..]);
            return;
        }
        var address = new Uri(config.Listen);
        options.Listen(address.Host is "localhost" ? IPAddress.Loopback : IPAddress.Parse(address.Host.Trim('[', ']')), address.Port);
    }

    // On a TCP port any web page could reach us through the user's browser (spec: basic/transports, Security Warning).
    bool IsForeign(HttpRequest request)
        => !config.Listen.StartsWith("unix:", StringComparison.Ordinal)
        && (!IsOurs(request.Host.Host) || request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var uri) && IsOurs(uri.Host)));

    bool IsOurs(string host) => host is "localhost" or "127.0.0.1" or "[::1]" || host == new Uri(config.Listen).Host;

    Task HandleAsync(HttpContext http, IHostApplicationLifetime lifetime)
    {
        if (IsForeign(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            return Task.CompletedTask;
        }
        // Probes of the platform name no principal, and are no use.
        if (http.Request.Headers.ContainsKey(McpEndpoint.PrincipalHeader)) Volatile.Write(ref lastUse, Environment.TickCount64);
        switch (http.Request.Path.Value)
        {
            case "/mcp":
                return mcp.HandleAsync(http);
            case "/sse":
                return sse.StreamAsync(http);
            case "/message":
                return sse.MessageAsync(http);
            case "/-/status" when http.Request.Method == "GET":
                return http.Response.WriteAsJsonAsync(Status(), BridgeJson.Default.BridgeStatus, cancellationToken: http.RequestAborted);
            case "/-/stop" when http.Request.Method == "POST":
                return StopAsync(http, lifetime);
            default:
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
        }
    }

    void EndAll()
    {
        sessions.EndAll("the bridge is stopping");
        modern.EndAll("the bridge is stopping");
    }

    async Task StopAsync(HttpContext http, IHostApplicationLifetime lifetime)
    {
        EndAll();
        await host.StopAllAsync();
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        http.Response.OnCompleted(() =>
        {
            lifetime.StopApplication();
            return Task.CompletedTask;
        });
    }

    public void Dispose()
    {
        sessions.Dispose();
        modern.Dispose();
        (servers as IDisposable)?.Dispose();
        host.Dispose();
    }

    BridgeStatus Status()
    {
        var failing = host.FailedStarts >= 3;
        var state = failing ? "failed" : servers.IsReady ? "ready" : "starting";
        return new(state, sessions.Count, host.Count, servers.SpareCount, sessions.RunningCalls + modern.RunningCount, host.LastExit, host.Restarts, startedAt, (Environment.TickCount64 - Volatile.Read(ref lastUse)) / 1000.0);
    }
}
