using McpCan.Protocol.Sessions;

namespace McpCan.Bridge;

/// <summary>One process for all sessions, or one for all sessions of a principal; restarted when it ends.</summary>
sealed class SharedServers(ChildHost host, bool perPrincipal) : IServerSource
{
    readonly Lock gate = new();
    readonly Dictionary<string, Entry> entries = [];

    sealed class Entry
    {
        public required SharedServer Server { get; init; }
        public ChildProcess? Child { get; set; }
        public Task Ready { get; set; } = Task.CompletedTask;
        public DateTimeOffset UnusedSince { get; set; }
        public bool Removed { get; set; }
    }

    /// <summary>Whether the one server is initialised (always, when there is one for each principal).</summary>
    public bool IsReady
    {
        get
        {
            if (perPrincipal) return true;
            lock (gate) return entries.TryGetValue("", out var entry) && entry.Server.Link is not null;
        }
    }

    public async ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken)
    {
        var entry = Get(perPrincipal ? principal : "");
        try
        {
            await entry.Ready.WaitAsync(TimeSpan.FromSeconds(host.Config.StartSeconds), cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new ServerUnavailableException($"the server did not answer initialize within {host.Config.StartSeconds:0} seconds");
        }
        return new(null, entry.Server);
    }

    Entry Get(string key)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(key, out var entry))
            {
                Entry created = null!;
                created = new() { Server = new() { Ended = _ => OnEnded(created), Log = line => host.Log.Write("stderr", "info", line) } };
                entries[key] = entry = created;
            }
            entry.UnusedSince = host.Time.GetUtcNow();
            if (entry.Server.Link is null && entry.Ready.IsCompleted) Begin(entry, TimeSpan.Zero);
            return entry;
        }
    }

    void Begin(Entry entry, TimeSpan after)
    {
        entry.Ready = Task.Run(() => ConnectAsync(entry, after));
        _ = entry.Ready.ContinueWith(task => Retry(entry, task.Exception), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    async Task ConnectAsync(Entry entry, TimeSpan after)
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
        entry.Child = child;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(host.Config.StartSeconds), host.Time);
        try
        {
            child.Link.Adopt(entry.Server);
            await entry.Server.ConnectAsync(child.Link, limit.Token);
            host.OnAnswered();
        }
        catch (OperationCanceledException)
        {
            child.Stop();
            var reason = $"the server did not answer initialize within {host.Config.StartSeconds:0} seconds";
            host.OnCannotStart(reason);
            throw new ServerUnavailableException(reason);
        }
        catch (ServerUnavailableException)
        {
            child.Stop();
            throw;
        }
    }

    // A server that cannot be initialised is tried again a few times; after that the next client tries.
    void Retry(Entry entry, Exception? failure)
    {
        lock (gate)
        {
            if (failure is not null && !entry.Removed && !perPrincipal && host.FailedStarts is > 0 and < 3 && entry.Ready.IsCompleted) Begin(entry, Backoff);
        }
    }

    TimeSpan Backoff => TimeSpan.FromMilliseconds(100 << Math.Min(host.FailedStarts, 6));

    // Sessions live on: the next server is initialised and subscribed in their name.
    void OnEnded(Entry entry)
    {
        lock (gate)
        {
            if (entry.Removed || !entry.Server.IsUsed && perPrincipal || host.FailedStarts >= 5 || !entry.Ready.IsCompleted) return;
            Begin(entry, Backoff);
        }
    }

    /// <summary>Ends the servers of principals without sessions.</summary>
    public void Sweep()
    {
        if (!perPrincipal) return;
        var idle = TimeSpan.FromSeconds(host.Config.SessionIdleSeconds);
        lock (gate)
        {
            foreach (var (key, entry) in entries)
            {
                if (entry.Server.IsUsed) entry.UnusedSince = host.Time.GetUtcNow();
                if (host.Time.GetUtcNow() - entry.UnusedSince < idle) continue;
                entry.Removed = true;
                entry.Child?.Stop();
                entries.Remove(key);
            }
        }
    }
}
