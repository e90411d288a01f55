using System.Text.Json;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>One entry of pasted configuration, as it was understood.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Summary">What it runs, one line for people.</param>
/// <param name="Input">The instance to create, or null when it cannot be one here.</param>
/// <param name="Notes">What a person should know, one sentence each.</param>
/// <param name="Missing">Values that the configuration leaves open (<c>${…}</c>): names of variables, <c>args[2]</c>, <c>url</c> or <c>headers.NAME</c>.</param>
/// <param name="Start">False when the entry says that it is switched off.</param>
public sealed record ImportedServer(string Name, string Summary, InstanceInput? Input, IReadOnlyList<string> Notes, IReadOnlyList<string> Missing, bool Start);

/// <summary>What was understood of pasted configuration.</summary>
public sealed record ImportView(IReadOnlyList<ImportEntryView> Servers);

/// <summary>One entry.</summary>
/// <param name="Understood">Whether it can be created here.</param>
/// <param name="Problem">Why creating it was refused.</param>
/// <param name="Created">What was created.</param>
public sealed record ImportEntryView(string Name, string Summary, bool Understood, InstanceInput? Instance, IReadOnlyList<string> Notes, IReadOnlyList<string> Missing, string? Problem, InstanceView? Created)
{
    internal static ImportEntryView Of(ImportedServer s) => new(s.Name, s.Summary, s.Input is not null, Shown(s.Input), s.Notes, s.Missing, null, null);

    // Secret values write themselves masked; the address does not know that it is one.
    private static InstanceInput? Shown(InstanceInput? input) =>
        input?.Remote is { Url.Value: { } url } remote ? input with { Remote = remote with { Url = RemoteUrl.Mask(url) } } : input;
}

/// <summary>
/// Reads the configuration of MCP clients: <c>mcpServers</c>, <c>servers</c>, <c>mcp.servers</c>, a bare map, an array;
/// comments and trailing commas allowed. Entries with a command become managed servers, those with an address proxied ones.
/// </summary>
public static class McpServersImport
{
    private const int Most = 200;
    private static readonly JsonSerializerOptions Lenient = new() { ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 32 };
    private static readonly string[] Roots = ["mcpServers", "servers", "mcp.servers", "mcp_servers", "mcp"];

    /// <summary>All entries, in their order.</summary>
    /// <param name="text">What was pasted.</param>
    /// <param name="mode"><c>direct</c> to keep every server on file; else those with an address are proxied and those with a command managed.</param>
    /// <exception cref="ProblemException">400 when the text is no JSON, or has no servers.</exception>
    public static IReadOnlyList<ImportedServer> Parse(string text, string mode = InstanceModes.Managed)
    {
        JsonElement root;
        try
        {
            root = JsonSerializer.Deserialize<JsonElement>(text.TrimStart('\uFEFF'), Lenient);
        }
        catch (JsonException e)
        {
            throw new ProblemException(400, "bad-json", $"This is not valid JSON: line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}.");
        }
        var entries = Entries(root, 0).Take(Most + 1).ToList();
        if (entries.Count == 0) throw new ProblemException(400, "no-servers", "No servers were found. Paste an object with 'mcpServers', for example { \"mcpServers\": { \"weather\": { \"command\": \"npx\", \"args\": [\"-y\", \"…\"] } } }.");
        if (entries.Count > Most) throw new ProblemException(400, "too-many-servers", $"At most {Most} servers at once.");
        return [.. entries.Select(e => ImportEntry.Read(e.Name, e.Value, mode))];
    }

    private static IEnumerable<(string Name, JsonElement Value)> Entries(JsonElement root, int depth)
    {
        if (root.ValueKind == JsonValueKind.Array) return root.EnumerateArray().Select((e, i) => (ImportEntry.Text(e, "name") ?? ImportEntry.Text(e, "id") ?? $"server-{i + 1}", e));
        if (root.ValueKind != JsonValueKind.Object) return [];
        foreach (var name in depth < 2 ? Roots : [])
        {
            if (root.TryGetProperty(name, out var inner) && inner.ValueKind is JsonValueKind.Object or JsonValueKind.Array && !ImportEntry.LooksLikeOne(inner)) return Entries(inner, depth + 1);
        }
        // One entry alone, or a bare map of entries.
        if (ImportEntry.LooksLikeOne(root)) return [(ImportEntry.Text(root, "name") ?? "server", root)];
        return root.EnumerateObject().Where(p => depth > 0 || ImportEntry.LooksLikeOne(p.Value)).Select(p => (p.Name, p.Value));
    }
}
