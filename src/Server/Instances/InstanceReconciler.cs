using System.Collections.Concurrent;
using System.Data.Common;
using McpCan.Gateway;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>
/// Makes what is so into what should be so: one <see cref="InstanceWorker"/> per instance. Only it changes workloads, and only while its process leads.
/// Before the server listens it adopts the workloads that outlived the last run of the platform.
/// </summary>
internal sealed partial class InstanceReconciler(
    WorkerServices services, LeaderLease lease, InstanceSync sync, News news, DataFolder folder, CacheCleaner cache, WorkloadShutdown shutdown, IHostApplicationLifetime lifetime, ILogger<InstanceReconciler> logger) : BackgroundService
{
    private const string ProbeTopic = "probe";
    private readonly ConcurrentDictionary<string, InstanceWorker> _workers = new();
    private readonly ConcurrentDictionary<string, Task> _running = new();
    private readonly List<(IRuntime Runtime, string Id, bool Gone)> _leftOvers = [];
    private LeaderLease.Leadership? _leadership;
    private CancellationToken _stopping = new(canceled: true);
    private string? _clearedFor;
    private Task _ended = Task.CompletedTask;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await lease.TryTakeAsync(cancellationToken) is { } leadership) await LeadAsync(leadership, cancellationToken);
        services.Changes.Wanted = sync.Wanted = Nudge;
        services.Changes.ProbeDue = id =>
        {
            Probe(id);
            news.Tell(ProbeTopic, id);
        };
        news.On(ProbeTopic, Probe);
        services.Environments.Changed = environment =>
        {
            foreach (var (id, _) in _workers.Where(w => w.Value.Environment == environment)) Nudge(id);
        };
        services.Waker.Wake = Wake;
        news.On(Waker.Topic, Wake);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await _ended;
    }

    public override void Dispose()
    {
        foreach (var worker in _workers.Values) worker.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // At once when the stop begins: what comes before us in the stop may wait for its clients.
        using var registration = lifetime.ApplicationStopping.Register(() => _ended = _leadership is null ? Task.CompletedTask : EndAsync());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (_leadership is null) await LeadAsync(await lease.TakeAsync(() => StandByAsync(stoppingToken), stoppingToken), stoppingToken);
                await WorkAsync(_leadership!, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e) when (e is DbException or IOException or InvalidOperationException)
            {
                LogNotLed(e);
                await Task.Delay(TimeSpan.FromSeconds(1), services.Time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await ResignAsync(stoppingToken.IsCancellationRequested);
        }
    }

    private async Task LeadAsync(LeaderLease.Leadership leadership, CancellationToken cancellationToken)
    {
        (_leadership, services.Changes.Term, _clearedFor) = (leadership, leadership.Term, null);
        await sync.LeadAsync(true);
        await AdoptAsync(cancellationToken);
    }

    /// <summary>Looks after the instances until the process stops or another one leads.</summary>
    private async Task WorkAsync(LeaderLease.Leadership leadership, CancellationToken stoppingToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, leadership.Lost);
        var cleaning = cache.RunAsync(both.Token);
        try
        {
            // Before the workers begin: one of them may want the same workload anew.
            foreach (var (runtime, id, gone) in _leftOvers) await SweepAsync(runtime, id, gone, both.Token);
            _stopping = both.Token;
            // Also those that came after the adoption.
            foreach (var id in await InstancesAsync(both.Token)) Nudge(id);
            await Task.Delay(Timeout.Infinite, both.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            await both.CancelAsync();
            await Task.WhenAll([.. _running.Values, cleaning]);
            _stopping = new(canceled: true);
        }
    }

    private async Task ResignAsync(bool stopping)
    {
        if (_leadership is not { } leadership) return;
        if (stopping) await _ended;
        leadership.LeavesNothing = stopping && shutdown.EndWorkloads;
        await leadership.DisposeAsync();
        _leadership = null;
        _leftOvers.Clear();
        foreach (var id in _workers.Keys)
        {
            if (_workers.TryRemove(id, out var worker)) worker.Dispose();
        }
        if (!stopping) await sync.LeadAsync(false);
    }

    /// <summary>While another process leads: what still runs in our data folder serves nobody once that one has a folder of its own.</summary>
    private async Task StandByAsync(CancellationToken cancellationToken)
    {
        if (lease.LeadingNode is not { } node || node == _clearedFor) return;
        foreach (var runtime in node == folder.NodeId ? [] : services.Environments.All.Values)
        {
            foreach (var workload in await ListAsync(runtime, cancellationToken))
            {
                LogSuperseded(workload.InstanceId);
                await runtime.StopAsync(workload.InstanceId, cancellationToken);
            }
        }
        _clearedFor = node;
    }

    private void Probe(string id) => _workers.GetValueOrDefault(id)?.ProbeSoon();

    private void Wake(string id) => _workers.GetValueOrDefault(id)?.Wake();

    private void Nudge(string id)
    {
        if (_stopping.IsCancellationRequested) return;
        _workers.GetOrAdd(id, i => new InstanceWorker(i, services)).Nudge();
        Run(id);
    }

    private void Run(string id) => _running.GetOrAdd(id, _ => Task.Run(async () =>
    {
        if (_workers.TryGetValue(id, out var worker)) await worker.RunAsync(_stopping);
        // It ends when the instance is gone; ids never come back.
        if (!_stopping.IsCancellationRequested) _workers.TryRemove(id, out var _);
        _running.TryRemove(id, out var _);
    }));

    private async Task AdoptAsync(CancellationToken cancellationToken)
    {
        await using var db = await services.Databases.CreateDbContextAsync(cancellationToken);
        var instances = await db.Instances.AsNoTracking().ToListAsync(cancellationToken);
        var running = new Dictionary<string, WorkloadStatus>();
        var known = instances.ToDictionary(i => i.Id, i => i.Environment);
        foreach (var (name, runtime) in services.Environments.All)
        {
            await runtime.SweepAsync(cancellationToken);
            foreach (var workload in await ListAsync(runtime, cancellationToken))
            {
                // One that moved while its old environment could not be reached runs in the wrong place.
                if (known.GetValueOrDefault(workload.InstanceId) == name) running[workload.InstanceId] = workload;
                else _leftOvers.Add((runtime, workload.InstanceId, !known.ContainsKey(workload.InstanceId)));
            }
        }
        var adopted = 0;
        foreach (var instance in instances)
        {
            var run = running.GetValueOrDefault(instance.Id) is { } r && r.Generation == instance.Generation && instance is { Mode: InstanceModes.Managed, ShouldRun: true, Deleting: false } ? r : null;
            _workers[instance.Id] = new InstanceWorker(instance.Id, services, run, running.ContainsKey(instance.Id));
            if (run is null && instance.Mode == InstanceModes.Managed && instance.Status.State is InstanceStates.Running or InstanceStates.Degraded)
                instance.Status = instance.Status with { State = instance.ShouldRun ? InstanceStates.Starting : InstanceStates.Stopping, Reason = null, Phase = null };
            services.Routes.Set(instance, run is null ? null : InstanceWorker.Upstream(run));
            var place = run is null ? null : InstanceWorker.Place(run);
            if (instance.Place != place)
            {
                instance.Place = place;
                await services.Changes.ObserveAsync(instance, cancellationToken);
            }
            if (run is not null) adopted++;
        }
        if (adopted > 0) LogAdopted(adopted);
    }

    private async Task<List<string>> InstancesAsync(CancellationToken cancellationToken)
    {
        await using var db = await services.Databases.CreateDbContextAsync(cancellationToken);
        return await db.Instances.Select(i => i.Id).ToListAsync(cancellationToken);
    }

    /// <summary>What runs there now; nothing while it cannot be reached.</summary>
    private async Task<IReadOnlyList<WorkloadStatus>> ListAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        try
        {
            return await runtime.ListAsync(cancellationToken);
        }
        catch (IOException e)
        {
            LogUnreachable(e);
            return [];
        }
    }

    /// <summary>A workload of an instance that is gone, or is elsewhere now: its removal was cut off.</summary>
    private async Task SweepAsync(IRuntime runtime, string id, bool gone, CancellationToken cancellationToken)
    {
        try
        {
            if (gone) await runtime.RemoveAsync(id, purge: true, cancellationToken);
            else await runtime.StopAsync(id, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotSwept(e, id);
        }
    }

    /// <summary>Ends the workloads when a person stops the platform at the terminal; else they go on and are adopted by the next start.</summary>
    private async Task EndAsync()
    {
        if (!await shutdown.AsksForEndAsync()) return;
        foreach (var worker in _workers.Values) worker.Leave();
        // More than the runtime takes to ask, terminate and kill: cut off earlier, it would leave processes behind.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        try
        {
            await Task.WhenAll(services.Environments.All.Select(async environment =>
            {
                var (name, runtime) = environment;
                var workloads = await runtime.ListAsync(limit.Token);
                var ids = _workers.Where(w => w.Value.Environment is null || w.Value.Environment == name).SelectMany(w => w.Value.Workloads).Union(workloads.Select(w => w.InstanceId));
                await Task.WhenAll(ids.Select(id => runtime.StopAsync(id, limit.Token)));
            }));
        }
        catch (Exception e)
        {
            LogNotEnded(e);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Found {Count} running servers again")]
    private partial void LogAdopted(int count);

    [LoggerMessage(2, LogLevel.Warning, "The workload {Id} of a deleted instance could not be removed; trying again at the next start")]
    private partial void LogNotSwept(Exception exception, string id);

    [LoggerMessage(4, LogLevel.Warning, "The servers could not be looked after; trying again")]
    private partial void LogNotLed(Exception exception);

    [LoggerMessage(5, LogLevel.Information, "The workload {Id} was ended: a server with another data folder looks after it now")]
    private partial void LogSuperseded(string id);

    [LoggerMessage(6, LogLevel.Warning, "An environment could not be reached")]
    private partial void LogUnreachable(Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "Not every server could be stopped in time")]
    private partial void LogNotEnded(Exception exception);
}
