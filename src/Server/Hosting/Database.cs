using System.Data.Common;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace McpCan.Server.Hosting;

/// <summary>Registers the model on the provider that the settings name.</summary>
internal static class Database
{
    public static void AddDatabase(this IServiceCollection services, McpCanOptions options, DataFolder folder)
    {
        if (options.UsesPostgres)
        {
            services.AddPooledDbContextFactory<PostgresDb>(o => UsePostgres(o, options.Database));
            services.AddSingleton<IDbContextFactory<McpCanDb>, Factory<PostgresDb>>();
        }
        else
        {
            services.AddPooledDbContextFactory<SqliteDb>(o => UseSqlite(o, folder.DatabaseFile));
            services.AddSingleton<IDbContextFactory<McpCanDb>, Factory<SqliteDb>>();
        }
        services.AddScoped(s => s.GetRequiredService<IDbContextFactory<McpCanDb>>().CreateDbContext());
        services.AddSingleton<InstallationId>();
        services.AddSingleton<DatabaseStart>();
        services.AddHostedService(s => s.GetRequiredService<DatabaseStart>());
        services.AddDataProtection().SetApplicationName("MCPCAN").PersistKeysToDbContext<McpCanDb>();
        services.AddSingleton<SecretProtector>();
        services.AddHostedService<SharedKeys>();
    }

    public static void UseSqlite(DbContextOptionsBuilder builder, string file) => builder
        .UseSqlite($"Data Source={file};Foreign Keys=True;Default Timeout=30")
        .AddInterceptors(SqlitePragmas.Instance);

    public static void UsePostgres(DbContextOptionsBuilder builder, string connection) => builder.UseNpgsql(connection);

    private sealed class Factory<T>(IDbContextFactory<T> inner) : IDbContextFactory<McpCanDb> where T : McpCanDb
    {
        public McpCanDb CreateDbContext() => inner.CreateDbContext();
        public async Task<McpCanDb> CreateDbContextAsync(CancellationToken cancellationToken) => await inner.CreateDbContextAsync(cancellationToken);
    }

    /// <summary>Readers never wait for the writer (WAL is set once, by the start); writers wait for each other.</summary>
    private sealed class SqlitePragmas : DbConnectionInterceptor
    {
        public static readonly SqlitePragmas Instance = new();
        private const string Pragmas = "PRAGMA busy_timeout=15000; PRAGMA synchronous=NORMAL;";

        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
        {
            using var command = connection.CreateCommand();
            command.CommandText = Pragmas;
            command.ExecuteNonQuery();
        }

        public override async Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = Pragmas;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
