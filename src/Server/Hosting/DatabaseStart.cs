using System.Data.Common;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Hosting;

/// <summary>Brings the database to this program's model before anything else starts.</summary>
internal sealed class DatabaseStart(IDbContextFactory<McpCanDb> databases, DataFolder folder, InstallationId installation, McpCanOptions options, TimeProvider time)
    : IHostedLifecycleService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public Task StartingAsync(CancellationToken cancellationToken) => PrepareAsync(cancellationToken);

    /// <summary>Migrates and reads the installation id. Safe beside a running server and other commands.</summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        await using var alone = await AloneAsync(cancellationToken);
        await ReachAsync(cancellationToken);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await MigrateAsync(db, cancellationToken);
        await installation.LoadAsync(db, cancellationToken);
    }

    private static async Task MigrateAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        var known = db.Database.GetMigrations().ToHashSet();
        var applied = (await db.Database.GetAppliedMigrationsAsync(cancellationToken)).ToList();
        if (applied.Find(m => !known.Contains(m)) is { } newer)
            throw new StartException($"The database was made by another version of MCPCAN (it has the migration {newer}, which this version does not know). Start that version, or restore a backup.");
        if (known.IsSubsetOf(applied)) return;
        if (db.Database.IsSqlite())
        {
            await db.Database.ExecuteSqlRawAsync("PRAGMA journal_mode=WAL", cancellationToken);
            // EF Core marks a running migration by a row that a killed process leaves behind, and would wait for ever.
            // Our file lock says that no other process migrates.
            await db.Database.ExecuteSqlRawAsync("DROP TABLE IF EXISTS __EFMigrationsLock", cancellationToken);
        }
        await db.Database.MigrateAsync(cancellationToken);
    }

    /// <summary>One migration at a time on this data folder.</summary>
    private async Task<FileStream> AloneAsync(CancellationToken cancellationToken)
    {
        for (var start = time.GetTimestamp(); ; await Task.Delay(50, cancellationToken))
        {
            if (folder.TryLock("migrate.lock") is { } held) return held;
            if (time.GetElapsedTime(start) > Patience) throw new StartException($"Another MCPCAN is changing the database in {folder.Root} and does not come to an end.");
        }
    }

    /// <summary>A database server may still be starting when we do.</summary>
    private async Task ReachAsync(CancellationToken cancellationToken)
    {
        if (!options.UsesPostgres) return;
        for (var start = time.GetTimestamp(); ; await Task.Delay(500, cancellationToken))
        {
            try
            {
                await using var db = await databases.CreateDbContextAsync(cancellationToken);
                await db.Database.GetDbConnection().OpenAsync(cancellationToken);
                return;
            }
            catch (DbException e) when (e.SqlState is "3D000" && time.GetElapsedTime(start) < Patience)
            {
                return; // the database does not exist yet: migrating makes it
            }
            catch (DbException e) when (!e.IsTransient || time.GetElapsedTime(start) > Patience)
            {
                throw new StartException($"The PostgreSQL database cannot be used: {e.Message} Check {Configuration.Name(nameof(McpCanOptions.Database))}.", e);
            }
            catch (DbException)
            {
                // not there yet
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
