using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Virtual;

/// <summary>The lists that a server has.</summary>
internal enum Offered { Tools, Prompts, Resources, Templates }

/// <summary>
/// Merges the members' lists and remembers under which name each tool, prompt and resource is shown. Of two with the
/// same name the earlier member's is shown.
/// </summary>
internal sealed class VirtualNames(IReadOnlyList<MemberLink> members)
{
    private const int MostPages = 100;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (MemberLink Member, string Original)>?[] _shown = new Dictionary<string, (MemberLink, string)>?[4];

    /// <summary>Lists have changed: they are asked for again when they are needed.</summary>
    public void Forget()
    {
        lock (_gate) Array.Clear(_shown);
    }

    /// <summary>The merged list as the result of its method.</summary>
    public async Task<byte[]> ListAsync(Offered kind, CancellationToken cancellationToken)
    {
        var words = Of(kind);
        var member = Encoding.ASCII.GetBytes(words.Member);
        var lists = await Task.WhenAll(members.Select(m => PagesAsync(m, words, cancellationToken)));
        var shown = new Dictionary<string, (MemberLink, string)>(StringComparer.Ordinal);
        var result = new ArrayBufferWriter<byte>(4096);
        result.Write([.. "{\""u8, .. member, .. "\":["u8]);
        var empty = true;
        for (var i = 0; i < members.Count; i++)
        {
            foreach (var page in lists[i])
            {
                foreach (var item in JsonSeek.Items(page, JsonSeek.Member(page, JsonSeek.Member(page, new(0, page.Length), "result"u8), member)))
                {
                    if (Show(members[i], kind, page, item, shown) is not { } bytes) continue;
                    if (!empty) result.Write(","u8);
                    result.Write(bytes);
                    empty = false;
                }
            }
        }
        result.Write("]}"u8);
        lock (_gate) _shown[(int)kind] = shown;
        return result.WrittenSpan.ToArray();
    }

    /// <summary>Which member has the tool or prompt that is shown under a name, and what it is called there.</summary>
    public async Task<(MemberLink Member, string Original)?> FindAsync(Offered kind, string shown, CancellationToken cancellationToken)
    {
        if (Known(kind) is null) await ListAsync(kind, cancellationToken);
        return Known(kind) is { } known && known.TryGetValue(shown, out var found) ? found : null;
    }

    /// <summary>Which member has a resource: by its list, then by its templates, then the first that may have it.</summary>
    public async Task<MemberLink?> OwnerOfAsync(string uri, CancellationToken cancellationToken)
    {
        if (await FindAsync(Offered.Resources, uri, cancellationToken) is { Member: var member }) return member;
        if (Known(Offered.Templates) is null) await ListAsync(Offered.Templates, cancellationToken);
        var best = Known(Offered.Templates)?
            .Where(t => t.Value.Member.OffersResource(uri) && (t.Key == uri || uri.StartsWith(Fixed(t.Key), StringComparison.Ordinal)))
            .OrderByDescending(t => Fixed(t.Key).Length).Select(t => t.Value.Member).FirstOrDefault();
        return best ?? members.FirstOrDefault(m => m.IsUp && m.Has("resources"u8) && m.OffersResource(uri));
    }

    private Dictionary<string, (MemberLink Member, string Original)>? Known(Offered kind)
    {
        lock (_gate) return _shown[(int)kind];
    }

    private static string Fixed(string template) => template.IndexOf('{') is >= 0 and var end ? template[..end] : template;

    private static async Task<List<byte[]>> PagesAsync(MemberLink member, Words words, CancellationToken cancellationToken)
    {
        List<byte[]> pages = [];
        try
        {
            var link = await member.ReadyAsync(cancellationToken);
            if (!member.Has(words.Capability)) return pages;
            string? cursor = null;
            do
            {
                var request = cursor is null
                    ? [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":"""u8, .. Encoding.ASCII.GetBytes(words.Method), .. @"""}"u8]
                    : RpcMessage.Request(words.Method, "cursor", cursor);
                var page = await AwaitedCall.AskAsync(link, request, cancellationToken);
                pages.Add(page);
                cursor = JsonSeek.Text(page, JsonSeek.Member(page, new(0, page.Length), "result"u8), "nextCursor"u8);
            }
            while (cursor is not null && pages.Count < MostPages);
        }
        catch (ServerUnavailableException)
        {
            // Its part is missing until it is back; then the lists change.
        }
        return pages;
    }

    private static byte[]? Show(MemberLink member, Offered kind, byte[] page, TextRange item, Dictionary<string, (MemberLink, string)> shown)
    {
        if (JsonSeek.Text(page, item, Of(kind).Key) is not { } original) return null;
        if (kind is Offered.Resources or Offered.Templates)
        {
            return member.OffersResource(original) && shown.TryAdd(original, (member, original)) ? item.Of(page).ToArray() : null;
        }
        var chosen = kind == Offered.Tools ? member.Offer.Tools : member.Offer.Prompts;
        if (chosen is not null && !chosen.Contains(original)) return null;
        var other = member.Offer.Overrides.GetValueOrDefault(original);
        var name = other?.Name ?? (member.Offer.Prefix is { } prefix ? $"{prefix}_{original}" : original);
        if (!shown.TryAdd(name, (member, original))) return null;
        if (name == original && other?.Description is null) return item.Of(page).ToArray();
        return Renamed(page, item, name, other?.Description);
    }

    private static byte[] Renamed(byte[] page, TextRange item, string name, string? description)
    {
        var at = JsonSeek.Member(page, item, "name"u8);
        var newName = JsonSerializer.SerializeToUtf8Bytes(name, VirtualJson.Default.String);
        if (description is null) return Copy(new Splice(page, at, newName), page.Length, item);
        var newDescription = JsonSerializer.SerializeToUtf8Bytes(description, VirtualJson.Default.String);
        var descriptionAt = JsonSeek.Member(page, item, "description"u8);
        if (descriptionAt.IsPresent) return Copy(new Splice(page, at, newName, descriptionAt, newDescription), page.Length, item);
        byte[] both = [.. newName, .. @",""description"":"u8, .. newDescription];
        return Copy(new Splice(page, at, both), page.Length, item);
    }

    private static byte[] Copy(Splice splice, int before, TextRange item)
    {
        var all = new byte[splice.Length];
        splice.CopyTo(all, oneLine: false);
        return all[item.Start..(item.End + all.Length - before)];
    }

    private static Words Of(Offered kind) => AllWords[(int)kind];

    private static readonly Words[] AllWords =
    [
        new("tools/list", "tools", "name"u8.ToArray(), "tools"u8.ToArray()),
        new("prompts/list", "prompts", "name"u8.ToArray(), "prompts"u8.ToArray()),
        new("resources/list", "resources", "uri"u8.ToArray(), "resources"u8.ToArray()),
        new("resources/templates/list", "resourceTemplates", "uriTemplate"u8.ToArray(), "resources"u8.ToArray()),
    ];

    private sealed record Words(string Method, string Member, byte[] Key, byte[] Capability);
}

[JsonSerializable(typeof(string))]
internal sealed partial class VirtualJson : JsonSerializerContext;
