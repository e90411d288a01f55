using System.Collections.Concurrent;
using Docker.DotNet;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;

namespace McpCan.Server.Environments;

/// <summary>What a look at an environment found.</summary>
/// <param name="Usable">Whether workloads can be started; null while the first look is under way.</param>
/// <param name="Reachable">Whether the engine answers; always for this machine.</param>
/// <param name="Isolation">Strongest isolation that is available.</param>
/// <param name="Engine">What the engine says; null when it does not answer, or is none.</param>
/// <param name="Tools">Interpreters: name → version, or null where one is missing.</param>
/// <param name="Findings">One sentence for each thing that was seen, with the remedy where something is missing.</param>
/// <param name="CheckedAt">When.</param>
public sealed record EnvironmentCheck(
    bool? Usable, bool Reachable, IsolationLevel Isolation, EngineFacts? Engine, IReadOnlyDictionary<string, string?> Tools, IReadOnlyList<string> Findings, DateTimeOffset CheckedAt);

/// <summary>Looks whether environments can be used. A look goes on when the caller leaves, and its result is kept for a while.</summary>
public sealed class EnvironmentChecks(EnvironmentMap map, EnvironmentSync sync, DockerRuntimeFactory factory, DataFolder data, TimeProvider time)
{
    /// <summary>The longest look: the first one loads the workload image into the engine.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2), Fresh = TimeSpan.FromSeconds(30), Patience = TimeSpan.FromSeconds(3), CallLimit = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<string, Kept> _kept = new();

    private sealed record Kept(long Revision, long At, Task<EnvironmentCheck> Look);

    /// <summary>The last result when it is fresh; else looks, and waits only a little for it.</summary>
    public async Task<EnvironmentCheck> LastAsync(string id, CancellationToken cancellationToken)
    {
        var before = _kept.GetValueOrDefault(id);
        var now = Look(id, anew: false);
        if (await Task.WhenAny(now, Task.Delay(Patience, cancellationToken)) == now) return await now;
        cancellationToken.ThrowIfCancellationRequested();
        return before?.Look is { IsCompletedSuccessfully: true } old && before.Revision == Revision(id) ? await old : new(null, false, IsolationLevel.None, null, None, [], time.GetUtcNow());
    }

    /// <summary>Looks now.</summary>
    public Task<EnvironmentCheck> NowAsync(string id, CancellationToken cancellationToken) => Look(id, anew: true).WaitAsync(cancellationToken);

    /// <summary>Looks at an engine that is not registered.</summary>
    public async Task<EnvironmentCheck> TryAsync(EngineAddress address, CancellationToken cancellationToken)
    {
        using var client = EngineClient.Open(address);
        using var runtime = factory.Create(address, "test");
        return await EngineAsync(client, address.IsSocket, runtime, cancellationToken);
    }

    private static readonly Dictionary<string, string?> None = [];

    private long Revision(string id) => sync.Find(id)?.Stored.Revision ?? 0;

    private Task<EnvironmentCheck> Look(string id, bool anew)
    {
        var revision = Revision(id);
        return _kept.AddOrUpdate(id, _ => New(), (_, kept) =>
            kept.Revision == revision && (!kept.Look.IsCompleted || (!anew && kept.Look.IsCompletedSuccessfully && time.GetElapsedTime(kept.At) < Fresh)) ? kept : New()).Look;

        Kept New() => new(revision, time.GetTimestamp(), Task.Run(() => LookAsync(id)));
    }

    private async Task<EnvironmentCheck> LookAsync(string id)
    {
        using var limit = new CancellationTokenSource(Limit);
        if (map.Find(id) is not { } runtime) return Unusable(sync.Find(id)?.Problem ?? "The environment is not there any more.");
        if (sync.Find(id) is { Client: { } client } known) return await EngineAsync(client, known.Stored.Address.StartsWith("unix:", StringComparison.Ordinal), runtime, limit.Token);
        var check = await runtime.CheckAsync(limit.Token);
        var findings = check.Findings.ToList();
        if (EngineFacts.DiskFree(data.Root) is { } free and < EngineFacts.ScarceDiskBytes) findings.Add(Scarce(free));
        return new(check.Usable, true, check.Isolation, null, check.Tools, findings, time.GetUtcNow());
    }

    private async Task<EnvironmentCheck> EngineAsync(DockerClient client, bool sameMachine, IRuntime runtime, CancellationToken cancellationToken)
    {
        EngineFacts? facts = null;
        using (var call = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            call.CancelAfter(CallLimit);
            try
            {
                facts = await EngineFacts.ReadAsync(client, sameMachine, call.Token);
            }
            catch (Exception e) when (e is DockerApiException || EngineClient.IsUnreachable(e, cancellationToken))
            {
                // The runtime's check says why, with the remedy; it would wait longer for an engine that does not answer at all.
                if (e is OperationCanceledException) return Unusable($"The engine did not answer within {CallLimit.TotalSeconds:0} seconds. Check host, port and firewall, and whether the engine hangs.");
            }
        }
        try
        {
            var check = await runtime.CheckAsync(cancellationToken);
            var findings = check.Findings.ToList();
            if (facts?.DiskFreeBytes is { } free and < EngineFacts.ScarceDiskBytes) findings.Add(Scarce(free));
            return new(check.Usable, facts is not null, check.Isolation, facts, check.Tools, findings, time.GetUtcNow());
        }
        catch (Exception e) when (e is IOException or DockerApiException || EngineClient.IsUnreachable(e, CancellationToken.None))
        {
            return Unusable($"The engine could not be looked at: {e.GetBaseException().Message}") with { Reachable = facts is not null, Engine = facts };
        }
    }

    private EnvironmentCheck Unusable(string finding) => new(false, false, IsolationLevel.None, null, None, [finding], time.GetUtcNow());

    private static string Scarce(long free) => $"Only {free >> 20} MiB of disk are free there: remove images and volumes that nobody uses, or give it more space.";
}
