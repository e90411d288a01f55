using System.Collections.Concurrent;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Market.Sources;

/// <summary>Reads sources: when asked, and when their copy is old. One that cannot be read keeps its last copy, and says why.</summary>
public sealed partial class SourceRefresh : BackgroundService
{
    private const int MostEntries = 50_000, Chunk = 500;
    private static readonly TimeSpan Look = TimeSpan.FromMinutes(5), Limit = TimeSpan.FromMinutes(15);
    private readonly ConcurrentDictionary<string, Task> _reading = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly IDbContextFactory<McpCanDb> _databases;
    private readonly IReadOnlyList<ISourceReader> _readers;
    private readonly SecretProtector _protector;
    private readonly TimeProvider _time;
    private readonly IOptions<JsonOptions> _json;
    private readonly ILogger<SourceRefresh> _logger;

    internal SourceRefresh(IDbContextFactory<McpCanDb> databases, IEnumerable<ISourceReader> readers, SecretProtector protector, IOptions<JsonOptions> json, TimeProvider time, ILogger<SourceRefresh> logger)
    {
        _databases = databases;
        _readers = [.. readers];
        _protector = protector;
        _json = json;
        _time = time;
        _logger = logger;
    }

    /// <summary>Whether a source is being read by this process.</summary>
    public bool IsReading(string id) => _reading.TryGetValue(id, out var task) && !task.IsCompleted;

    /// <summary>Begins to read a source, unless that is under way.</summary>
    public void Begin(string id)
    {
        if (!_stop.IsCancellationRequested) _reading.AddOrUpdate(id, Start, (_, running) => running.IsCompleted ? Start(id) : running);

        Task Start(string source) => Task.Run(() => ReadAsync(source, _stop.Token), CancellationToken.None);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(_reading.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _stop.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Look, _time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await using var db = await _databases.CreateDbContextAsync(stoppingToken);
                var now = _time.GetUtcNow();
                foreach (var source in await db.MarketSources.AsNoTracking().Where(s => s.RefreshHours > 0).ToListAsync(stoppingToken))
                    if (source.TriedAt is not { } tried || now - tried >= TimeSpan.FromHours(source.RefreshHours)) Begin(source.Id);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e, "all");
            }
        }
    }

    private async Task ReadAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            // Again when it was changed to another address or kind meanwhile.
            while (await FindAsync(id, cancellationToken) is { } source && !await ReadAsync(source, cancellationToken))
            {
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // MCPCAN ends.
        }
        catch (Exception e)
        {
            LogFailed(e, id);
        }
    }

    private async Task<MarketSource?> FindAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        return await db.MarketSources.AsNoTracking().FirstOrDefaultAsync(s => s.Id == id, cancellationToken);
    }

    /// <summary>Reads it once and stores what came of it; false when the source is another one by now.</summary>
    private async Task<bool> ReadAsync(MarketSource source, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        string? problem = null;
        var entries = new Dictionary<string, MarketEntry>(StringComparer.Ordinal);
        try
        {
            var token = source.Token is null ? null : _protector.Unprotect(source.Token);
            await foreach (var item in _readers.First(r => r.Kind == source.Kind).ReadAsync(new Uri(source.Url), token, limit.Token))
            {
                entries[item.Name] = Entry(source.Id, MarketManager.Judge(item, _json.Value.SerializerOptions));
                if (entries.Count >= MostEntries) break;
            }
        }
        catch (SourceException e)
        {
            problem = e.Message;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            problem = $"The source was not read within {Limit.TotalMinutes:0} minutes.";
        }
        return await StoreAsync(source, problem, entries.Values, cancellationToken);
    }

    /// <summary>The new copy in place of the old one, at once; or, where there is none, why. False when the source is another one by now.</summary>
    private async Task<bool> StoreAsync(MarketSource source, string? problem, IReadOnlyCollection<MarketEntry> entries, CancellationToken cancellationToken)
    {
        var (id, url, kind) = (source.Id, source.Url, source.Kind);
        await using var db = await _databases.CreateDbContextAsync(cancellationToken);
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var now = _time.GetUtcNow();
        var stored = await db.MarketSources.Where(s => s.Id == id && s.Url == url && s.Kind == kind).ExecuteUpdateAsync(set => set.SetProperty(s => s.TriedAt, now).SetProperty(s => s.Problem, problem), cancellationToken);
        if (stored > 0 && problem is null)
        {
            await db.MarketSources.Where(s => s.Id == id).ExecuteUpdateAsync(set => set.SetProperty(s => s.RefreshedAt, now).SetProperty(s => s.Count, entries.Count), cancellationToken);
            await db.MarketEntries.Where(e => e.SourceId == id).ExecuteDeleteAsync(cancellationToken);
            foreach (var chunk in entries.Chunk(Chunk))
            {
                db.MarketEntries.AddRange(chunk);
                await db.SaveChangesAsync(cancellationToken);
                db.ChangeTracker.Clear();
            }
        }
        await transaction.CommitAsync(cancellationToken);
        return stored > 0;
    }

    private static MarketEntry Entry(string source, MarketItem item) => new()
    {
        SourceId = source,
        Name = item.Name,
        Title = item.Title,
        SearchText = $"{item.Title} {item.Name} {item.Description}".ToLowerInvariant(),
        Deployable = !item.Deprecated && item.Forms.Any(f => f.Definition is not null),
        Item = item,
    };

    [LoggerMessage(1, LogLevel.Error, "Reading the market source {Id} failed")]
    private partial void LogFailed(Exception exception, string id);
}
