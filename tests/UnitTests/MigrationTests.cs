using McpCan.Server.Migrations;
using Microsoft.EntityFrameworkCore;

namespace McpCan.UnitTests;

public sealed class MigrationTests
{
    [Fact]
    public void Sqlite_HasAMigrationForEveryChangeOfTheModel()
    {
        using var db = new SqliteDesign().CreateDbContext([]);
        Assert.False(db.Database.HasPendingModelChanges(), "The model changed. Run script/migration NAME.");
    }

    [Fact]
    public void Postgres_HasAMigrationForEveryChangeOfTheModel()
    {
        using var db = new PostgresDesign().CreateDbContext([]);
        Assert.False(db.Database.HasPendingModelChanges(), "The model changed. Run script/migration NAME.");
    }

    [Fact]
    public void Providers_HaveTheSameMigrations()
    {
        using var sqlite = new SqliteDesign().CreateDbContext([]);
        using var postgres = new PostgresDesign().CreateDbContext([]);
        Assert.Equal(sqlite.Database.GetMigrations().Select(Name), postgres.Database.GetMigrations().Select(Name));
    }

    private static string Name(string migration) => migration[(migration.IndexOf('_', StringComparison.Ordinal) + 1)..];
}
