namespace McpCan.Gateway.Policy;

/// <summary>Which limit was met.</summary>
internal enum LimitKind : byte { None, Requests, Calls, Sessions }

/// <summary>
/// Counts the traffic of one token or one instance against its limits. A sliding window in steps of two seconds: never more than the limit in any minute.
/// Own code and not System.Threading.RateLimiting: that one has its own clock and a timer each, and knows no sessions.
/// </summary>
internal sealed class TrafficMeter
{
    private const int Steps = 31;
    private const int MostSessions = 100_000;
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SessionIdle = TimeSpan.FromMinutes(30);

    private readonly Lock _gate = new();
    private readonly int[] _window = new int[Steps];
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private long _step;
    private int _sum;
    private int _calls;
    private int _opening;
    private long _used;

    private struct Session
    {
        public long Seen;
        public int Streams;
    }

    /// <summary>Taken out of the table: who holds it asks the table again.</summary>
    public bool Retired { get; private set; }

    /// <summary>Counts requests and, where told, a call and a session that is about to open; or says which limit is met and for how long.</summary>
    public LimitKind TryEnter(TrafficLimits limits, in Claim claim, TimeProvider time, out TimeSpan wait, out bool retired)
    {
        lock (_gate)
        {
            (wait, retired) = (TimeSpan.Zero, Retired);
            if (retired) return LimitKind.None;
            var now = time.GetUtcNow().UtcTicks;
            _used = now;
            Turn(now);
            if (limits.RequestsPerMinute is { } most && claim.Requests > 0 && _sum + claim.Requests > most)
            {
                wait = claim.Requests > most ? Step * Steps : WaitFor(_sum + claim.Requests - most, now);
                return LimitKind.Requests;
            }
            if (limits.ConcurrentCalls is { } calls && claim.Calls > 0 && _calls + claim.Calls > calls)
            {
                wait = TimeSpan.FromSeconds(1);
                return LimitKind.Calls;
            }
            if (limits.Sessions is { } sessions && claim.OpensSession)
            {
                Forget(now);
                if (_sessions.Count + _opening >= sessions)
                {
                    wait = TimeSpan.FromSeconds(10);
                    return LimitKind.Sessions;
                }
            }
            if (limits.RequestsPerMinute is not null)
            {
                _window[_step % Steps] += claim.Requests;
                _sum += claim.Requests;
            }
            _calls += claim.Calls;
            if (claim.OpensSession) _opening++;
            return LimitKind.None;
        }
    }

    /// <summary>Takes back what was counted for another limit's sake.</summary>
    public void Undo(in Claim claim, TrafficLimits limits)
    {
        lock (_gate)
        {
            if (limits.RequestsPerMinute is not null && _window[_step % Steps] >= claim.Requests)
            {
                _window[_step % Steps] -= claim.Requests;
                _sum -= claim.Requests;
            }
            _calls -= claim.Calls;
            if (claim.OpensSession) _opening--;
        }
    }

    /// <summary>The end of a call.</summary>
    public void LeaveCalls(int calls)
    {
        lock (_gate) _calls -= calls;
    }

    /// <summary>The opening is over: with a session, or with none when <paramref name="session"/> is null.</summary>
    public void Opened(string? session, bool stream, TimeProvider time)
    {
        lock (_gate)
        {
            _opening--;
            if (session is not null) Touch(session, stream ? 1 : 0, time);
        }
    }

    /// <summary>A session was used. One that is not known (from before a restart) is counted, and not refused.</summary>
    public void Seen(string session, int streams, TimeProvider time)
    {
        lock (_gate) Touch(session, streams, time);
    }

    /// <summary>A session ended.</summary>
    public void Ended(string session)
    {
        lock (_gate) _sessions.Remove(session);
    }

    /// <summary>Whether nothing is left to remember; then it is retired.</summary>
    public bool TryRetire(TimeProvider time)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow().UtcTicks;
            Forget(now);
            if (_calls > 0 || _opening > 0 || _sessions.Count > 0 || now - _used <= Step.Ticks * Steps) return false;
            Retired = true;
            return true;
        }
    }

    private void Touch(string session, int streams, TimeProvider time)
    {
        var now = time.GetUtcNow().UtcTicks;
        _used = now;
        var known = _sessions.TryGetValue(session, out var state);
        if (!known && _sessions.Count >= MostSessions) return;
        state.Seen = now;
        state.Streams = Math.Max(0, state.Streams + streams);
        _sessions[session] = state;
    }

    private void Forget(long now)
    {
        foreach (var (session, state) in _sessions)
        {
            if (state.Streams == 0 && now - state.Seen > SessionIdle.Ticks) _sessions.Remove(session);
        }
    }

    private void Turn(long now)
    {
        var step = now / Step.Ticks;
        var gone = Math.Min(step - _step, Steps);
        for (var i = 1; i <= gone; i++)
        {
            ref var slot = ref _window[(_step + i) % Steps];
            _sum -= slot;
            slot = 0;
        }
        if (gone > 0) _step = step;
    }

    // Until so many of the oldest requests left the window.
    private TimeSpan WaitFor(int requests, long now)
    {
        for (var i = 1; i <= Steps; i++)
        {
            requests -= _window[(_step + i) % Steps];
            if (requests <= 0) return TimeSpan.FromTicks(((_step + i) * Step.Ticks) - now);
        }
        return Step * Steps;
    }
}

/// <summary>What one exchange wants to count.</summary>
/// <param name="Requests">JSON-RPC requests.</param>
/// <param name="Calls">Requests that are under way until the exchange ends.</param>
/// <param name="OpensSession">Whether a session, or a stream that stands for one, opens.</param>
internal readonly record struct Claim(int Requests, int Calls, bool OpensSession);
