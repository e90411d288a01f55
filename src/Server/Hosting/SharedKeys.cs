using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Hosting;

/// <summary>
/// Sees to it that there is one first key for secrets and session ids, however many processes start on a new database at the same time:
/// each of two would go on with its own for a day, and not open what the other one sealed.
/// </summary>
internal sealed class SharedKeys(IDbContextFactory<McpCanDb> databases, SecretProtector protector, McpCanOptions options) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.UsesPostgres) return;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await using var alone = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlRawAsync("SELECT pg_advisory_xact_lock(7300)", cancellationToken);
        _ = protector.Protect("");
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
