using System.Collections.Immutable;

namespace McpCan.Server.Instances;

/// <summary>Tells open pages which instance changed. Subscribers must return at once; what one throws does not reach the others.</summary>
public sealed partial class InstanceFeed(ILogger<InstanceFeed> logger)
{
    private ImmutableList<Subscription> _subscriptions = [];

    /// <summary>Calls <paramref name="changed"/> with the instance's id at each change, until the result is disposed.</summary>
    public IDisposable Subscribe(Action<string> changed)
    {
        var subscription = new Subscription(this, changed);
        ImmutableInterlocked.Update(ref _subscriptions, list => list.Add(subscription));
        return subscription;
    }

    internal void Publish(string instanceId)
    {
        foreach (var subscription in _subscriptions)
        {
            try
            {
                subscription.Changed(instanceId);
            }
            catch (Exception e)
            {
                // Mostly a page that was closed in this moment.
                subscription.Dispose();
                LogGone(e);
            }
        }
    }

    private sealed class Subscription(InstanceFeed feed, Action<string> changed) : IDisposable
    {
        // The subscriber's, not the publisher's: the language of the page travels with it.
        private readonly ExecutionContext? _context = ExecutionContext.Capture();

        public void Changed(string instanceId)
        {
            if (_context is null) changed(instanceId);
            else ExecutionContext.Run(_context, _ => changed(instanceId), null);
        }

        public void Dispose() => ImmutableInterlocked.Update(ref feed._subscriptions, list => list.Remove(this));
    }

    [LoggerMessage(1, LogLevel.Debug, "A subscriber of instance changes failed and was removed")]
    private partial void LogGone(Exception exception);
}
