using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Xunit;

[assembly: AssemblyFixture(typeof(McpCan.Tests.PostgresRun))]

namespace McpCan.Tests;

/// <summary>
/// One PostgreSQL server per test run, from the binaries that Debian's package installs. It listens on a socket in its own folder only,
/// and is stopped and removed when the test process ends; what a killed run left behind is removed by the next one.
/// </summary>
public sealed class PostgresServer
{
    private const string FolderPrefix = "mcpcan-pg-";
    private static readonly Lazy<PostgresServer> Shared = new(() => new PostgresServer());
    private readonly string _folder;
    private readonly string _binaries;
    private int _databases;

    private PostgresServer()
    {
        _binaries = Directory.GetDirectories("/usr/lib/postgresql").OrderByDescending(d => int.Parse(Path.GetFileName(d), CultureInfo.InvariantCulture))
            .Select(d => Path.Combine(d, "bin")).First(d => File.Exists(Path.Combine(d, "initdb")));
        RemoveLeftOvers();
        _folder = Path.Combine(Path.GetTempPath(), FolderPrefix + System.Environment.ProcessId);
        if (IsRoot) Run("install", "-d", "-o", "postgres", "-m", "700", _folder);
        else Directory.CreateDirectory(_folder);
        Postgres("initdb", "-D", Data(_folder), "-N", "-A", "trust", "-U", "postgres");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Remove(_folder); // only where no assembly fixture ended it before
        Postgres("pg_ctl", "-D", Data(_folder), "-w", "-l", Path.Combine(_folder, "log"), "start", "-o",
            $"-c listen_addresses= -c unix_socket_directories={_folder} -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300");
    }

    private static bool IsRoot => System.Environment.UserName == "root";

    /// <summary>Makes an empty database; the result is its connection string.</summary>
    public static async Task<string> NewDatabaseAsync()
    {
        var server = Shared.Value;
        var name = $"t{Interlocked.Increment(ref server._databases)}";
        await using var connection = new NpgsqlConnection(server.Connection("postgres"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"create database {name}", connection);
        await command.ExecuteNonQueryAsync();
        return server.Connection(name);
    }

    /// <summary>Stops the server and removes its files, when one was started.</summary>
    internal static void End()
    {
        if (Shared.IsValueCreated) Shared.Value.Remove(Shared.Value._folder);
    }

    private string Connection(string database) => $"Host={_folder};Username=postgres;Database={database};Maximum Pool Size=20";

    private static string Data(string folder) => Path.Combine(folder, "data");

    private void RemoveLeftOvers()
    {
        foreach (var folder in Directory.GetDirectories(Path.GetTempPath(), FolderPrefix + "*"))
            if (!int.TryParse(Path.GetFileName(folder)[FolderPrefix.Length..], CultureInfo.InvariantCulture, out var owner) || !Directory.Exists($"/proc/{owner}")) Remove(folder);
    }

    private void Remove(string folder)
    {
        if (!Directory.Exists(folder)) return;
        try
        {
            Postgres("pg_ctl", "-D", Data(folder), "-m", "immediate", "stop");
        }
        catch (InvalidOperationException)
        {
            // it does not run
        }
        Directory.Delete(folder, recursive: true);
    }

    private void Postgres(string program, params string[] arguments)
    {
        var path = Path.Combine(_binaries, program);
        if (IsRoot) Run("runuser", ["-u", "postgres", "--", path, .. arguments]);
        else Run(path, arguments);
    }

    private static void Run(string program, params string[] arguments)
    {
        // The output goes nowhere: the started server would keep a pipe open.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" >/dev/null 2>&1 </dev/null", program, .. arguments]) { WorkingDirectory = "/" };
        using var process = Process.Start(start)!;
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}

/// <summary>Ends PostgreSQL while the test run still goes on: hundreds of databases take longer to remove than a process has to exit.</summary>
public sealed class PostgresRun : IDisposable
{
    public void Dispose() => PostgresServer.End();
}
