using McpCan.Gateway;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>Wakes sleeping instances for calls at this process's gateway, and has them wait for it.</summary>
internal sealed class Waker(InstanceRoutes routes, InstanceFeed feed, News news, TimeProvider time) : IWaker
{
    /// <summary>Asks the process that leads to wake an instance.</summary>
    public const string Topic = "wake";

    // More than any start may take that is not stuck; a first install has its own, longer limit and is not waited for.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    /// <summary>Wakes an instance, when this process leads. Set by the reconciler.</summary>
    public Action<string> Wake { get; set; } = _ => { };

    public async Task<GatewayRoute?> WakeAsync(string instanceId, CancellationToken cancellationToken)
    {
        using var changed = new SemaphoreSlim(0, 1);
        using var subscription = feed.Subscribe(id =>
        {
            if (id != instanceId || changed.CurrentCount > 0) return;
            try
            {
                changed.Release();
            }
            catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
            {
                // Told already, or the caller has left.
            }
        });
        for (var start = time.GetTimestamp(); ;)
        {
            if (routes.Find(instanceId) is not { IsAsleep: true } route) return routes.Find(instanceId);
            if (time.GetElapsedTime(start) > Patience) return route;
            // Said again and again: whoever leads may have changed meanwhile.
            Wake(instanceId);
            news.Tell(Topic, instanceId);
            await changed.WaitAsync(Again, cancellationToken);
        }
    }
}
