using System.Diagnostics.Metrics;
using System.Threading.Channels;
using McpCan.Gateway;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Traffic;

/// <summary>
/// Takes records from the gateway without ever blocking it, and stores them in batches. When the database cannot follow and the queue is full,
/// records are dropped and counted.
/// </summary>
internal sealed partial class AccessLogWriter : BackgroundService, IAccessLog
{
    public const string MeterName = "McpCan.Traffic";
    private const int Capacity = 32_768;
    private const int Batch = 500;
    private const int Attempts = 8;
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LastFlush = TimeSpan.FromSeconds(2.5);

    private readonly Channel<AccessRecord> _queue = Channel.CreateBounded<AccessRecord>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly CancellationTokenSource _ending = new();
    private readonly IDbContextFactory<McpCanDb> _databases;
    private readonly TrafficNames _names = new();
    private readonly TrafficWindow _window;
    private readonly TimeProvider _time;
    private readonly ILogger<AccessLogWriter> _logger;
    private readonly Counter<long> _writtenCount;
    private readonly Counter<long> _droppedCount;
    private long _dropped;

    public AccessLogWriter(IDbContextFactory<McpCanDb> databases, TrafficWindow window, IMeterFactory meters, TimeProvider time, ILogger<AccessLogWriter> logger)
    {
        (_databases, _window, _time, _logger) = (databases, window, time, logger);
        var meter = meters.Create(MeterName);
        _writtenCount = meter.CreateCounter<long>("mcpcan.access_log.written", "{record}", "Access records stored.");
        _droppedCount = meter.CreateCounter<long>("mcpcan.access_log.dropped", "{record}", "Access records lost because the database could not follow.");
        meter.CreateObservableGauge("mcpcan.access_log.queued", () => _queue.Reader.Count, "{record}", "Access records that wait to be stored.");
    }

    /// <summary>Records lost since the start.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public void Write(AccessRecord record)
    {
        if (!_queue.Writer.TryWrite(record)) Drop(1);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        await _ending.CancelAsync();
        if (ExecuteTask is { } running) await running.WaitAsync(LastFlush, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await base.StopAsync(cancellationToken);
        var left = 0;
        while (_queue.Reader.TryRead(out _)) left++;
        if (left > 0) Drop(left);
    }

    public override void Dispose()
    {
        _ending.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await LoadWindowAsync(stoppingToken);
        var batch = new List<AccessRecord>(Batch);
        while (await _queue.Reader.WaitToReadAsync(stoppingToken))
        {
            // One wake-up a quarter of a second, however many records come.
            await Task.Delay(Gather, _time, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (Fill(batch))
            {
                await SaveAsync(batch, stoppingToken);
                batch.Clear();
            }
        }
    }

    /// <summary>The past hour is for the eye only: without it, recording goes on.</summary>
    private async Task LoadWindowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var db = await _databases.CreateDbContextAsync(cancellationToken);
            await _window.LoadAsync(db, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoWindow(e);
        }
    }

    private bool Fill(List<AccessRecord> batch)
    {
        while (batch.Count < Batch && _queue.Reader.TryRead(out var record))
        {
            var clean = AccessLogText.Clean(record);
            batch.Add(clean);
            _window.Add(clean);
        }
        return batch.Count > 0;
    }

    private async Task SaveAsync(List<AccessRecord> batch, CancellationToken cancellationToken)
    {
        var counts = TrafficBatch.Count(batch, _names);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var db = await _databases.CreateDbContextAsync(cancellationToken);
                await AccessLogTable.InsertAsync(db, batch, counts, cancellationToken);
                _writtenCount.Add(batch.Count);
                return;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && attempt < Attempts)
            {
                if (attempt == 1) LogNotStored(e, batch.Count);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 50 << attempt)), _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e)
            {
                LogLost(e, batch.Count);
                Drop(batch.Count);
                return;
            }
        }
    }

    private void Drop(int records)
    {
        _droppedCount.Add(records);
        // Said when it starts, and then at each power of two.
        var total = Interlocked.Add(ref _dropped, records);
        if (total == records || long.Log2(total) != long.Log2(total - records)) LogDropped(total);
    }

    [LoggerMessage(1, LogLevel.Warning, "Access records cannot be stored ({Count} wait); trying again")]
    private partial void LogNotStored(Exception exception, int count);

    [LoggerMessage(2, LogLevel.Error, "{Count} access records were given up: the database did not take them")]
    private partial void LogLost(Exception exception, int count);

    [LoggerMessage(3, LogLevel.Warning, "{Count} access records were lost since the start, because the database cannot follow")]
    private partial void LogDropped(long count);

    [LoggerMessage(4, LogLevel.Warning, "The traffic of the hour before this start could not be read")]
    private partial void LogNoWindow(Exception exception);
}
