using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace McpCan.Protocol.Sessions;

/// <summary>All sessions, and the clock that moves them on.</summary>
public sealed class SessionTable : IDisposable
{
    readonly ConcurrentDictionary<string, McpSession> sessions = new();
    readonly IServerSource servers;
    readonly SessionOptions options;
    readonly int maxSessions;
    readonly ITimer holdTimer, sweepTimer;
    int opening, holdTimerOn;

    /// <summary>A table without sessions.</summary>
    public SessionTable(IServerSource servers, SessionOptions options, int maxSessions, TimeProvider time)
    {
        (this.servers, this.options, this.maxSessions) = (servers, options, maxSessions);
        holdTimer = time.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        var period = TimeSpan.FromMilliseconds(Math.Clamp(options.IdleLimit.TotalMilliseconds / 4, 250, 5000));
        sweepTimer = time.CreateTimer(_ => Sweep(), null, period, period);
    }

    /// <summary>Limits and times.</summary>
    public SessionOptions Options => options;

    /// <summary>Called each time a server has answered initialize.</summary>
    public Action? ServerAnswered { get; init; }

    /// <summary>Open sessions.</summary>
    public int Count => sessions.Count;

    /// <summary>Calls under way in all sessions.</summary>
    public int RunningCalls => sessions.Values.Sum(session => session.CallCount);

    /// <summary>Opens a session. Throws <see cref="ServerUnavailableException"/>.</summary>
    internal async ValueTask<McpSession> OpenAsync(string principal, bool overSse, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref opening) + sessions.Count > maxSessions)
        {
            Interlocked.Decrement(ref opening);
            throw new ServerUnavailableException($"too many sessions (the limit is {maxSessions}); try again later", isBusy: true);
        }
        try
        {
            var lease = await servers.RentAsync(principal, cancellationToken);
            var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));
            var session = new McpSession(id, principal, overSse, lease, options, ended => sessions.TryRemove(ended.Id, out _))
            {
                ServerAnswered = ServerAnswered,
                WatchCalls = WatchHeld,
                OtherEra = lease.Own is null or Modern.LegacyOverModernLink ? null : () => servers.RentOtherEraAsync(principal, CancellationToken.None),
            };
            sessions[id] = session;
            lease.Shared?.Join(session);
            if (lease.Own is { } own) own.Link.Adopt(session);
            return session;
        }
        finally
        {
            Interlocked.Decrement(ref opening);
        }
    }

    internal bool TryGet(string? id, [NotNullWhen(true)] out McpSession? session)
    {
        session = null;
        return id is not null && sessions.TryGetValue(id, out session);
    }

    /// <summary>Makes sure that held responses are looked at in time.</summary>
    internal void WatchHeld()
    {
        if (Volatile.Read(ref holdTimerOn) == 0 && Interlocked.Exchange(ref holdTimerOn, 1) == 0) holdTimer.Change(TimeSpan.FromMilliseconds(100), Timeout.InfiniteTimeSpan);
    }

    void Tick()
    {
        Volatile.Write(ref holdTimerOn, 0);
        var now = Environment.TickCount64;
        var anyHeld = false;
        foreach (var (_, session) in sessions) anyHeld |= session.Tick(now);
        if (anyHeld) WatchHeld();
    }

    void Sweep()
    {
        var now = Environment.TickCount64;
        foreach (var (_, session) in sessions)
        {
            if (session.IsOver(now, out var reason)) session.End(reason);
        }
    }

    /// <summary>Ends every session.</summary>
    public void EndAll(string reason)
    {
        foreach (var (_, session) in sessions) session.End(reason);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        holdTimer.Dispose();
        sweepTimer.Dispose();
    }
}
