using System.Collections.Concurrent;
using System.Data.Common;
using System.Threading.Channels;
using Npgsql;

namespace McpCan.Server.Hosting;

/// <summary>
/// Tells the other processes on the same PostgreSQL that something changed (LISTEN/NOTIFY), so that they look at once and not at their next poll.
/// News are hints: what they are about stands in the database, and who misses one finds it there. On SQLite there is nobody to tell.
/// </summary>
public sealed partial class News(McpCanOptions options, TimeProvider time, ILogger<News> logger) : BackgroundService
{
    private const string Wire = "mcpcan";
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private readonly string _self = Ids.New("p");
    private readonly ConcurrentDictionary<string, Action<string>> _hearers = new();
    private readonly Channel<(string Topic, string About)> _outbox =
        Channel.CreateBounded<(string, string)>(new BoundedChannelOptions(4096) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Tells the others. Never waits; call it when the change is stored.</summary>
    public void Tell(string topic, string about = "")
    {
        if (options.UsesPostgres) _outbox.Writer.TryWrite((topic, about));
    }

    /// <summary>Calls <paramref name="heard"/> with what the news is about; with an empty text when some may have been missed. It must return at once.</summary>
    public void On(string topic, Action<string> heard) => _hearers.AddOrUpdate(topic, heard, (_, before) => before + heard);

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        options.UsesPostgres ? Task.WhenAll(GoOnAsync(ListenAsync, stoppingToken), GoOnAsync(SendAsync, stoppingToken)) : Task.CompletedTask;

    private async Task GoOnAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        for (var told = false; !cancellationToken.IsCancellationRequested;)
        {
            try
            {
                await work(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is DbException or IOException or TimeoutException or InvalidOperationException)
            {
                if (!told) LogBroken(e.Message);
                told = true;
            }
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        // Its own connection; the keep-alive notices one that died without a word.
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(options.Database) { Pooling = false, KeepAlive = 5 }.ConnectionString);
        connection.Notification += (_, e) => Hear(e.Payload);
        await connection.OpenAsync(cancellationToken);
        await using (var listen = new NpgsqlCommand($"LISTEN {Wire}", connection)) await listen.ExecuteNonQueryAsync(cancellationToken);
        foreach (var hear in _hearers.Values) hear("");
        while (true) await connection.WaitAsync(cancellationToken);
    }

    private async Task SendAsync(CancellationToken cancellationToken)
    {
        while (await _outbox.Reader.WaitToReadAsync(cancellationToken))
        {
            await using var connection = new NpgsqlConnection(options.Database);
            await connection.OpenAsync(cancellationToken);
            while (_outbox.Reader.TryRead(out var news))
            {
                await using var notify = new NpgsqlCommand("SELECT pg_notify(@wire, @news)", connection);
                notify.Parameters.AddWithValue("wire", Wire);
                notify.Parameters.AddWithValue("news", $"{_self} {news.Topic} {news.About}");
                await notify.ExecuteNonQueryAsync(cancellationToken);
            }
        }
    }

    private void Hear(string text)
    {
        if (text.Split(' ', 3) is [var from, var topic, var about] && from != _self && _hearers.TryGetValue(topic, out var hear)) hear(about);
    }

    [LoggerMessage(1, LogLevel.Warning, "News between the processes of this installation are interrupted ({Why}); changes are found by looking until it is mended")]
    private partial void LogBroken(string why);
}
