using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>What all exchanges of one endpoint have in common.</summary>
sealed class ModernContext(SessionOptions options, TimeProvider time) : IDisposable
{
    public SessionOptions Options => options;
    public TimeProvider Time => time;
    public HeldExchanges Held { get; } = new(time);

    /// <summary>Requests under way.</summary>
    public int Running => Volatile.Read(ref running);

    int running;

    public void Began() => Interlocked.Increment(ref running);
    public void Ended() => Interlocked.Decrement(ref running);

    public void Dispose() => Held.Dispose();
}

/// <summary>The exchanges whose response is still held back, and the clock that looks at them.</summary>
sealed class HeldExchanges : IDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(40);
    readonly Lock gate = new();
    readonly ITimer timer;
    ModernExchange? first;
    int isOn, count;

    public HeldExchanges(TimeProvider time) => timer = time.CreateTimer(static me => ((HeldExchanges)me!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    public int Count => Volatile.Read(ref count);

    public void Add(ModernExchange exchange)
    {
        lock (gate)
        {
            exchange.After = first;
            if (first is not null) first.Before = exchange;
            first = exchange;
            count++;
        }
        if (Volatile.Read(ref isOn) == 0 && Interlocked.Exchange(ref isOn, 1) == 0) timer.Change(Period, Timeout.InfiniteTimeSpan);
    }

    public void Remove(ModernExchange exchange)
    {
        lock (gate)
        {
            if (exchange.Before is null && first != exchange) return; // removed already
            if (exchange.Before is { } before) before.After = exchange.After;
            else first = exchange.After;
            if (exchange.After is { } after) after.Before = exchange.Before;
            exchange.Before = exchange.After = null;
            count--;
        }
    }

    void Tick()
    {
        List<ModernExchange> held = [];
        lock (gate)
        {
            for (var exchange = first; exchange is not null; exchange = exchange.After) held.Add(exchange);
        }
        Volatile.Write(ref isOn, 0);
        var now = Environment.TickCount64;
        var any = false;
        foreach (var exchange in held) any |= exchange.Look(now);
        if ((any || Count > 0) && Interlocked.Exchange(ref isOn, 1) == 0) timer.Change(Period, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => timer.Dispose();
}
