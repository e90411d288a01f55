using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>All tokens in memory, as one immutable table that is swapped whole. Only hashes are kept.</summary>
public sealed partial class TokenVerifier(IDbContextFactory<McpCanDb> databases, TimeProvider time) : ITokenVerifier, IDisposable
{
    /// <summary>Tells other processes that a token changed.</summary>
    internal const string Topic = "tokens";
    private const string VersionKey = "tokens-version";
    private const int LongestToken = 512;
    private readonly SemaphoreSlim _loading = new(1, 1);
    private readonly ConcurrentDictionary<string, Use> _uses = new();
    private volatile FrozenDictionary<Hash, Entry> _tokens = FrozenDictionary<Hash, Entry>.Empty;
    private string? _version;

    /// <inheritdoc/>
    public TokenVerdict Verify(string token, string instanceId, IPAddress? client)
    {
        if (string.IsNullOrEmpty(token)) return TokenVerdict.Refused(TokenRefusal.Missing);
        if (token.Length > LongestToken) return TokenVerdict.Refused(TokenRefusal.Unknown);
        if (!_tokens.TryGetValue(Hash.Of(token), out var entry)) return VerifyPass(token, instanceId);
        if (!entry.Enabled) return TokenVerdict.Refused(TokenRefusal.Disabled);
        if (entry.ExpiresAt is { } end && end <= time.GetUtcNow()) return TokenVerdict.Refused(TokenRefusal.Expired);
        if (!entry.Opens(instanceId)) return TokenVerdict.Refused(TokenRefusal.Foreign);
        return entry.Policy is null || entry.Policy.OpenTo(client)
            ? new TokenVerdict(entry.Id, entry.Principal, TokenRefusal.None, entry.Policy)
            : TokenVerdict.Refused(TokenRefusal.Address);
    }

    /// <inheritdoc/>
    public void Used(string tokenId, string? clientName, string? address) => _uses.AddOrUpdate(
        tokenId, static (_, now) => now, static (_, before, now) => now with { Client = now.Client ?? before.Client }, new Use(time.GetUtcNow(), clientName, address));

    /// <inheritdoc/>
    public void Dispose() => _loading.Dispose();

    /// <summary>Ids of the tokens that name this instance.</summary>
    internal List<string> Opening(string instanceId) => [.. _tokens.Values.Where(t => t.Instances?.Contains(instanceId) == true).Select(t => t.Id)];

    /// <summary>Reads all tokens again.</summary>
    internal async Task LoadAsync(CancellationToken cancellationToken)
    {
        await _loading.WaitAsync(cancellationToken);
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            // The version first: a change after it is found by the next look at the version.
            var version = await VersionAsync(db, cancellationToken);
            var tokens = await db.Tokens.AsNoTracking().ToListAsync(cancellationToken);
            var before = _tokens;
            _tokens = tokens.Select(t => (Hash: Hash.OfHex(t.Hash), Token: t)).ToFrozenDictionary(t => t.Hash, t => new Entry(t.Token, before.GetValueOrDefault(t.Hash)));
            _version = version;
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>Reads all tokens again when another process changed one.</summary>
    internal async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        if (await VersionAsync(db, cancellationToken) != _version) await LoadAsync(cancellationToken);
    }

    /// <summary>Tells the other processes, in the same transaction as the change.</summary>
    internal static async Task MarkChangedAsync(McpCanDb db, CancellationToken cancellationToken)
    {
        var value = Ids.New("v");
        if (await db.Settings.FirstOrDefaultAsync(s => s.Key == VersionKey, cancellationToken) is { } setting) setting.Value = value;
        else db.Settings.Add(new Setting { Key = VersionKey, Value = value });
    }

    /// <summary>Stores the last uses that came together since the last call.</summary>
    internal async Task FlushUsesAsync(CancellationToken cancellationToken)
    {
        if (_uses.IsEmpty) return;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        foreach (var id in _uses.Keys)
        {
            if (!_uses.TryRemove(id, out var use)) continue;
            var client = Cut(use.Client);
            await db.Tokens.Where(t => t.Id == id).ExecuteUpdateAsync(s => s
                .SetProperty(t => t.LastUsedAt, use.Time)
                .SetProperty(t => t.LastUsedAddress, use.Address)
                .SetProperty(t => t.LastUsedClient, t => client ?? t.LastUsedClient), cancellationToken);
        }
    }

    private static string? Cut(string? client) => client?.Replace("\0", "", StringComparison.Ordinal) is { Length: > 200 } text ? text[..200] : client;

    private static Task<string?> VersionAsync(McpCanDb db, CancellationToken cancellationToken) =>
        db.Settings.Where(s => s.Key == VersionKey).Select(s => s.Value).FirstOrDefaultAsync(cancellationToken);

    private sealed record Use(DateTimeOffset Time, string? Client, string? Address);

    // The policy's object stays the same while nothing in it changed: by that, open exchanges see that they may go on.
    private sealed class Entry(Token token, Entry? before)
    {
        public AccessPolicy? Policy { get; } = PolicyOf(token) is var policy && policy == before?.Policy ? before?.Policy : policy;
        public string Id { get; } = token.Id;
        public string Principal { get; } = $"token:{token.Id}";
        public bool Enabled { get; } = token.Enabled;
        public DateTimeOffset? ExpiresAt { get; } = token.ExpiresAt;
        public FrozenSet<string>? Instances { get; } = token.AllInstances ? null : token.InstanceIds.ToFrozenSet(StringComparer.Ordinal);
        public bool Opens(string instanceId) => Instances?.Contains(instanceId) ?? true;
    }

    private static AccessPolicy? PolicyOf(Token token) =>
        token is { Tools: null, Prompts: null, Resources: null, Addresses.Count: 0, Limits: null } ? null : new AccessPolicy
        {
            Tools = token.Tools?.Rule(),
            Prompts = token.Prompts?.Rule(),
            Resources = token.Resources?.Rule(),
            Addresses = [.. token.Addresses.Select(AddressRules.Parse).OfType<System.Net.IPNetwork>()],
            Limits = token.Limits ?? TrafficLimits.None,
        };

    /// <summary>SHA-256 as a key that needs no allocation.</summary>
    private readonly record struct Hash(ulong A, ulong B, ulong C, ulong D)
    {
        public static Hash Of(string token)
        {
            Span<byte> text = stackalloc byte[Encoding.UTF8.GetMaxByteCount(LongestToken)];
            Span<byte> hash = stackalloc byte[32];
            SHA256.HashData(text[..Encoding.UTF8.GetBytes(token, text)], hash);
            return MemoryMarshal.Read<Hash>(hash);
        }

        public static Hash OfHex(string hex) => MemoryMarshal.Read<Hash>(Convert.FromHexString(hex));
    }
}
