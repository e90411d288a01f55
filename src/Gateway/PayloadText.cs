using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.Gateway;

/// <summary>
/// Takes secrets out of a payload: values of members whose names look like secrets or are listed, at any depth, also in JSON that stands inside a
/// text; and texts that look like credentials wherever they stand. Works on cut and on broken JSON, and on event streams: it looks for
/// names and values, not for a whole document. In doubt a value goes.
/// </summary>
internal static partial class PayloadText
{
    public const string Replaced = "***";
    private const int Deepest = 4;

    private static readonly string[] Secret = ["password", "passwd", "passphrase", "secret", "token", "authorization", "apikey", "accesskey", "privatekey", "signingkey", "cookie", "credential", "sessionid", "bearer", "connectionstring"];
    private static readonly string[] SecretWhole = ["auth", "pwd", "pass", "pin", "otp", "jwt", "xapikey", "mcpsessionid"];
    // Names of the protocol and of language models that only sound like it.
    private static readonly string[] Harmless = ["progresstoken", "maxtokens", "nexttoken", "pagetoken", "nextpagetoken", "tokencount", "totaltokens", "inputtokens", "outputtokens", "prompttokens", "completiontokens"];

    /// <summary>The text without what must not be kept.</summary>
    public static string Redact(ReadOnlySpan<byte> payload, IReadOnlyList<string> names)
    {
        var listed = new HashSet<string>(names.Select(Plain), StringComparer.Ordinal);
        try
        {
            return Credentials().Replace(Redact(Encoding.UTF8.GetString(payload), listed, 0), Replaced);
        }
        catch (RegexMatchTimeoutException)
        {
            return $"({payload.Length} bytes that could not be searched for secrets in time)";
        }
    }

    private static string Redact(string text, HashSet<string> listed, int depth)
    {
        var to = new StringBuilder(text.Length);
        var named = false; // the member before said { "name": "API_KEY", … }: its value comes
        for (var at = 0; at < text.Length;)
        {
            if (text[at] != '"')
            {
                if (text[at] is '{' or '}') named = false;
                to.Append(text[at++]);
                continue;
            }
            var end = TextEnd(text, at);
            var value = Over(text, end);
            if (value >= text.Length || text[value] != ':')
            {
                to.Append(Inner(text[at..end], listed, depth));
                at = end;
                continue;
            }
            var name = Plain(Unescape(text[at..end]));
            to.Append(text, at, end - at);
            value = Over(text, value + 1);
            to.Append(text, end, value - end);
            at = value;
            if (value >= text.Length) break;
            if (IsSecret(name, listed, text[value]) || (named && name is "value" or "default"))
            {
                at = ValueEnd(text, value);
                to.Append('"').Append(Replaced).Append('"');
            }
            else if (name is "name" or "key" or "header" && text[value] == '"')
            {
                var said = TextEnd(text, value);
                named = IsSecret(Plain(Unescape(text[value..said])), listed, '"');
                to.Append(Inner(text[value..said], listed, depth));
                at = said;
            }
        }
        return to.ToString();
    }

    /// <summary>A text may hold JSON itself, as most tool results do.</summary>
    private static string Inner(string quoted, HashSet<string> listed, int depth)
    {
        if (depth >= Deepest || !quoted.Contains("\\\"", StringComparison.Ordinal) && !quoted.Contains("\\u0022", StringComparison.OrdinalIgnoreCase)) return quoted;
        var inside = Unescape(quoted);
        var clean = Redact(inside, listed, depth + 1);
        if (clean == inside) return quoted;
        var whole = quoted.Length > 1 && TextEnd(quoted, 0) == quoted.Length && quoted[^1] == '"';
        var escaped = JsonSerializer.Serialize(clean, Relaxed);
        return whole ? escaped : escaped[..^1];
    }

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static bool IsSecret(string name, HashSet<string> listed, char first)
    {
        if (listed.Contains(name)) return true;
        if (Array.IndexOf(Harmless, name) >= 0) return false;
        if (name.EndsWith("tokens", StringComparison.Ordinal) && first is >= '0' and <= '9') return false; // a count
        return Array.IndexOf(SecretWhole, name) >= 0 || Array.Exists(Secret, s => name.Contains(s, StringComparison.Ordinal));
    }

    private static string Plain(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    /// <summary>After the closing quote, or the end of what is there.</summary>
    private static int TextEnd(string text, int start)
    {
        for (var at = start + 1; at < text.Length; at++)
        {
            if (text[at] == '\\') at++;
            else if (text[at] == '"') return at + 1;
        }
        return text.Length;
    }

    private static int ValueEnd(string text, int start)
    {
        if (text[start] == '"') return TextEnd(text, start);
        var depth = 0;
        for (var at = start; at < text.Length; at++)
        {
            switch (text[at])
            {
                case '"':
                    at = TextEnd(text, at) - 1;
                    break;
                case '{' or '[':
                    depth++;
                    break;
                case '}' or ']' when depth == 0:
                    return at;
                case '}' or ']':
                    if (--depth == 0) return at + 1;
                    break;
                case ',' or '\n' or '\r' when depth == 0:
                    return at;
            }
        }
        return text.Length;
    }

    private static int Over(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        return at;
    }

    private static string Unescape(string quoted)
    {
        var to = new StringBuilder(quoted.Length);
        for (var at = 1; at < quoted.Length && (quoted[at] != '"' || at < quoted.Length - 1); at++)
        {
            if (quoted[at] != '\\' || at + 1 >= quoted.Length)
            {
                to.Append(quoted[at]);
                continue;
            }
            var next = quoted[++at];
            if (next == 'u' && at + 4 < quoted.Length && ushort.TryParse(quoted.AsSpan(at + 1, 4), System.Globalization.NumberStyles.HexNumber, null, out var code))
            {
                to.Append((char)code);
                at += 4;
            }
            else to.Append(next switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'b' => '\b', 'f' => '\f', _ => next });
        }
        return to.ToString();
    }

    // Bearer and Basic credentials, our own tokens and keys, JSON Web Tokens, keys of well-known services, private keys, passwords in addresses and assignments.
    [GeneratedRegex("""(?<=\b(Bearer|Basic)\s+)[A-Za-z0-9+/_.=~-]{6,}|\bmc[tk]_[A-Za-z0-9_-]{8,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(\.[A-Za-z0-9_-]*)?|\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAKIA[A-Z0-9]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)|(?<=(password|passwd|secret|api[_-]?key|access[_-]?key|token)["']?\s*=\s*["']?)[^\s"'&;,\\]+|(?<=://[^\s/:@"]*:)[^\s/@"]+(?=@)""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Credentials();
}
