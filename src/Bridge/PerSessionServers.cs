using McpCan.Protocol.Sessions;

namespace McpCan.Bridge;

/// <summary>A process for each session, some of them started before they are needed.</summary>
sealed class PerSessionServers(ChildHost host) : IServerSource
{
    readonly Lock gate = new();
    readonly Queue<ChildProcess> spares = new();
    int starting;
    bool isRetired;

    public int SpareCount
    {
        get
        {
            lock (gate) return spares.Count(spare => spare.IsRunning);
        }
    }

    public ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken) => new(new ServerLease(Rent(), null));

    public ValueTask<IServerConnection> RentOwnAsync() => new(Rent());

    ChildProcess Rent()
    {
        try
        {
            return TakeSpare() ?? host.Start();
        }
        catch (IOException e)
        {
            host.OnCannotStart(e.Message);
            throw new ServerUnavailableException(e.Message);
        }
        finally
        {
            Refill();
        }
    }

    ChildProcess? TakeSpare()
    {
        lock (gate)
        {
            while (spares.TryDequeue(out var spare))
            {
                if (spare.IsRunning) return spare;
            }
        }
        return null;
    }

    /// <summary>Starts what is missing, one at a time, and not again and again when the server does not stay.</summary>
    public void Refill()
    {
        if (!isRetired && host.FailedStarts < 3 && Interlocked.Exchange(ref starting, 1) == 0) _ = Task.Run(StartSpares);
    }

    /// <summary>No spares any more: the server is of the modern era alone.</summary>
    public void Retire()
    {
        isRetired = true;
        while (TakeSpare() is { } spare) spare.Stop();
    }

    async Task StartSpares()
    {
        try
        {
            while (!isRetired && SpareCount < host.Config.WarmSpares && host.FailedStarts < 3)
            {
                if (host.FailedStarts > 0) await Task.Delay(TimeSpan.FromMilliseconds(100 << host.FailedStarts), host.Time);
                var spare = host.Start();
                lock (gate)
                {
                    while (spares.TryPeek(out var old) && !old.IsRunning) spares.Dequeue();
                    spares.Enqueue(spare);
                }
            }
        }
        catch (IOException e)
        {
            host.OnCannotStart(e.Message);
        }
        finally
        {
            Volatile.Write(ref starting, 0);
        }
        if (SpareCount < host.Config.WarmSpares) Refill(); // one ended meanwhile
    }
}
