using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Gateway.Sleep;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What the server of an instance that may sleep said of itself at its last healthy start; apart from the instance, since it may be long.</summary>
public sealed class InstanceDefinitions
{
    /// <summary>Instance.</summary>
    public required string InstanceId { get; set; }
    /// <summary>The generation of settings that it ran with.</summary>
    public long Generation { get; set; }
    /// <summary>The result of initialize and, by method, those of the lists, as JSON.</summary>
    public required string Text { get; set; }
}

/// <summary>Names the definitions of an instance.</summary>
/// <param name="Generation">The generation of settings that the server had.</param>
/// <param name="Hash">Differs when they do.</param>
public sealed record PinnedVersion(long Generation, string Hash);

/// <summary>Keeps definitions for the time that a server sleeps.</summary>
internal sealed partial class DefinitionStore(IDbContextFactory<McpCanDb> databases, ILogger<DefinitionStore> logger) : IPinnedDefinitions
{
    /// <summary>A server that says more of itself is woken for its lists.</summary>
    public const int MostBytes = 1 << 20;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Keeps what a healthy server said; null when it is too much.</summary>
    public async Task<PinnedVersion?> PinAsync(Instance instance, JsonObject said, CancellationToken cancellationToken)
    {
        // That lists have changed is told by us when the server wakes, whether or not it would say so itself.
        foreach (var kind in (string[])["tools", "prompts", "resources"])
        {
            if (said["hello"]?["capabilities"]?[kind] is JsonObject capability) capability["listChanged"] = true;
        }
        var text = said.ToJsonString(Plain);
        if (Encoding.UTF8.GetByteCount(text) > MostBytes) return null;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var changed = await db.Definitions.Where(d => d.InstanceId == instance.Id).ExecuteUpdateAsync(set => set
            .SetProperty(d => d.Generation, instance.Generation)
            .SetProperty(d => d.Text, text), cancellationToken);
        if (changed == 0)
        {
            db.Definitions.Add(new InstanceDefinitions { InstanceId = instance.Id, Generation = instance.Generation, Text = text });
            await db.SaveChangesAsync(cancellationToken);
        }
        return new PinnedVersion(instance.Generation, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16]);
    }

    public async Task<PinnedDefinitions?> FindAsync(string instanceId, CancellationToken cancellationToken)
    {
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancellationToken);
            if (await db.Definitions.AsNoTracking().FirstOrDefaultAsync(d => d.InstanceId == instanceId, cancellationToken) is not { } found) return null;
            using var json = JsonDocument.Parse(found.Text);
            return new PinnedDefinitions
            {
                Generation = found.Generation,
                Hello = Bytes(json.RootElement.GetProperty("hello")),
                Results = json.RootElement.GetProperty("results").EnumerateObject().ToDictionary(r => r.Name, r => Bytes(r.Value)),
            };
        }
        catch (Exception e) when (e is DbException or TimeoutException)
        {
            // Then the server is woken.
            LogNotRead(instanceId, e.Message);
            return null;
        }
    }

    private static byte[] Bytes(JsonElement element) => Encoding.UTF8.GetBytes(element.GetRawText());

    [LoggerMessage(1, LogLevel.Warning, "The definitions of instance {Id} could not be read ({Why}); it is woken instead")]
    private partial void LogNotRead(string id, string why);
}
