using System.Collections.Concurrent;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Environments;

/// <summary>Which runtime serves which environment: processes on this machine, and the engines that were registered.</summary>
public sealed class EnvironmentMap : IDisposable
{
    /// <summary>The environment of this machine.</summary>
    public const string Local = "local";

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, EnvironmentLimits> _limits = new();
    private readonly List<IDisposable> _owned = [];
    private volatile IReadOnlyDictionary<string, IRuntime> _all;

    /// <summary>The runtime of this machine alone.</summary>
    public EnvironmentMap(IEnumerable<IRuntime> runtimes)
    {
        var local = runtimes.FirstOrDefault(r => r.Kind == "process");
        _all = local is null ? new Dictionary<string, IRuntime>() : new Dictionary<string, IRuntime> { [Local] = local };
    }

    /// <summary>The environment's runtime, or null when there is none.</summary>
    public IRuntime? Find(string environment) => _all.GetValueOrDefault(environment);

    /// <summary>All environments by name.</summary>
    public IReadOnlyDictionary<string, IRuntime> All => _all;

    /// <summary>The environment of instances that name none.</summary>
    public string Default { get; set; } = Local;

    /// <summary>Told the id of an environment that came, went, or is reached in another way. Set by who looks after the instances.</summary>
    public Action<string> Changed { get; set; } = _ => { };

    /// <summary>Most that an instance may ask for in an environment.</summary>
    public EnvironmentLimits Limits(string environment) => _limits.GetValueOrDefault(environment) ?? new();

    internal void Limit(string environment, EnvironmentLimits limits) => _limits[environment] = limits;

    /// <summary>Adds an environment. The runtime is ours from now on; it is disposed with this, not when it is taken out, since calls may still be under way.</summary>
    public void Set(string environment, IRuntime runtime) => Change(all =>
    {
        all[environment] = runtime;
        if (runtime is IDisposable disposable) _owned.Add(disposable);
    });

    /// <summary>Takes an environment out.</summary>
    public void Remove(string environment)
    {
        _limits.TryRemove(environment, out _);
        Change(all => all.Remove(environment));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var runtime in _owned) runtime.Dispose();
            _owned.Clear();
        }
    }

    private void Change(Action<Dictionary<string, IRuntime>> change)
    {
        lock (_gate)
        {
            var all = new Dictionary<string, IRuntime>(_all);
            change(all);
            _all = all;
        }
    }
}
