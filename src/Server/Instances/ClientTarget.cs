using System.Globalization;
using System.Text;

namespace McpCan.Server.Instances;

/// <summary>What a client program is to connect to. Values may hold <c>${NAME}</c> where the reader fills something in.</summary>
/// <param name="Name">Name of the entry.</param>
/// <param name="Title">Name for people.</param>
internal abstract record ClientTarget(string Name, string Title)
{
    /// <summary>Our address; a direct instance's own address or command.</summary>
    public static ClientTarget Of(Instance instance, AddressView address, string? token)
    {
        if (instance is { Mode: InstanceModes.Direct, Remote: { } remote })
            return new AddressTarget(instance.Slug, instance.Name, Open(remote.Url), IsSse(remote), [.. remote.Headers.OrderBy(h => h.Key, StringComparer.OrdinalIgnoreCase).Select(h => KeyValuePair.Create(h.Key, Value(h.Key, h.Value)))]);
        if (instance is { Mode: InstanceModes.Direct, Source: CommandSource command })
            return new CommandTarget(instance.Slug, instance.Name, command.Command, command.Args ?? [], [.. instance.Env.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => KeyValuePair.Create(e.Key, Value(e.Key, e.Value)))]);
        return new AddressTarget(instance.Slug, instance.Name, address.StreamableHttp, false, instance.TokenRequired ? [new("Authorization", $"Bearer {token ?? ClientConfig.Placeholder}")] : []);
    }

    // The stored address is masked; each masked value becomes something to fill in.
    private static string Open(string masked) => RemoteUrl.Query(masked, (name, _) => name.Length == 0 ? "${QUERY}" : $"{name}=${{{Variable(name)}}}");

    private static bool IsSse(RemoteServer remote) =>
        remote.Transport == RemoteTransports.Sse || (remote.Transport == RemoteTransports.Auto && remote.Url.Split('?')[0].TrimEnd('/').EndsWith("/sse", StringComparison.OrdinalIgnoreCase));

    private static string Value(string name, EnvValue value) => value.Secret ? $"${{{Variable(name)}}}" : value.Value;

    private static string Variable(string name)
    {
        var variable = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_')]);
        return variable.Length == 0 || char.IsAsciiDigit(variable[0]) ? $"_{variable}" : variable;
    }
}

/// <summary>An address with headers.</summary>
internal sealed record AddressTarget(string Name, string Title, string Url, bool Sse, IReadOnlyList<KeyValuePair<string, string>> Headers) : ClientTarget(Name, Title);

/// <summary>A command with its environment.</summary>
internal sealed record CommandTarget(string Name, string Title, string Command, IReadOnlyList<string> Args, IReadOnlyList<KeyValuePair<string, string>> Env) : ClientTarget(Name, Title);

/// <summary>A text with <c>${NAME}</c> in it, as each syntax writes it.</summary>
internal static class ClientText
{
    /// <summary>The text with its literal parts and its names written by the caller.</summary>
    public static string Write(string text, Func<string, string> literal, Func<string, string> name)
    {
        var written = new StringBuilder();
        while (Next(text, out var before, out var variable, out var rest))
        {
            written.Append(literal(before)).Append(name(variable));
            text = rest;
        }
        return written.Append(literal(text)).ToString();
    }

    /// <summary>The text with its names written by the caller.</summary>
    public static string Write(string text, Func<string, string> name) => Write(text, l => l, name);

    /// <summary>The names in the text.</summary>
    public static IEnumerable<string> Names(string text)
    {
        while (Next(text, out _, out var variable, out text)) yield return variable;
    }

    /// <summary>The name when the text is nothing else.</summary>
    public static string? OnlyName(string text) => Next(text, out var before, out var variable, out var rest) && before.Length == 0 && rest.Length == 0 ? variable : null;

    /// <summary>A double-quoted text as JSON, Python, JavaScript, C# and TOML all read it; printable ASCII and letters stay.</summary>
    public static string Quote(string text) => $"\"{Escape(text)}\"";

    public static string Escape(string text)
    {
        var escaped = new StringBuilder();
        foreach (var c in text)
        {
            if (c is '"' or '\\') escaped.Append('\\').Append(c);
            else if (char.IsControl(c)) escaped.Append("\\u").Append(((int)c).ToString("X4", CultureInfo.InvariantCulture));
            else escaped.Append(c);
        }
        return escaped.ToString();
    }

    private static bool Next(string text, out string before, out string name, out string rest)
    {
        (before, name, rest) = (text, "", "");
        var at = text.IndexOf("${", StringComparison.Ordinal);
        var end = at < 0 ? -1 : text.IndexOf('}', at);
        if (end < 0) return false;
        (before, name, rest) = (text[..at], text[(at + 2)..end], text[(end + 1)..]);
        return true;
    }
}
