namespace McpCan.Server.Runtimes;

/// <summary>What is to run in a terminal.</summary>
/// <param name="Command">Argument vector; never a shell string.</param>
/// <param name="Columns">Width in characters.</param>
/// <param name="Rows">Height in lines.</param>
public sealed record TerminalRequest(IReadOnlyList<string> Command, int Columns, int Rows)
{
    /// <summary>The best shell that is there.</summary>
    public static readonly IReadOnlyList<string> Shell = ["/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash; fi; exec /bin/sh"];
}

/// <summary>A command that runs in a pseudo-terminal. The end of it kills the command with all that it started.</summary>
public interface ITerminal : IAsyncDisposable
{
    /// <summary>What the command wrote; 0 when it has ended and all was read.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>What the person typed.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Tells the command the new size.</summary>
    Task ResizeAsync(int columns, int rows, CancellationToken cancellationToken);

    /// <summary>Completes when the command has ended, with its exit code; null when that is not known.</summary>
    Task<int?> Exit { get; }
}
