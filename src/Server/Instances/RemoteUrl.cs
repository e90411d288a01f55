namespace McpCan.Server.Instances;

/// <summary>Addresses of remote servers: how they are shown, and what they must look like.</summary>
public static class RemoteUrl
{
    /// <summary>Stands for a value that is not shown.</summary>
    public const string Masked = "***";
    private const int Longest = 4096;

    /// <summary>The address with the values of its query masked.</summary>
    public static string Mask(string url) => Query(url, (name, _) => name.Length == 0 ? Masked : $"{name}={Masked}");

    /// <summary>The address with other values in its query: <paramref name="part"/> is given name and value, the name empty where there is no '='.</summary>
    public static string Query(string url, Func<string, string, string> part)
    {
        var at = url.IndexOf('?', StringComparison.Ordinal);
        if (at < 0 || at == url.Length - 1) return url;
        return url[..(at + 1)] + string.Join('&', Parts(url).Select(p => part(p.Name, p.Value)));
    }

    /// <summary>The address with masked values filled in from the stored one; null when there is none for one of them.</summary>
    public static string? Unmask(string url, string? stored)
    {
        if (!Parts(url).Any(p => p.Value == Masked)) return url;
        var known = stored is null ? [] : Parts(stored).ToList();
        var complete = true;
        var filled = Query(url, (name, value) =>
        {
            if (value == Masked)
            {
                var at = known.FindIndex(p => p.Name == name);
                complete &= at >= 0;
                if (at >= 0)
                {
                    value = known[at].Value;
                    known.RemoveAt(at); // a name may stand there twice
                }
            }
            return name.Length == 0 ? value : $"{name}={value}";
        });
        return complete ? filled : null;
    }

    /// <summary>What is wrong with an address, or null.</summary>
    public static string? Fault(string? url)
    {
        if (string.IsNullOrEmpty(url)) return "Must be the server's address, for example https://mcp.example.com/mcp.";
        if (url.Length > Longest) return $"Must have at most {Longest} characters.";
        if (url.Any(c => char.IsControl(c) || char.IsWhiteSpace(c) || c == '\\')) return "Must not contain spaces, line ends or backslashes.";
        // Uri takes "http:host" and "/path" for addresses, too.
        if (!(url.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || url.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            || !Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Host.Length == 0)
            return "Must be a whole address that starts with http:// or https://.";
        if (parsed.UserInfo.Length > 0 || url.AsSpan(0, Authority(url)).Contains('@')) return "Must not contain a user name or password; send them in a header.";
        return url.Contains('#', StringComparison.Ordinal) ? "Must not contain a fragment ('#…')." : null;
    }

    private static int Authority(string url)
    {
        var start = url.IndexOf("://", StringComparison.Ordinal) + 3;
        var end = url.AsSpan(start).IndexOfAny('/', '?', '#');
        return end < 0 ? url.Length : start + end;
    }

    private static IEnumerable<(string Name, string Value)> Parts(string url)
    {
        var at = url.IndexOf('?', StringComparison.Ordinal);
        return at < 0 || at == url.Length - 1 ? [] : url[(at + 1)..].Split('&').Select(p => p.IndexOf('=', StringComparison.Ordinal) is var eq and >= 0 ? (p[..eq], p[(eq + 1)..]) : ("", p));
    }
}
