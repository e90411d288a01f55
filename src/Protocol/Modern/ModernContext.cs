using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>What all exchanges of one endpoint have in common.</summary>
sealed class ModernContext(SessionOptions options, TimeProvider time) : IDisposable
{
    public SessionOptions Options => options;
    public TimeProvider Time => time;
    public RunningExchanges Running { get; } = new(time);

    public void Dispose() => Running.Dispose();
}

/// <summary>The exchanges that have no answer yet, and the clock that looks at those whose response is held back.</summary>
sealed class RunningExchanges : IDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(40);
    readonly Lock gate = new();
    readonly ITimer timer;
    ModernExchange? first;
    int isOn, count;

    public RunningExchanges(TimeProvider time) => timer = time.CreateTimer(static me => ((RunningExchanges)me!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

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

    List<ModernExchange> All()
    {
        List<ModernExchange> all = [];
        lock (gate)
        {
            for (var exchange = first; exchange is not null; exchange = exchange.After) all.Add(exchange);
        }
        return all;
    }

    void Tick()
    {
        Volatile.Write(ref isOn, 0);
        var now = Environment.TickCount64;
        var any = false;
        foreach (var exchange in All()) any |= exchange.Look(now);
        if (any && Interlocked.Exchange(ref isOn, 1) == 0) timer.Change(Period, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Ends every exchange: subscriptions in good order, calls with the reason.</summary>
    public void EndAll(string reason)
    {
        foreach (var exchange in All()) exchange.EndFor(reason);
    }

    public void Dispose() => timer.Dispose();
}
