using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace McpCan.Server.Migrations;

/// <summary>How <c>dotnet ef</c> gets at the model; it connects to nothing.</summary>
internal sealed class SqliteDesign : IDesignTimeDbContextFactory<SqliteDb>
{
    public SqliteDb CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<SqliteDb>();
        Database.UseSqlite(options, "design.db");
        return new SqliteDb(options.Options);
    }
}

/// <summary>The same for PostgreSQL.</summary>
internal sealed class PostgresDesign : IDesignTimeDbContextFactory<PostgresDb>
{
    public PostgresDb CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<PostgresDb>();
        Database.UsePostgres(options, "Host=localhost;Database=design");
        return new PostgresDb(options.Options);
    }
}
