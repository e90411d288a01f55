using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Hosting;

/// <summary>Names this installation on everything that it starts, so that two on one host leave each other alone.</summary>
public sealed class InstallationId
{
    private const string Key = "installation-id";
    private string? _value;

    /// <summary>The id, for example <c>mcpcan-7f3k…</c>; there once the database was prepared.</summary>
    public string Value => _value ?? throw new InvalidOperationException("The database was not prepared yet.");

    internal async Task LoadAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        _value = await ReadAsync(db, cancellationToken);
        if (_value is not null) return;
        db.Settings.Add(new Setting { Key = Key, Value = Ids.New("mcpcan") });
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException)
        {
            db.ChangeTracker.Clear(); // another replica was first; its id counts
        }
        _value = await ReadAsync(db, cancellationToken);
    }

    private static Task<string?> ReadAsync(McpCanDb db, CancellationToken cancellationToken) =>
        db.Settings.Where(s => s.Key == Key).Select(s => s.Value).FirstOrDefaultAsync(cancellationToken);
}
