using System.Collections.Concurrent;
using McpCan.Gateway;

namespace McpCan.Server.Access;

/// <summary>Passes: tokens that this program makes for calls of its own users. They live in memory only, open one instance, and end with their use.</summary>
public sealed partial class TokenVerifier
{
    /// <summary>Id under which passes stand in the access log.</summary>
    internal const string PassId = "playground";
    private const int MostPasses = 1000;
    private static readonly TimeSpan PassLife = TimeSpan.FromMinutes(15);
    private readonly ConcurrentDictionary<Hash, Pass> _passes = new();

    /// <summary>A pass for one person and one instance; null when too many are in use.</summary>
    internal Pass? Lend(string instanceId, string actor)
    {
        foreach (var (hash, old) in _passes)
        {
            if (old.EndsAt <= time.GetUtcNow()) _passes.TryRemove(hash, out _);
        }
        if (_passes.Count >= MostPasses) return null;
        var value = SecretValue.New("mcp_");
        var pass = new Pass(value, instanceId, $"person:{actor}", time, () => _passes.TryRemove(Hash.Of(value), out _));
        _passes[Hash.Of(value)] = pass;
        return pass;
    }

    private TokenVerdict VerifyPass(string token, string instanceId)
    {
        if (_passes.IsEmpty || !_passes.TryGetValue(Hash.Of(token), out var pass)) return TokenVerdict.Refused(TokenRefusal.Unknown);
        if (pass.EndsAt <= time.GetUtcNow()) return TokenVerdict.Refused(TokenRefusal.Expired);
        return pass.InstanceId == instanceId ? new TokenVerdict(PassId, pass.Principal, TokenRefusal.None) : TokenVerdict.Refused(TokenRefusal.Foreign);
    }

    /// <summary>A lent pass; ends by itself when it is not renewed.</summary>
    internal sealed class Pass(string value, string instanceId, string principal, TimeProvider time, Action end) : IDisposable
    {
        public string Value { get; } = value;
        public string InstanceId { get; } = instanceId;
        public string Principal { get; } = principal;
        public DateTimeOffset EndsAt { get; private set; } = time.GetUtcNow() + PassLife;
        public void Renew() => EndsAt = time.GetUtcNow() + PassLife;
        public void Dispose() => end();
    }
}
