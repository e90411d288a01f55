using System.Text;
using System.Text.Json;
using McpCan.Protocol;

namespace McpCan.Gateway.Policy;

/// <summary>One message of a request as the rules see it.</summary>
internal sealed class JudgedMessage
{
    /// <summary>Id as it was written; null for notifications and answers.</summary>
    public byte[]? Id { get; set; }
    public string? Method { get; set; }
    /// <summary>What <c>Mcp-Name</c> must say.</summary>
    public string? Name { get; set; }
    public Denial? Denial { get; set; }
    /// <summary>Whether its answer is a list from which entries may have to be taken.</summary>
    public bool Lists { get; set; }
}

/// <summary>Why a message does not go on.</summary>
/// <param name="Code">JSON-RPC error code.</param>
/// <param name="Text">What the client reads: nothing that tells a closed name from one that does not exist.</param>
/// <param name="Reason">What the record says.</param>
internal sealed record Denial(int Code, string Text, string Reason);

/// <summary>
/// Says which messages of a request a token's rules refuse. What servers could read differently (keys that come twice or in other
/// letters, names that are no text) is refused, because a rule that can be read around is none.
/// </summary>
internal static class RequestJudge
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = int.MaxValue };
    private static readonly Denial Ambiguous = new(McpErrors.InvalidRequest, "Invalid Request: a member of the message comes twice or under a name in other letters.", "The message can be read in two ways.");
    private static readonly string[] RootNames = ["jsonrpc", "id", "method", "params", "result", "error"];
    private static readonly string[] ParamNames = ["name", "uri", "ref", "notifications"];
    private static readonly string[] InnerNames = ["type", "name", "uri", "resourceSubscriptions"];

    /// <summary>Judges a body. Throws <see cref="JsonException"/> when it is no JSON.</summary>
    public static List<JudgedMessage> Judge(ReadOnlySpan<byte> body, AccessPolicy policy, bool modern, out bool batch)
    {
        if (body.StartsWith("\uFEFF"u8)) body = body[3..];
        var reader = new Utf8JsonReader(body, Options);
        var messages = new List<JudgedMessage>();
        if (!reader.Read()) throw new JsonException();
        batch = reader.TokenType == JsonTokenType.StartArray;
        if (!batch)
        {
            messages.Add(Message(ref reader, body, policy, modern));
        }
        else
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) messages.Add(Message(ref reader, body, policy, modern));
        }
        if (reader.Read()) throw new JsonException(); // throws by itself on anything behind the value
        return messages;
    }

    private static JudgedMessage Message(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, AccessPolicy policy, bool modern)
    {
        var message = new JudgedMessage();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            message.Denial = new(McpErrors.InvalidRequest, "Invalid Request: a message is an object.", "A message is no object.");
            return message;
        }
        var keys = new Keys(RootNames);
        Params? given = null;
        var textMethod = true;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var key = keys.Next(ref reader);
            reader.Read();
            switch (key)
            {
                case "id" when reader.TokenType is JsonTokenType.String or JsonTokenType.Number:
                    message.Id = body[(int)reader.TokenStartIndex..(int)reader.BytesConsumed].ToArray();
                    break;
                case "method":
                    message.Method = Text(ref reader);
                    textMethod = message.Method is not null;
                    break;
                case "params":
                    given = Params.Read(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        if (keys.Ambiguous) message.Denial = Ambiguous;
        else if (!textMethod) message.Denial = new(McpErrors.InvalidRequest, "Invalid Request: the method is no text.", "The method is no text.");
        else if (message.Method is { } method) Apply(message, method, given ?? new Params(), policy, modern);
        return message;
    }

    private static void Apply(JudgedMessage message, string method, Params given, AccessPolicy policy, bool modern)
    {
        var missing = modern ? McpErrors.InvalidParams : McpErrors.ResourceNotFound;
        switch (method)
        {
            case "tools/call":
                message.Name = given.Name;
                Check(message, policy.Tools, given.Name, given, McpErrors.InvalidParams, "Unknown tool");
                break;
            case "prompts/get":
                message.Name = given.Name;
                Check(message, policy.Prompts, given.Name, given, McpErrors.InvalidParams, "Unknown prompt");
                break;
            case "resources/read" or "resources/subscribe":
                if (method == "resources/read") message.Name = given.Uri;
                Check(message, policy.Resources, given.Uri, given, missing, "Resource not found", isUri: true);
                break;
            case "completion/complete":
                // The server decides by the type; whatever it may take for the name must be open.
                if (given.RefName is { } prompt || given.RefUri is null) Check(message, policy.Prompts, given.RefName, given, McpErrors.InvalidParams, "Unknown prompt");
                if (given.RefUri is { } uri) Check(message, policy.Resources, uri, given, missing, "Resource not found", isUri: true);
                break;
            case "subscriptions/listen":
                if (policy.Resources is not null && given.Odd) message.Denial ??= Ambiguous;
                foreach (var subscribed in given.Subscribed) Check(message, policy.Resources, subscribed, given, missing, "Resource not found", isUri: true);
                break;
            case "tools/list": message.Lists = policy.Tools is not null; break;
            case "prompts/list": message.Lists = policy.Prompts is not null; break;
            case "resources/list" or "resources/templates/list": message.Lists = policy.Resources is not null; break;
        }
    }

    private static void Check(JudgedMessage message, NameRule? rule, string? name, Params given, int code, string text, bool isUri = false)
    {
        if (rule is null || message.Denial is not null) return;
        if (given.Odd) message.Denial = Ambiguous;
        else if (name is null) message.Denial = new(McpErrors.InvalidParams, "Invalid params: a name is missing or is no text.", "A name is missing or is no text.");
        else if (!ResourceNames.Open(rule, name, isUri))
            message.Denial = new(code, $"{text}: {name}", $"The token's rules close '{(name.Length > 200 ? name[..200] : name)}'.");
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            try
            {
                return reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return null; // half a surrogate pair, or no UTF-8
            }
        }
        reader.Skip();
        return null;
    }

    /// <summary>The members of an object, of which those that count must come once and be written exactly.</summary>
    private sealed class Keys(string[] known)
    {
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

        public bool Ambiguous { get; private set; }

        public string Next(ref Utf8JsonReader reader)
        {
            string key;
            try
            {
                key = reader.GetString()!;
            }
            catch (InvalidOperationException)
            {
                Ambiguous = true;
                return "";
            }
            var folded = Fold(key);
            foreach (var name in known)
            {
                if (!folded.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
                // Some parsers take keys in any letters (Go's encoding/json, also with the two signs below), and each its own of two.
                if (key != name || !_seen.Add(name)) Ambiguous = true;
                return name;
            }
            return "";
        }

        private static string Fold(string key) => key.Replace('\u017F', 's').Replace('\u212A', 'k');
    }

    /// <summary>What <c>params</c> names.</summary>
    private sealed class Params
    {
        public string? Name { get; private set; }
        public string? Uri { get; private set; }
        public string? RefName { get; private set; }
        public string? RefUri { get; private set; }
        public List<string?> Subscribed { get; } = [];
        /// <summary>Can be read in two ways.</summary>
        public bool Odd { get; private set; }

        public static Params Read(ref Utf8JsonReader reader)
        {
            var given = new Params();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                given.Odd = reader.TokenType == JsonTokenType.StartArray;
                reader.Skip();
                return given;
            }
            var keys = new Keys(ParamNames);
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var key = keys.Next(ref reader);
                reader.Read();
                switch (key)
                {
                    case "name": given.Name = Text(ref reader); break;
                    case "uri": given.Uri = Text(ref reader); break;
                    case "ref" or "notifications" when reader.TokenType == JsonTokenType.StartObject: given.Inner(ref reader, isRef: key == "ref"); break;
                    default: reader.Skip(); break;
                }
            }
            given.Odd |= keys.Ambiguous;
            return given;
        }

        private void Inner(ref Utf8JsonReader reader, bool isRef)
        {
            var keys = new Keys(InnerNames);
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var key = keys.Next(ref reader);
                reader.Read();
                switch (key)
                {
                    case "name" when isRef: RefName = Text(ref reader); break;
                    case "uri" when isRef: RefUri = Text(ref reader); break;
                    case "resourceSubscriptions" when !isRef && reader.TokenType == JsonTokenType.StartArray:
                        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) Subscribed.Add(Text(ref reader));
                        break;
                    case "resourceSubscriptions" when !isRef:
                        Subscribed.Add(null);
                        reader.Skip();
                        break;
                    default: reader.Skip(); break;
                }
            }
            Odd |= keys.Ambiguous;
        }
    }
}

/// <summary>URIs have several spellings; a rule holds for all of them.</summary>
internal static class ResourceNames
{
    public static bool Open(NameRule rule, string name, bool isUri)
    {
        if (!rule.Opens(name)) return false;
        if (!isUri) return true;
        var plain = name;
        for (var round = 0; round < 3; round++)
        {
            plain = Lower(plain);
            if (!rule.Opens(plain)) return false;
            var decoded = Uri.UnescapeDataString(plain);
            if (decoded == plain) break;
            plain = decoded;
            if (round == 2) return false; // encoded again and again: nobody means that well
        }
        // "file:///public/../secret" is another place than it looks.
        return !plain.Split('/', '\\').Any(segment => segment is ".." or ".");
    }

    // Scheme and host are the same in any letters (RFC 3986, 6.2.2.1).
    private static string Lower(string uri)
    {
        var scheme = uri.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0) return uri.IndexOf(':') is > 0 and var colon ? uri[..colon].ToLowerInvariant() + uri[colon..] : uri;
        var end = uri.IndexOfAny(['/', '?', '#'], scheme + 3);
        if (end < 0) end = uri.Length;
        return uri[..end].ToLowerInvariant() + uri[end..];
    }
}
