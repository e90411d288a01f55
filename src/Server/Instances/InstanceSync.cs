using System.Data.Common;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace McpCan.Server.Instances;

/// <summary>
/// Keeps the gateway's routes and open pages up to date with what other processes store: told by news, and looking each second in case one was missed.
/// A look compares two numbers an instance; only what differs is read. On SQLite there is no other process.
/// </summary>
internal sealed partial class InstanceSync(
    IDbContextFactory<McpCanDb> databases, InstanceRoutes routes, InstanceFeed feed, News news, McpCanOptions options, TimeProvider time, ILogger<InstanceSync> logger) : BackgroundService, IHealthCheck
{
    private const int Chunk = 200;
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1), Gather = TimeSpan.FromMilliseconds(20);
    private readonly Bell _told = new();
    private readonly Dictionary<string, (long Revision, long Observed)> _known = [];
    private readonly SemaphoreSlim _looking = new(1, 1);
    private bool _leading;
    private volatile bool _isLoaded = !options.UsesPostgres;

    /// <summary>Told which instance was changed by another process. Set by the reconciler.</summary>
    public Action<string> Wanted { get; set; } = _ => { };

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.UsesPostgres)
        {
            await LookAsync(cancellationToken);
            news.On(InstanceChanges.Topic, Heard);
        }
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Says whether this process looks after the servers: then it knows better than the database where they are.</summary>
    public async Task LeadAsync(bool leading)
    {
        await _looking.WaitAsync();
        _leading = leading;
        if (!leading) _known.Clear(); // what we knew of our own may be old
        _looking.Release();
        if (!leading) Heard("");
    }

    /// <summary>A gateway takes calls once it knows where they go.</summary>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_isLoaded ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());

    public override void Dispose()
    {
        _told.Dispose();
        _looking.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.UsesPostgres) return;
        for (var failed = false; ;)
        {
            try
            {
                if (await _told.WaitAsync(Every, stoppingToken)) await Task.Delay(Gather, time, stoppingToken);
                await LookAsync(stoppingToken);
                failed = false;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is DbException or TimeoutException or InvalidOperationException)
            {
                if (!failed) LogFailed(e.Message);
                failed = true;
                await Task.Delay(Every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Takes over what changed since the last look.</summary>
    internal async Task LookAsync(CancellationToken cancellationToken)
    {
        await _looking.WaitAsync(cancellationToken);
        try
        {
            await CompareAsync(cancellationToken);
        }
        finally
        {
            _looking.Release();
        }
    }

    private async Task CompareAsync(CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var now = await db.Instances.AsNoTracking().Select(i => new { i.Id, i.Revision, i.Observed }).ToListAsync(cancellationToken);
        foreach (var ids in now.Where(i => _known.GetValueOrDefault(i.Id) != (i.Revision, i.Observed)).Select(i => i.Id).Chunk(Chunk))
        {
            foreach (var instance in await db.Instances.AsNoTracking().Where(i => ids.Contains(i.Id)).ToListAsync(cancellationToken)) Take(instance);
        }
        _isLoaded = true;
        foreach (var gone in _known.Keys.Except(now.Select(i => i.Id)).ToList())
        {
            _known.Remove(gone);
            routes.Remove(gone);
            feed.Publish(gone);
        }
    }

    private void Take(Instance instance)
    {
        var changed = _known.GetValueOrDefault(instance.Id).Revision != instance.Revision;
        _known[instance.Id] = (instance.Revision, instance.Observed);
        if (_leading) routes.SetIfNewer(instance);
        else routes.Follow(instance);
        feed.Publish(instance.Id);
        if (changed) Wanted(instance.Id);
    }

    private void Heard(string id)
    {
        // An event is news for open pages only.
        if (id.Length > 0) feed.Publish(id);
        _told.Ring();
    }

    [LoggerMessage(1, LogLevel.Warning, "The instances could not be read ({Why}); the gateway goes on with what it knows")]
    private partial void LogFailed(string why);
}
