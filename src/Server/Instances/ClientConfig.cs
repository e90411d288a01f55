using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace McpCan.Server.Instances;

/// <summary>Configuration that connects one client program to an instance.</summary>
/// <param name="Client">The client, for example <c>cursor</c>.</param>
/// <param name="File">File that the text belongs in, or null where it is a command or code.</param>
/// <param name="Format"><c>json</c>, <c>toml</c>, <c>shell</c>, <c>python</c>, <c>typescript</c> or <c>csharp</c>.</param>
/// <param name="Text">The text; the token stands as <c>${MCPCAN_TOKEN}</c> unless one was given.</param>
public sealed record ClientConfigView(string Client, string? File, string Format, string Text);

/// <summary>Writes client configurations. Shapes as the vendors' documents of 2026 say.</summary>
public static class ClientConfig
{
    /// <summary>Stands for the token.</summary>
    public const string Placeholder = "${MCPCAN_TOKEN}";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Names of the clients, most used first.</summary>
    public static IReadOnlyList<string> Clients { get; } =
        ["claude-code", "claude-desktop", "cursor", "vscode", "windsurf", "codex", "gemini-cli", "cherry-studio", "python", "typescript", "csharp", "curl"];

    /// <summary>The configuration for a client, or null when the client is not known.</summary>
    /// <param name="client">One of <see cref="Clients"/>.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="address">Its addresses.</param>
    /// <param name="token">A token to write in place of the placeholder.</param>
    public static ClientConfigView? For(string client, Instance instance, AddressView address, string? token = null)
    {
        var (name, url) = (instance.Slug, address.StreamableHttp);
        var bearer = instance.TokenRequired ? $"Bearer {token ?? Placeholder}" : null;
        return client switch
        {
            "claude-code" => Of(".mcp.json", "json", Servers("mcpServers", name, new() { ["type"] = "http", ["url"] = url, ["headers"] = Headers(bearer) })),
            "claude-desktop" => Of("claude_desktop_config.json", "json", Servers("mcpServers", name, Remote(url, bearer))),
            "cursor" => Of("~/.cursor/mcp.json", "json", Servers("mcpServers", name, new() { ["url"] = url, ["headers"] = Headers(bearer) })),
            "vscode" => Of(".vscode/mcp.json", "json", VsCode(name, url, bearer, token)),
            "windsurf" => Of("~/.codeium/windsurf/mcp_config.json", "json", Servers("mcpServers", name, new() { ["serverUrl"] = url, ["headers"] = Headers(bearer is null || token is not null ? bearer : "Bearer ${env:MCPCAN_TOKEN}") })),
            "codex" => Of("~/.codex/config.toml", "toml", Codex(name, url, bearer, token)),
            "gemini-cli" => Of("~/.gemini/settings.json", "json", Servers("mcpServers", name, new() { ["httpUrl"] = url, ["headers"] = Headers(bearer) })),
            "cherry-studio" => Of(null, "json", Servers("mcpServers", name, new() { ["name"] = instance.Name, ["type"] = "streamableHttp", ["baseUrl"] = url, ["headers"] = Headers(bearer) })),
            "python" => Of(null, "python", ClientCode.Python(url, bearer is not null, token)),
            "typescript" => Of(null, "typescript", ClientCode.TypeScript(url, bearer is not null, token)),
            "csharp" => Of(null, "csharp", ClientCode.CSharp(name, url, bearer is not null, token)),
            "curl" => Of(null, "shell", ClientCode.Curl(url, bearer)),
            _ => null,
        };

        ClientConfigView Of(string? file, string format, string text) => new(client, file, format, text);
    }

    private static JsonObject? Headers(string? bearer) => bearer is null ? null : new JsonObject { ["Authorization"] = bearer };

    private static string Servers(string root, string name, JsonObject entry) => new JsonObject { [root] = new JsonObject { [name] = WithoutNulls(entry) } }.ToJsonString(Json);

    // Claude Desktop starts programs only; mcp-remote is the program that speaks to an address. No space stands
    // in the argument, since its Windows build splits arguments there; the header's value comes from the environment.
    private static JsonObject Remote(string url, string? bearer)
    {
        var args = new JsonArray("-y", "mcp-remote", url);
        if (url.StartsWith("http://", StringComparison.Ordinal)) args.Add("--allow-http");
        if (bearer is null) return new() { ["command"] = "npx", ["args"] = args };
        args.Add("--header");
        args.Add("Authorization:${AUTHORIZATION}");
        return new() { ["command"] = "npx", ["args"] = args, ["env"] = new JsonObject { ["AUTHORIZATION"] = bearer } };
    }

    private static string VsCode(string name, string url, string? bearer, string? token)
    {
        var entry = new JsonObject { ["type"] = "http", ["url"] = url };
        if (bearer is null || token is not null)
        {
            if (bearer is not null) entry["headers"] = Headers(bearer);
            return Servers("servers", name, entry);
        }
        entry["headers"] = Headers("Bearer ${input:mcpcan-token}");
        var input = new JsonObject { ["type"] = "promptString", ["id"] = "mcpcan-token", ["description"] = "MCPCAN token", ["password"] = true };
        return new JsonObject { ["inputs"] = new JsonArray(input), ["servers"] = new JsonObject { [name] = entry } }.ToJsonString(Json);
    }

    private static string Codex(string name, string url, string? bearer, string? token)
    {
        var head = $"[mcp_servers.{name}]\nurl = \"{url}\"\n";
        if (bearer is null) return head;
        return token is null ? $"{head}bearer_token_env_var = \"MCPCAN_TOKEN\"\n" : $"{head}http_headers = {{ \"Authorization\" = \"{bearer}\" }}\n";
    }

    private static JsonObject WithoutNulls(JsonObject entry)
    {
        foreach (var name in entry.Where(p => p.Value is null).Select(p => p.Key).ToList()) entry.Remove(name);
        return entry;
    }
}
