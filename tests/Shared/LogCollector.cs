using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace McpCan.Tests;

/// <summary>Keeps all that the server logs, for tests that look for secrets and for failures.</summary>
public sealed class LogCollector : ILoggerProvider
{
    // Failed commands are thrown as well; the server shows this category from Critical on.
    private const string ExpectedFailures = "Microsoft.EntityFrameworkCore.Database.Command";
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public IEnumerable<string> Lines => _lines.Select(l => l.Text);

    public IEnumerable<string> Errors => _lines.Where(l => l.Level >= LogLevel.Error && !l.Text.Contains(ExpectedFailures, StringComparison.Ordinal)).Select(l => l.Text);

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(LogCollector collector, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            collector._lines.Enqueue((logLevel, $"{logLevel} {category}: {formatter(state, exception)} {exception}"));
    }
}
