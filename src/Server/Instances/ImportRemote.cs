using System.Text.Json;
using System.Text.RegularExpressions;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>Reads the parts of an entry that name a remote server, written out or behind a program that speaks to one.</summary>
internal static partial class ImportRemote
{
    private static readonly string[] Addresses = ["url", "serverUrl", "httpUrl", "baseUrl", "endpoint"];

    public static string? Address(JsonElement entry) => Addresses.Select(a => ImportEntry.Text(entry, a)).FirstOrDefault(a => a is not null);

    /// <summary>An entry with an address.</summary>
    public static ImportedServer Read(string name, JsonElement entry, string mode, bool on)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        Add(entry, "headers");
        Add(entry, "http_headers");
        if (entry.TryGetProperty("requestInit", out var init)) Add(init, "headers");
        if (ImportEntry.Text(entry, "bearer_token_env_var") is { Length: > 0 } variable) headers.TryAdd("Authorization", $"Bearer ${{{variable}}}");
        if (entry.TryGetProperty("env_http_headers", out var fromEnv) && fromEnv.ValueKind == JsonValueKind.Object)
            foreach (var header in fromEnv.EnumerateObject().Where(h => h.Value.ValueKind == JsonValueKind.String)) headers.TryAdd(header.Name, $"${{{header.Value.GetString()}}}");
        var type = ImportEntry.Text(entry, "type") ?? ImportEntry.Text(entry, "transport") ?? ImportEntry.Text(entry, "transportType");
        return Make(name, Address(entry)!, Transport(type) ?? (ImportEntry.Text(entry, "httpUrl") is not null ? RemoteTransports.StreamableHttp : null), headers, mode, on);

        void Add(JsonElement holder, string property)
        {
            if (holder.ValueKind != JsonValueKind.Object || !holder.TryGetProperty(property, out var given) || given.ValueKind != JsonValueKind.Object) return;
            foreach (var header in given.EnumerateObject().Where(h => h.Value.ValueKind == JsonValueKind.String)) headers.TryAdd(header.Name, header.Value.GetString()!);
        }
    }

    /// <summary>The server behind <c>npx mcp-remote URL --header …</c> or <c>supergateway --sse URL</c>; null when the command is neither.</summary>
    public static ImportedServer? Unwrap(string name, string command, IReadOnlyList<string> args, IReadOnlyDictionary<string, EnvInput> env, string mode, bool on)
    {
        var words = args.Prepend(command).ToList();
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var header in After("--header"))
        {
            var at = header.IndexOf(':', StringComparison.Ordinal);
            if (at > 0) headers[header[..at].Trim()] = Variable().Replace(header[(at + 1)..].Trim(), m => env.GetValueOrDefault(m.Groups[1].Value)?.Value is { Length: > 0 } value ? value : m.Value);
        }
        if (Named("mcp-remote"))
        {
            var transport = After("--transport").FirstOrDefault() switch { "sse-only" => RemoteTransports.Sse, "http-only" => RemoteTransports.StreamableHttp, _ => null };
            return words.Find(IsUrl) is { } url ? Make(name, url, transport, headers, mode, on) : null;
        }
        if (!Named("supergateway")) return null;
        if (After("--oauth2Bearer").FirstOrDefault() is { } bearer) headers.TryAdd("Authorization", $"Bearer {bearer}");
        if (After("--sse").FirstOrDefault(IsUrl) is { } sse) return Make(name, sse, RemoteTransports.Sse, headers, mode, on);
        return After("--streamableHttp").FirstOrDefault(IsUrl) is { } http ? Make(name, http, RemoteTransports.StreamableHttp, headers, mode, on) : null;

        bool Named(string program) => words.Exists(w => w == program || w.StartsWith(program + "@", StringComparison.Ordinal));

        IEnumerable<string> After(string option)
        {
            for (var i = 0; i < words.Count; i++)
            {
                if (words[i] == option && i + 1 < words.Count) yield return words[i + 1];
                else if (words[i].StartsWith(option + "=", StringComparison.Ordinal)) yield return words[i][(option.Length + 1)..];
            }
        }
    }

    private static ImportedServer Make(string name, string url, string? transport, Dictionary<string, string> headers, string mode, bool on)
    {
        url = url.Trim();
        // Addresses may carry tokens in their query.
        var summary = RemoteUrl.Mask(url);
        if (RemoteUrl.Fault(url) is { } fault) return ImportEntry.Refused(name, ImportEntry.Cut(summary), $"The address cannot be used: {char.ToLowerInvariant(fault[0])}{fault[1..]}");
        if (transport is null && new Uri(url).AbsolutePath.TrimEnd('/').EndsWith("/sse", StringComparison.OrdinalIgnoreCase)) transport = RemoteTransports.Sse;
        var missing = headers.Where(h => ImportEntry.IsOpen(h.Value)).Select(h => $"headers.{h.Key}").ToList();
        if (ImportEntry.IsOpen(url)) missing.Insert(0, "url");
        var notes = new List<string>();
        if (missing.Count > 0) notes.Add($"Values are left open and must be filled in before the start: {string.Join(", ", missing)}.");
        if (!on) notes.Add("The entry is switched off; the server will not be started.");
        var input = new InstanceInput
        {
            Name = name,
            Mode = mode == InstanceModes.Direct ? mode : InstanceModes.Proxy,
            Remote = new RemoteInput
            {
                Url = url,
                Transport = transport ?? RemoteTransports.Auto,
                Headers = headers.ToDictionary(h => h.Key, h => (EnvInput?)new EnvInput(h.Value, Secret().IsMatch(h.Key))),
            },
            Start = on && missing.Count == 0,
        };
        return new ImportedServer(name, ImportEntry.Cut(summary), input, notes, missing, on);
    }

    private static string? Transport(string? type) => type?.ToLowerInvariant().Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal) switch
    {
        "streamablehttp" or "http" => RemoteTransports.StreamableHttp,
        "sse" => RemoteTransports.Sse,
        _ => null,
    };

    private static bool IsUrl(string text) => text.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("http://", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Variable();

    [GeneratedRegex("TOKEN|SECRET|PASSW|KEY|AUTH|COOKIE|CREDENTIAL|SESSION|SIGNATURE", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Secret();
}
