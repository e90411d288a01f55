using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace McpCan.Server.Hosting;

/// <summary>
/// Chooses the one process that changes workloads, among all that share the database. The right ends by itself when it is not renewed; its time is
/// the database's, so clocks of machines do not matter, and the holder gives up a second before anybody else may take it.
/// On SQLite there is one process, which the lock of the data folder sees to.
/// </summary>
/// <remarks>A process that dies frees its lock file at once: one with the same data folder takes over without waiting for the time to pass.</remarks>
internal sealed partial class LeaderLease(IDbContextFactory<McpCanDb> databases, McpCanOptions options, DataFolder folder, News news, TimeProvider time, ILogger<LeaderLease> logger) : IDisposable
{
    public const string Topic = "lease";
    private const string Name = "reconciler", LockFile = "leader.lock";
    private const int LifetimeMs = 6000;
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(1), Renewal = TimeSpan.FromSeconds(1.5), Retry = TimeSpan.FromSeconds(1), CommandTime = TimeSpan.FromSeconds(2);
    private readonly DataFolder _folder = folder;
    private readonly News _news = news;
    private readonly TimeProvider _time = time;
    private readonly string _owner = Ids.New("p");
    private readonly Bell _freed = new();
    private int _listening;
    private volatile Leadership? _current;

    /// <summary>Data folder of the process that leads, as seen at the last try; null while nobody does.</summary>
    public string? LeadingNode { get; private set; }

    /// <summary>Whether this process has the right now.</summary>
    public bool Leads => _current is { Holds: true };

    /// <summary>Takes the right, or null while another process has it or the database does not answer.</summary>
    public async Task<Leadership?> TryTakeAsync(CancellationToken cancellationToken)
    {
        if (!options.UsesPostgres) return _current = Leadership.Sole;
        var held = _folder.TryLock(LockFile);
        try
        {
            var begin = _time.GetTimestamp();
            if (await TakeAsync(held is not null, cancellationToken) is { } term)
            {
                LeadingNode = _folder.NodeId;
                LogTaken(term);
                var leadership = new Leadership(this, term, held, begin);
                held = null;
                return _current = leadership;
            }
            return null;
        }
        catch (Exception e) when (e is DbException or TimeoutException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            LogNotAsked(e.Message);
            return null;
        }
        finally
        {
            held?.Dispose();
        }
    }

