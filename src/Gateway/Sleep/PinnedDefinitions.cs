using McpCan.Protocol;
using McpCan.Protocol.Messages;

namespace McpCan.Gateway.Sleep;

/// <summary>Names the definitions that stand in for a sleeping instance.</summary>
/// <param name="Generation">The generation of settings that the server had when it gave them.</param>
/// <param name="Hash">Differs when they do.</param>
/// <param name="SessionIdle">After how long without use a session ends.</param>
public sealed record SleepOffer(long Generation, string Hash, TimeSpan SessionIdle);

/// <summary>What a server said of itself when it was last started: answers in its place while it sleeps.</summary>
public sealed record PinnedDefinitions
{
    /// <summary>The methods that are answered from them, besides <c>initialize</c> and <c>ping</c>, with the member of the result that is the list.</summary>
    public static readonly IReadOnlyDictionary<string, string> Lists = new Dictionary<string, string>
    {
        ["tools/list"] = "tools",
        ["prompts/list"] = "prompts",
        ["resources/list"] = "resources",
        ["resources/templates/list"] = "resourceTemplates",
    };

    /// <summary>The generation of settings that the server had.</summary>
    public required long Generation { get; init; }
    /// <summary>The result of initialize.</summary>
    public required byte[] Hello { get; init; }
    /// <summary>By method the result with all pages in one. A method that is missing is one that the server does not have.</summary>
    public required IReadOnlyDictionary<string, byte[]> Results { get; init; }

    /// <summary>The revision that the server speaks.</summary>
    internal McpRevision Revision => McpRevisions.Parse(JsonSeek.Text(Hello, new(0, Hello.Length), "protocolVersion"u8));

    /// <summary>The result of initialize for a client of a revision.</summary>
    internal byte[] HelloIn(McpRevision revision)
    {
        var splice = new Splice(Hello, JsonSeek.Member(Hello, new(0, Hello.Length), "protocolVersion"u8), [(byte)'"', .. System.Text.Encoding.ASCII.GetBytes(revision.Name()), (byte)'"']);
        var bytes = new byte[splice.Length];
        splice.CopyTo(bytes, oneLine: false);
        return bytes;
    }

    /// <summary>The kinds of lists (<c>tools</c>, <c>prompts</c>, <c>resources</c>) that differ.</summary>
    internal IEnumerable<string> Differs(PinnedDefinitions other) => Lists.Keys
        .Where(method => Results.ContainsKey(method) != other.Results.ContainsKey(method) || Results.TryGetValue(method, out var result) && !result.AsSpan().SequenceEqual(other.Results[method]))
        .Select(method => method[..method.IndexOf('/', StringComparison.Ordinal)]).Distinct();
}

/// <summary>Keeps the definitions of instances that may sleep.</summary>
public interface IPinnedDefinitions
{
    /// <summary>The definitions of an instance, or null when there are none. Asked once for each <see cref="SleepOffer"/>.</summary>
    Task<PinnedDefinitions?> FindAsync(string instanceId, CancellationToken cancellationToken);
}
