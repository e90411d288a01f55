using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.Json;
using Docker.DotNet;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes.Docker;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Environments;

/// <summary>
/// Keeps <see cref="EnvironmentMap"/> as the database says: loaded before the instances are, again after each change here, and when another process tells of one.
/// </summary>
public sealed partial class EnvironmentSync(
    IDbContextFactory<McpCanDb> databases, EnvironmentMap map, DockerRuntimeFactory factory, SecretProtector protector, News news, McpCanOptions options, TimeProvider time, ILogger<EnvironmentSync> logger) : BackgroundService
{
    private const string Topic = "environment";
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<string, Known> _known = new();
    private readonly SemaphoreSlim _loading = new(1, 1);
    private readonly Bell _told = new();
    private readonly List<DockerClient> _clients = [];

    /// <summary>An environment as this process uses it.</summary>
    /// <param name="Stored">What is stored.</param>
    /// <param name="Client">The engine; null when the certificates cannot be read.</param>
    /// <param name="CertificateExpiresAt">When the client's certificate ends.</param>
    /// <param name="Problem">Why it cannot be used at all.</param>
    internal sealed record Known(RegisteredEnvironment Stored, DockerClient? Client, DateTimeOffset? CertificateExpiresAt, string? Problem);

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        news.On(Topic, _ => _told.Ring());
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (var client in _clients) client.Dispose();
        _loading.Dispose();
        _told.Dispose();
        base.Dispose();
    }

    internal Known? Find(string id) => _known.GetValueOrDefault(id);

    internal async Task ChangedAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        news.Tell(Topic);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.UsesPostgres) return; // nobody else changes it
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await _told.WaitAsync(Every, stoppingToken);
                await LoadAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is DbException or TimeoutException or InvalidOperationException)
            {
                LogNotRead(e.Message);
                await Task.Delay(Every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        await _loading.WaitAsync(cancellationToken);
        var changed = new List<string>();
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            var all = await db.Environments.AsNoTracking().ToListAsync(cancellationToken);
            foreach (var stored in all.Where(e => _known.GetValueOrDefault(e.Id)?.Stored.Revision != e.Revision))
            {
                if (Take(stored)) changed.Add(stored.Id);
            }
            foreach (var gone in _known.Keys.Except(all.Select(e => e.Id)).ToList())
            {
                _known.TryRemove(gone, out _);
                map.Remove(gone);
                changed.Add(gone);
            }
            map.Default = all.Find(e => e.IsDefault)?.Id ?? EnvironmentMap.Local;
        }
        finally
        {
            _loading.Release();
        }
        foreach (var id in changed) map.Changed(id);
    }

    /// <summary>Whether it is reached in another way than before.</summary>
    private bool Take(RegisteredEnvironment stored)
    {
        map.Limit(stored.Id, stored.Limits);
        if (_known.TryGetValue(stored.Id, out var before) && (before.Stored.Address, before.Stored.Tls) == (stored.Address, stored.Tls))
        {
            _known[stored.Id] = before with { Stored = stored };
            return false;
        }
        try
        {
            var tls = stored.Tls is null ? null : JsonSerializer.Deserialize<EngineTls>(protector.Unprotect(stored.Tls));
            var address = EngineAddress.Parse(stored.Address, tls, out var problem) ?? throw new ArgumentException(problem);
            var client = EngineClient.Open(address);
            _clients.Add(client);
            _known[stored.Id] = new(stored, client, EnvironmentRules.Expiry(tls), null);
            map.Set(stored.Id, factory.Create(address, stored.Id));
        }
        catch (Exception e) when (e is ProblemException or ArgumentException or JsonException)
        {
            _known[stored.Id] = new(stored, null, null, e.Message);
            map.Remove(stored.Id);
        }
        return true;
    }

    [LoggerMessage(1, LogLevel.Warning, "The environments could not be read ({Why}); those that are known go on")]
    private partial void LogNotRead(string why);
}
