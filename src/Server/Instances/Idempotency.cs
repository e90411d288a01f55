using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>Remembers for a day what requests with an <c>Idempotency-Key</c> made. Stored, so that a restart between two attempts does no harm.</summary>
internal sealed class Idempotency(TimeProvider time)
{
    private const string Prefix = "idempotency/";
    private const int Most = 5000;
    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    /// <summary>Name under which a key of an actor is stored; the key itself is not.</summary>
    public static string Key(string key, string actor)
    {
        new Checks().That(key.Length is > 0 and <= 255 && !key.Any(char.IsControl), "Idempotency-Key", "Must have 1 to 255 characters.").Throw();
        return Prefix + Hash($"{actor}\n{key}");
    }

    /// <summary>Id of what was made under the key before, or null.</summary>
    /// <exception cref="ProblemException">422 when the key came with another body before.</exception>
    public async Task<string?> FindAsync<T>(McpCanDb db, string key, T body, CancellationToken cancellationToken)
    {
        var stored = await db.Settings.AsNoTracking().Where(s => s.Key == key).Select(s => s.Value).FirstOrDefaultAsync(cancellationToken);
        if (stored?.Split('|') is not [var seconds, var hash, var id] || Age(seconds) > Kept) return null;
        return hash == Hash(JsonSerializer.Serialize(body)) ? id
            : throw new ProblemException(422, "idempotency-key-reused", "This Idempotency-Key came with another body before. Use a new key for a new request.");
    }

    /// <summary>Adds to what <paramref name="db"/> is about to save.</summary>
    public async Task RememberAsync<T>(McpCanDb db, string key, T body, string id, CancellationToken cancellationToken)
    {
        var old = await db.Settings.Where(s => s.Key.StartsWith(Prefix)).ToListAsync(cancellationToken);
        var outdated = old.Where(s => s.Key == key || Age(s.Value.Split('|')[0]) > Kept).ToList();
        outdated.AddRange(old.Except(outdated).OrderBy(s => s.Value, StringComparer.Ordinal).Take(old.Count - outdated.Count - Most + 1));
        db.Settings.RemoveRange(outdated);
        if (outdated.Count > 0) await db.SaveChangesAsync(cancellationToken);
        db.Settings.Add(new Setting { Key = key, Value = $"{time.GetUtcNow().ToUnixTimeSeconds().ToString("D12", CultureInfo.InvariantCulture)}|{Hash(JsonSerializer.Serialize(body))}|{id}" });
    }

    private TimeSpan Age(string seconds) =>
        long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var at) ? time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(at) : TimeSpan.MaxValue;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
