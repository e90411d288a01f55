using McpCan.Server.Hosting;

namespace McpCan.Server.Runtimes;

/// <summary>Keeps the install cache within its bounds, while this process looks after the servers.</summary>
internal sealed partial class CacheCleaner(ProcessRuntimeOptions runtime, McpCanOptions options, TimeProvider time, ILogger<CacheCleaner> logger)
{
    // The first time not at once: a start has better things to do.
    private static readonly TimeSpan First = TimeSpan.FromMinutes(10), Every = TimeSpan.FromHours(6);

    /// <summary>Cleans again and again until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        for (var wait = First; ; wait = Every)
        {
            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested) return;
            try
            {
                // It reads the sizes of many files: on a thread of its own, not where requests wait.
                var (results, bytes) = await Task.Factory.StartNew(() => Clean(cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                if (bytes > 0) LogCleaned(results, bytes >> 20);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                LogFailed(e);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Cleans once.</summary>
    public (int Results, long Bytes) Clean(CancellationToken cancellationToken) =>
        InstallCache.Of(runtime.Data).Clean(TimeSpan.FromDays(options.CacheDays), options.CacheBytes, time.GetUtcNow(), cancellationToken);

    [LoggerMessage(1, LogLevel.Information, "{Results} unused results of installs were removed, {Megabytes} MiB with downloads")]
    private partial void LogCleaned(int results, long megabytes);

    [LoggerMessage(2, LogLevel.Warning, "The install cache could not be cleaned; tried again in six hours")]
    private partial void LogFailed(Exception exception);
}
