using System.Collections.Concurrent;
using System.Security.Cryptography;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>
/// Calls that wait for their client's inputs. Their <c>requestState</c> is a random number that serves once, for the
/// principal and the request that it was given to, for a limited time (2026-07-28, basic/patterns/mrtr, Server Requirements).
/// </summary>
sealed class ParkedCalls(ModernContext context)
{
    readonly ConcurrentDictionary<string, (Conversation Call, long At)> calls = new();

    public int Count => calls.Count;

    /// <summary>Keeps a call and gives the state that leads back to it.</summary>
    public string Add(Conversation call)
    {
        var state = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        calls[state] = (call, context.Time.GetTimestamp());
        return state;
    }

    /// <summary>The call that a state leads to, if it is of this principal and request.</summary>
    public Conversation? Take(string state, string principal, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (!calls.TryGetValue(state, out var found) || !found.Call.IsFor(principal, message, envelope)) return null;
        return calls.TryRemove(state, out _) ? found.Call : null;
    }

    public void Expire()
    {
        foreach (var (state, (call, at)) in calls)
        {
            if (context.Time.GetElapsedTime(at) > context.Options.ParkLimit && calls.TryRemove(state, out _)) call.Abandon();
        }
    }

    public void EndAll()
    {
        foreach (var (state, (call, _)) in calls)
        {
            if (calls.TryRemove(state, out _)) call.Abandon();
        }
    }
}
