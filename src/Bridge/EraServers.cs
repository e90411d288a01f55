using McpCan.Protocol;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Bridge;

/// <summary>
/// The server in each era. A process fixes its era with the first message that it answers, so each era has processes of
/// its own. Legacy clients get a legacy process at once; the era is looked for, in a process that serves nobody, when a
/// modern client comes or when a legacy client was refused. The answer holds for the bridge's life.
/// </summary>
sealed class EraServers : IServers
{
    readonly Lock gate = new();
    readonly ChildHost host;
    readonly PerSessionServers? perSession;
    readonly SharedServers shared;
    readonly bool isShared;
    readonly Dictionary<string, Modern> moderns = [];
    ChildProcess? found; // the process that answered the question: it is of the modern era now
    Task<bool>? detecting;
    volatile Verdict? verdict;
    volatile bool refusesLegacy;

    sealed record Verdict(bool SpeaksModern, DateTimeOffset Until);

    sealed class Modern
    {
        public ModernServer Server { get; set; } = null!;
        public ChildProcess? Child { get; set; }
        public DateTimeOffset UnusedSince { get; set; }
    }

    public EraServers(ChildHost host, PerSessionServers? perSession, SharedServers? shared)
    {
        (this.host, this.perSession) = (host, perSession);
        // With a process for each session, modern calls without client capabilities share one for each principal.
        this.shared = shared ?? new(host, perPrincipal: true);
        isShared = shared is not null;
        if (host.Config.Era == "auto") return;
        refusesLegacy = host.Config.Era == "modern";
        verdict = new(refusesLegacy, DateTimeOffset.MaxValue);
    }

    // ---- which era

    public bool? SpeaksModern => verdict is { } known && host.Time.GetUtcNow() < known.Until ? known.SpeaksModern : null;

    public bool IsReady => !isShared || shared.IsReady || refusesLegacy && HasModern;

    public int SpareCount => perSession?.SpareCount ?? 0;

    /// <summary>Whether a server of the modern era is at hand.</summary>
    bool HasModern
    {
        get
        {
            lock (gate) return found is not null || moderns.Values.Any(modern => modern.Server.Link is not null);
        }
    }

    public async ValueTask<bool> DetectAsync(CancellationToken cancellationToken)
    {
        if (SpeaksModern is { } known) return known;
        Task<bool> task;
        lock (gate)
        {
            if (detecting is null or { IsCompleted: true }) detecting = Task.Run(ProbeAsync, CancellationToken.None);
            task = detecting;
        }
        return await task.WaitAsync(cancellationToken);
    }

    // 2026-07-28, basic/transports/stdio, Backward Compatibility: a DiscoverResult or an error of the modern era shows a
    // modern server; anything else, the end of the process and silence show a legacy one.
    async Task<bool> ProbeAsync()
    {
        var child = Start(isProbe: true);
        var limit = TimeSpan.FromSeconds(host.Config.ProbeSeconds);
        var until = DateTimeOffset.MaxValue;
        try
        {
            if (await EraProbe.IsModernAsync(child.Link, limit, CancellationToken.None))
            {
                child.IsProbe = false;
                lock (gate) found = child;
                host.OnAnswered();
                verdict = new(true, DateTimeOffset.MaxValue);
                return true;
            }
        }
        catch (TimeoutException)
        {
            // A server that is slow to start says nothing about its era: it is asked again later.
            until = host.Time.GetUtcNow().AddMinutes(10);
        }
        catch (ServerUnavailableException)
        {
            // It ended: so do some legacy servers at any message before initialize.
        }
        verdict = new(false, until);
        child.Stop();
        return false;
    }

    // ---- the modern era