    /// <summary>Waits until this process may lead; <paramref name="other"/> is called after each try that found another one leading.</summary>
    public async Task<Leadership> TakeAsync(Func<Task> other, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _listening, 1) == 0) _news.On(Topic, _ => _freed.Ring());
        while (true)
        {
            if (await TryTakeAsync(cancellationToken) is { } leadership) return leadership;
            await other();
            await _freed.WaitAsync(Retry, cancellationToken);
        }
    }

    public void Dispose() => _freed.Dispose();

    private async Task<long?> TakeAsync(bool locked, CancellationToken cancellationToken)
    {
        // A row that another process on this folder wrote while it had the lock file, which we have now: it is dead.
        const string Take = """
            INSERT INTO "Leases" AS l ("Name", "Owner", "Node", "Locked", "Term", "ExpiresMs") VALUES (@name, @owner, @node, @locked, (extract(epoch from clock_timestamp()) * 1000)::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint + @life)
            ON CONFLICT ("Name") DO UPDATE SET "Owner" = @owner, "Node" = @node, "Locked" = @locked, "Term" = greatest(l."Term" + 1, EXCLUDED."Term"), "ExpiresMs" = EXCLUDED."ExpiresMs"
            WHERE l."ExpiresMs" < (extract(epoch from clock_timestamp()) * 1000)::bigint OR (l."Node" = @node AND l."Locked" AND @locked)
            RETURNING "Term"
            """;
        var term = await ScalarAsync(Take, locked, 0, cancellationToken) as long?;
        if (term is null) LeadingNode = await ScalarAsync("""SELECT "Node" FROM "Leases" WHERE "Name" = @name""", locked, 0, cancellationToken) as string;
        return term;
    }

    private async Task<bool> RenewAsync(long term, bool locked, CancellationToken cancellationToken) => await ScalarAsync("""
        UPDATE "Leases" SET "Locked" = @locked, "ExpiresMs" = (extract(epoch from clock_timestamp()) * 1000)::bigint + @life
        WHERE "Name" = @name AND "Owner" = @owner AND "Term" = @term AND "ExpiresMs" >= (extract(epoch from clock_timestamp()) * 1000)::bigint RETURNING "Term"
        """, locked, term, cancellationToken) is not null;

    /// <summary>Gives the right back. With <paramref name="whole"/> to everybody at once, else first to processes with the same data folder.</summary>
    private async Task FreeAsync(long term, bool whole)
    {
        try
        {
            if (whole) await ScalarAsync("""UPDATE "Leases" SET "ExpiresMs" = 0 WHERE "Name" = @name AND "Owner" = @owner AND "Term" = @term RETURNING "Term" """, false, term, CancellationToken.None);
        }
        catch (Exception e) when (e is DbException or TimeoutException or OperationCanceledException)
        {
            LogNotAsked(e.Message); // then it ends by its time
        }
    }

    private async Task<object?> ScalarAsync(string sql, bool locked, long term, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(CommandTime);
        await using var db = await databases.CreateDbContextAsync(limit.Token);
        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        await connection.OpenAsync(limit.Token);
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var (name, value) in new (string, object)[] { ("name", Name), ("owner", _owner), ("node", _folder.NodeId), ("locked", locked), ("term", term), ("life", LifetimeMs) })
            command.Parameters.AddWithValue(name, value);
        return await command.ExecuteScalarAsync(limit.Token);
    }

    [LoggerMessage(1, LogLevel.Information, "This process looks after the servers now (term {Term})")]
    private partial void LogTaken(long term);

    [LoggerMessage(2, LogLevel.Warning, "This process may no longer look after the servers: {Why}")]
    private partial void LogLost(string why);

    [LoggerMessage(3, LogLevel.Warning, "The database could not be asked which process looks after the servers: {Why}")]
    private partial void LogNotAsked(string why);

    /// <summary>The right, while it holds.</summary>
    internal sealed class Leadership : IAsyncDisposable
    {
        /// <summary>Of the only process there is.</summary>
        public static Leadership Sole { get; } = new();
        private readonly LeaderLease? _lease;
        private readonly CancellationTokenSource _lost = new();
        private readonly CancellationTokenSource _ending = new();
        private readonly Task _renewing = Task.CompletedTask;
        private FileStream? _held;

        private Leadership()
        {
        }

        public Leadership(LeaderLease lease, long term, FileStream? held, long begin)
        {
            (_lease, Term, _held) = (lease, term, held);
            Until(begin);
            _renewing = RenewAsync(lease);
        }

        /// <summary>Rises with every new holder.</summary>
        public long Term { get; }

        /// <summary>Cancelled when the right is gone, or may be.</summary>
        public CancellationToken Lost => _lost.Token;

        /// <summary>Whether the right is there still.</summary>
        public bool Holds => !_ending.IsCancellationRequested && !_lost.IsCancellationRequested;

        /// <summary>Whether nothing of this process runs any more, so that a process with another data folder need not wait.</summary>
        public bool LeavesNothing { get; set; }

        public async ValueTask DisposeAsync()
        {
            if (_lease is null) return;
            var held = !_lost.IsCancellationRequested;
            await _ending.CancelAsync();
            await _renewing;
            if (held) await _lease.FreeAsync(Term, LeavesNothing);
            else _lease.LogLost("another process leads, or the database did not answer in time");
            if (_held is not null) await _held.DisposeAsync();
            if (held) _lease._news.Tell(Topic);
            _ending.Dispose();
            _lost.Dispose();
        }

        // Counted from before the question, so that the database's time can only be later than ours.
        private void Until(long begin)
        {
            var left = TimeSpan.FromMilliseconds(LifetimeMs) - Margin - _lease!._time.GetElapsedTime(begin);
            if (left > TimeSpan.Zero) _lost.CancelAfter(left);
            else _lost.Cancel();
        }

        private async Task RenewAsync(LeaderLease lease)
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token, _lost.Token);
            while (!both.IsCancellationRequested)
            {
                await Task.Delay(Renewal, lease._time, both.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (both.IsCancellationRequested) break;
                try
                {
                    _held ??= lease._folder.TryLock(LockFile);
                    var begin = lease._time.GetTimestamp();
                    if (await lease.RenewAsync(Term, _held is not null, both.Token)) Until(begin);
                    else await _lost.CancelAsync();
                }
                catch (Exception e) when (e is DbException or TimeoutException or OperationCanceledException)
                {
                    // tried again until the time is over
                }
            }
        }
    }
}
