using McpCan.Server;
using McpCan.Server.Hosting;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>What a database keeps over restarts, and what a start makes of its state.</summary>
public abstract class DatabaseTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restart_KeepsInstallationAndSecrets()
    {
        var id = app.Services.GetRequiredService<InstallationId>().Value;
        var stored = app.Services.GetRequiredService<SecretProtector>().Protect("pa55");
        Assert.Matches("^mcpcan-[a-z2-9]{12}$", id);
        Assert.DoesNotContain("pa55", stored, StringComparison.Ordinal);

        await app.RestartAsync();

        Assert.Equal(id, app.Services.GetRequiredService<InstallationId>().Value);
        Assert.Equal("pa55", app.Services.GetRequiredService<SecretProtector>().Unprotect(stored));
        Assert.Equal("secret-unreadable", Assert.Throws<ProblemException>(() => app.Services.GetRequiredService<SecretProtector>().Unprotect("nonsense")).Code);
    }

    [Fact]
    public async Task Start_OnADatabaseOfANewerVersion_RefusesWithASentence()
    {
        await using var db = await app.Services.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContextAsync(Cancel);
        await db.Database.ExecuteSqlRawAsync("""INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('29991231000000_Future', '99.0')""", Cancel);
        try
        {
            var error = await Assert.ThrowsAsync<StartException>(() => app.Services.GetRequiredService<DatabaseStart>().PrepareAsync(Cancel));
            Assert.Contains("29991231000000_Future", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            await db.Database.ExecuteSqlRawAsync("""DELETE FROM "__EFMigrationsHistory" WHERE "ProductVersion" = '99.0'""", CancellationToken.None);
        }
    }

    [Fact]
    public async Task TwoStarts_AtTheSameTime_BothSucceed() =>
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => app.Services.GetRequiredService<DatabaseStart>().PrepareAsync(Cancel)));
}

public sealed class DatabaseTestsOnSqlite(SqliteApp app) : DatabaseTests<SqliteApp>(app)
{
    [Fact]
    public async Task Start_AfterAKillInAMigration_GoesOn()
    {
        await using var db = await SqliteAsync();
        // What EF Core leaves when its process is killed between taking and releasing its lock, with the migration still to be done.
        await db.Database.ExecuteSqlRawAsync("""CREATE TABLE "__EFMigrationsLock" ("Id" INTEGER PRIMARY KEY, "Timestamp" TEXT NOT NULL); INSERT INTO "__EFMigrationsLock" VALUES (1, '2026-01-01');""", TestContext.Current.CancellationToken);
        var start = new DatabaseStart(new Fresh(db.Database.GetConnectionString()!), Services.GetRequiredService<DataFolder>(), new InstallationId(), Services.GetRequiredService<McpCanOptions>(), TimeProvider.System);

        await start.PrepareAsync(TestContext.Current.CancellationToken).WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
    }

    private IServiceProvider Services { get; } = app.Services;

    private async Task<SqliteDb> SqliteAsync()
    {
        var file = Path.Combine(Services.GetRequiredService<DataFolder>().Root, $"{Guid.NewGuid():N}.db");
        var options = new DbContextOptionsBuilder<SqliteDb>();
        Database.UseSqlite(options, file);
        var db = new SqliteDb(options.Options);
        await db.Database.OpenConnectionAsync(TestContext.Current.CancellationToken);
        return db;
    }

    private sealed class Fresh(string connection) : IDbContextFactory<McpCanDb>
    {
        public McpCanDb CreateDbContext() => new SqliteDb(new DbContextOptionsBuilder<SqliteDb>().UseSqlite(connection).Options);
    }
}

public sealed class DatabaseTestsOnPostgres(PostgresApp app) : DatabaseTests<PostgresApp>(app);