    public ModernServer RentModern(string principal)
    {
        if (host.Config.Processes != "per-principal") principal = "";
        lock (gate)
        {
            if (!moderns.TryGetValue(principal, out var modern))
            {
                modern = new();
                modern.Server = new(_ => ConnectAsync(modern), host.Time) { Log = line => host.Log.Write("stderr", "info", line) };
                moderns.Add(principal, modern);
            }
            modern.UnusedSince = host.Time.GetUtcNow();
            return modern.Server;
        }
    }

    async Task<ServerLink> ConnectAsync(Modern modern)
    {
        ChildProcess? child;
        lock (gate)
        {
            child = found;
            found = null;
        }
        if (child is not { IsRunning: true }) child = await StartModernAsync();
        modern.Child = child;
        return child.Link;
    }

    async Task<ChildProcess> StartModernAsync()
    {
        var child = Start(isProbe: false);
        try
        {
            if (!await EraProbe.IsModernAsync(child.Link, TimeSpan.FromSeconds(host.Config.StartSeconds), CancellationToken.None))
                host.Log.Bridge("warning", "the server does not answer server/discover as revision 2026-07-28 asks");
        }
        catch (TimeoutException)
        {
            child.Stop();
            var reason = $"the server did not answer server/discover within {host.Config.StartSeconds:0} seconds";
            host.OnCannotStart(reason);
            throw new ServerUnavailableException(reason);
        }
        host.OnAnswered();
        return child;
    }

    ChildProcess Start(bool isProbe)
    {
        try
        {
            return host.Start(isProbe);
        }
        catch (IOException e)
        {
            host.OnCannotStart(e.Message);
            throw new ServerUnavailableException(e.Message);
        }
    }

    // ---- the legacy era

    public async ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken)
        => (await shared.RentAsync(principal, cancellationToken)).Shared!;

    public ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken)
        => perSession?.RentOwnAsync() ?? new(Start(isProbe: false));

    public async ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken)
    {
        if (refusesLegacy) return new(new LegacyOverModernLink(RentModern(principal)), null);
        if (perSession is not null) return await perSession.RentAsync(principal, cancellationToken); // may turn out later: RentOtherEraAsync
        try
        {
            return await shared.RentAsync(principal, cancellationToken);
        }
        catch (ServerUnavailableException)
        {
            if (await RentOtherEraAsync(principal, cancellationToken) is { } other) return new(other, null);
            throw;
        }
    }

    // The server did not take initialize: if it is of the modern era, legacy clients get a legacy face of it.
    public async ValueTask<IServerConnection?> RentOtherEraAsync(string principal, CancellationToken cancellationToken)
    {
        if (!await DetectAsync(cancellationToken)) return null;
        if (!refusesLegacy)
        {
            refusesLegacy = true;
            perSession?.Retire();
            host.Log.Bridge("info", "the server speaks revision 2026-07-28 alone; clients of earlier revisions are served by conversion");
        }
        return new LegacyOverModernLink(RentModern(principal));
    }

    // ---- time

    public void StartAhead()
    {
        if (refusesLegacy)
        {
            if (host.Config.Processes != "per-principal") _ = RentModern("").LinkAsync(CancellationToken.None).AsTask();
            return;
        }
        perSession?.Refill();
        if (perSession is null && host.Config.Processes == "shared") _ = StartSharedAsync();
    }

    async Task StartSharedAsync()
    {
        try
        {
            await RentAsync("", CancellationToken.None);
        }
        catch (ServerUnavailableException)
        {
            // It is in the log and in the state; the next client tries again.
        }
    }

    public void Sweep()
    {
        shared.Sweep();
        var idle = TimeSpan.FromSeconds(host.Config.SessionIdleSeconds);
        lock (gate)
        {
            foreach (var (key, modern) in moderns)
            {
                if (modern.Server.PendingCount > 0) modern.UnusedSince = host.Time.GetUtcNow();
                if (key.Length == 0 || host.Time.GetUtcNow() - modern.UnusedSince < idle) continue;
                modern.Child?.Stop();
                moderns.Remove(key);
            }
        }
    }
}
