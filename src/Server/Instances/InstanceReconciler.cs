using System.Collections.Concurrent;
using McpCan.Gateway;
using McpCan.Server.Environments;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>
/// Makes what is so into what should be so: one <see cref="InstanceWorker"/> per instance. Only it changes workloads.
/// Before the server listens it adopts the workloads that outlived the last run of the platform.
/// </summary>
internal sealed partial class InstanceReconciler(WorkerServices services, WorkloadShutdown shutdown, IHostApplicationLifetime lifetime, ILogger<InstanceReconciler> logger) : BackgroundService
{
    private readonly ConcurrentDictionary<string, InstanceWorker> _workers = new();
    private readonly ConcurrentDictionary<string, Task> _running = new();
    private readonly List<(IRuntime Runtime, string Id)> _leftOvers = [];
    private CancellationToken _stopping;
    private Task _ended = Task.CompletedTask;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await AdoptAsync(cancellationToken);
        services.Changes.Wanted = Nudge;
        services.Changes.ProbeDue = id => _workers.GetValueOrDefault(id)?.ProbeSoon();
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
        _stopping = stoppingToken;
        // At once when the stop begins: what comes before us in the stop may wait for its clients.
        using var registration = lifetime.ApplicationStopping.Register(() => _ended = EndAsync());
        foreach (var (runtime, id) in _leftOvers) await SweepAsync(runtime, id, stoppingToken);
        foreach (var id in _workers.Keys) Run(id);
        await Task.Delay(Timeout.Infinite, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_running.Values);
        await _ended;
    }

    private void Nudge(string id)
    {
        if (_stopping.IsCancellationRequested) return;
        _workers.GetOrAdd(id, i => new InstanceWorker(i, services)).Nudge();
        if (_stopping.CanBeCanceled) Run(id);
    }

    private void Run(string id) => _running.GetOrAdd(id, _ => Task.Run(async () =>
    {
        await _workers[id].RunAsync(_stopping);
        // It ends when the instance is gone; ids never come back.
        if (!_stopping.IsCancellationRequested) _workers.TryRemove(id, out var _);
        _running.TryRemove(id, out var _);
    }));

    private async Task AdoptAsync(CancellationToken cancellationToken)
    {
        await using var db = await services.Databases.CreateDbContextAsync(cancellationToken);
        var instances = await db.Instances.AsNoTracking().ToListAsync(cancellationToken);
        var running = new Dictionary<string, WorkloadStatus>();
        if (services.Environments.Find(EnvironmentMap.Local) is { } runtime)
        {
            var known = instances.Select(i => i.Id).ToHashSet();
            foreach (var workload in await runtime.ListAsync(cancellationToken))
            {
                if (known.Contains(workload.InstanceId)) running[workload.InstanceId] = workload;
                else _leftOvers.Add((runtime, workload.InstanceId));
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
            if (run is not null) adopted++;
        }
        if (adopted > 0) LogAdopted(adopted);
    }

    /// <summary>A workload of an instance that is gone: its removal was cut off.</summary>
    private async Task SweepAsync(IRuntime runtime, string id, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.RemoveAsync(id, purge: true, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotSwept(e, id);
        }
    }

    /// <summary>Ends the workloads when a person stops the platform at the terminal; else they go on and are adopted by the next start.</summary>
    private async Task EndAsync()
    {
        if (!await shutdown.AsksForEndAsync() || services.Environments.Find(EnvironmentMap.Local) is not { } runtime) return;
        foreach (var worker in _workers.Values) worker.Leave();
        // More than the runtime takes to ask, terminate and kill: cut off earlier, it would leave processes behind.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        try
        {
            var workloads = await runtime.ListAsync(limit.Token);
            await Task.WhenAll(_workers.Keys.Union(workloads.Select(w => w.InstanceId)).Select(id => runtime.StopAsync(id, limit.Token)));
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

    [LoggerMessage(3, LogLevel.Warning, "Not every server could be stopped in time")]
    private partial void LogNotEnded(Exception exception);
}
