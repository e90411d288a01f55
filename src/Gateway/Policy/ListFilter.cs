using System.Buffers;
using System.Text.Json;

namespace McpCan.Gateway.Policy;

/// <summary>What is to become of a message of the server.</summary>
internal enum FilterOutcome { Unchanged, Changed, Dropped, Broken }

/// <summary>
/// Takes closed entries out of lists, and whole notifications about closed resources. Lists are known by their form, <c>result.tools</c> and
/// so on, and not by the request that they answer: so it holds also for answers that come on another stream, from another
/// replica, or again after a restart. What stays, stays byte for byte.
/// </summary>
internal static class ListFilter
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = int.MaxValue };

    private readonly record struct Cut(int Start, int End, bool MakePrivate = false);

    public static FilterOutcome Apply(ReadOnlySpan<byte> json, AccessPolicy policy, IBufferWriter<byte> to)
    {
        var cuts = new List<Cut>();
        var skipped = json.StartsWith("\uFEFF"u8) ? 3 : 0;
        var text = json[skipped..];
        try
        {
            var reader = new Utf8JsonReader(text, Options);
            if (!reader.Read()) return FilterOutcome.Broken;
            if (reader.TokenType == JsonTokenType.StartArray) Elements(ref reader, cuts, policy, static (ref Utf8JsonReader r, List<Cut> c, AccessPolicy p) => Message(ref r, c, p));
            else if (!Message(ref reader, cuts, policy)) return FilterOutcome.Dropped;
            if (reader.Read()) return FilterOutcome.Broken;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return FilterOutcome.Broken;
        }
        if (cuts.Count == 0) return FilterOutcome.Unchanged;
        cuts.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        var from = 0;
        foreach (var cut in cuts)
        {
            if (cut.Start < from) continue; // inside one that is gone already
            to.Write(text[from..cut.Start]);
            if (cut.MakePrivate) to.Write("\"private\""u8);
            from = cut.End;
        }
        to.Write(text[from..]);
        return FilterOutcome.Changed;
    }

    private delegate bool Keep(ref Utf8JsonReader reader, List<Cut> cuts, AccessPolicy policy);

    // Reads an array and cuts the elements that are not kept, each with one comma.
    private static void Elements(ref Utf8JsonReader reader, List<Cut> cuts, AccessPolicy policy, Keep keep)
    {
        var anyKept = false;
        var last = (int)reader.BytesConsumed;
        var open = -1; // start of closed elements before the first kept one
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)reader.TokenStartIndex;
            var kept = keep(ref reader, cuts, policy);
            var end = (int)reader.BytesConsumed;
            if (kept && !anyKept)
            {
                if (open >= 0) cuts.Add(new(open, start));
                (anyKept, open) = (true, -1);
            }
            else if (!kept && anyKept) cuts.Add(new(last, end));
            else if (!kept && open < 0) open = start;
            last = end;
        }
        if (open >= 0) cuts.Add(new(open, last));
    }

    // False when the message is to be dropped. Ends on its last token.
    private static bool Message(ref Utf8JsonReader reader, List<Cut> cuts, AccessPolicy policy)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return true;
        }
        var (updated, closed) = (false, false);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var (isResult, isMethod, isParams) = (reader.ValueTextEquals("result"u8), reader.ValueTextEquals("method"u8), reader.ValueTextEquals("params"u8));
            reader.Read();
            if (isResult && reader.TokenType == JsonTokenType.StartObject) Result(ref reader, cuts, policy);
            else if (isMethod && reader.TokenType == JsonTokenType.String) updated |= reader.ValueTextEquals("notifications/resources/updated"u8);
            else if (isParams && policy.Resources is not null && reader.TokenType == JsonTokenType.StartObject) closed |= !KeepUri(ref reader, policy);
            else reader.Skip();
        }
        return !(updated && closed);
    }

    private static void Result(ref Utf8JsonReader reader, List<Cut> cuts, AccessPolicy policy)
    {
        var lists = false;
        Cut? scope = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            Keep? keep =
                policy.Tools is not null && reader.ValueTextEquals("tools"u8) ? static (ref Utf8JsonReader r, List<Cut> _, AccessPolicy p) => Named(ref r, p.Tools!, "name"u8, false)
                : policy.Prompts is not null && reader.ValueTextEquals("prompts"u8) ? static (ref Utf8JsonReader r, List<Cut> _, AccessPolicy p) => Named(ref r, p.Prompts!, "name"u8, false)
                : policy.Resources is null ? null
                : reader.ValueTextEquals("resources"u8) ? static (ref Utf8JsonReader r, List<Cut> _, AccessPolicy p) => KeepUri(ref r, p)
                : reader.ValueTextEquals("resourceTemplates"u8) ? static (ref Utf8JsonReader r, List<Cut> _, AccessPolicy p) => Named(ref r, p.Resources!, "uriTemplate"u8, false)
                : null;
            var isScope = reader.ValueTextEquals("cacheScope"u8);
            reader.Read();
            if (keep is not null && reader.TokenType == JsonTokenType.StartArray)
            {
                lists = true;
                Elements(ref reader, cuts, policy, keep);
                continue;
            }
            if (isScope && reader.TokenType == JsonTokenType.String && !reader.ValueTextEquals("private"u8))
                scope = new((int)reader.TokenStartIndex, (int)reader.BytesConsumed, MakePrivate: true);
            reader.Skip();
        }
        // What one token sees is not for the others: no shared cache may keep it (2026-07-28, cacheScope).
        if (lists && scope is { } widened) cuts.Add(widened);
    }

    private static bool KeepUri(ref Utf8JsonReader reader, AccessPolicy policy) => Named(ref reader, policy.Resources!, "uri"u8, true);

    // An entry without a name could not be used by its name; it goes, too.
    private static bool Named(ref Utf8JsonReader reader, NameRule rule, ReadOnlySpan<byte> member, bool isUri)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return false;
        }
        var (named, open) = (false, true);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var isName = reader.ValueTextEquals(member);
            reader.Read();
            if (isName && reader.TokenType == JsonTokenType.String)
            {
                named = true;
                open &= ResourceNames.Open(rule, reader.GetString()!, isUri);
            }
            reader.Skip();
        }
        return named && open;
    }
}
