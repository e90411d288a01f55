using System.Security.Cryptography;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>The one-time code for the first administrator: new at each start while there is no user, shown on the server's console only.</summary>
public sealed class SetupCode(IDbContextFactory<McpCanDb> databases) : IHostedService
{
    private const string Key = "setup-code";
    private string? _shown;

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        await db.Settings.Where(s => s.Key == Key).ExecuteDeleteAsync(cancellationToken);
        if (await db.Users.AnyAsync(cancellationToken)) return;
        const string Alphabet = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
        _shown = string.Join('-', Enumerable.Range(0, 4).Select(_ => RandomNumberGenerator.GetString(Alphabet, 4)));
        db.Settings.Add(new Setting { Key = Key, Value = Hash(_shown) });
        await db.SaveChangesAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Makes the first administrator. The code works once, and only while there is no user.</summary>
    public async Task<User> UseAsync(string code, string userName, string password, UserAccounts accounts, CancellationToken cancellationToken)
    {
        var input = new UserInput(userName, password, Roles.Admin);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        if (await db.Users.AnyAsync(cancellationToken)) throw new ProblemException(409, "already-set-up", "MCPCAN is set up already. Sign in.");
        var hash = Hash(code);
        var wrong = new ProblemException(403, "wrong-setup-code", "The set-up code is wrong. The server printed it when it started.");
        if (!await db.Settings.AnyAsync(s => s.Key == Key && s.Value == hash, cancellationToken)) throw wrong;
        await accounts.CheckAsync(input);
        // Who removes the code is the one who may use it: two requests at the same time make one administrator.
        if (await db.Settings.Where(s => s.Key == Key && s.Value == hash).ExecuteDeleteAsync(cancellationToken) != 1) throw wrong;
        return await accounts.CreateAsync(input, cancellationToken);
    }

    /// <summary>Lines of the start banner.</summary>
    internal async Task<IReadOnlyList<string>> LinesAsync(IServer server, McpCanOptions options, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        return _shown is null || await db.Users.AnyAsync(cancellationToken)
            ? []
            : [$"There is no administrator yet. Open {StartBanner.Address(server, options)}/setup", $"and enter this one-time code: {_shown}"];
    }

    private static string Hash(string code) => SecretValue.Hash("setup:" + code.Trim().ToUpperInvariant());
}
