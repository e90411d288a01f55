using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace McpCan.Server.Instances;

/// <summary>Configuration that connects one client program to an instance.</summary>
/// <param name="Client">The client, for example <c>cursor</c>.</param>
/// <param name="File">File that the text belongs in, or null where it is a command or code.</param>
/// <param name="Format"><c>json</c>, <c>toml</c>, <c>shell</c>, <c>python</c>, <c>typescript</c> or <c>csharp</c>.</param>
/// <param name="Text">The text; the token stands as <c>${MCPCAN_TOKEN}</c> unless one was given, a direct instance's secrets as <c>${NAME}</c>.</param>
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
        var target = ClientTarget.Of(instance, address, token);
        return client switch
        {
            "claude-code" => Of(".mcp.json", "json", Servers(target, a => new() { ["type"] = a.Sse ? "sse" : "http", ["url"] = a.Url, ["headers"] = Headers(a) })),
            "claude-desktop" => Of("claude_desktop_config.json", "json", Servers(target, Through)),
            "cursor" => Of("~/.cursor/mcp.json", "json", Servers(target, a => new() { ["url"] = a.Url, ["headers"] = Headers(a) })),
            "vscode" => Of(".vscode/mcp.json", "json", VsCode(target)),
            "windsurf" => Of("~/.codeium/windsurf/mcp_config.json", "json", Servers(target, a => new() { ["serverUrl"] = Windsurf(a.Url), ["headers"] = Headers(a, Windsurf) }, Windsurf)),
            "codex" => Of("~/.codex/config.toml", "toml", Codex(target)),
            "gemini-cli" => Of("~/.gemini/settings.json", "json", Servers(target, a => new() { [a.Sse ? "url" : "httpUrl"] = a.Url, ["headers"] = Headers(a) })),
            "cherry-studio" => Of(null, "json", Servers(target, a => new() { ["name"] = a.Title, ["type"] = a.Sse ? "sse" : "streamableHttp", ["baseUrl"] = a.Url, ["headers"] = Headers(a) })),
            "python" => Of(null, "python", ClientCode.Python(target)),
            "typescript" => Of(null, "typescript", ClientCode.TypeScript(target)),
            "csharp" => Of(null, "csharp", ClientCode.CSharp(target)),
            "curl" => Of(null, "shell", ClientCode.Shell(target)),
            _ => null,
        };

        ClientConfigView Of(string? file, string format, string text) => new(client, file, format, text);
    }

    private static JsonObject? Headers(AddressTarget target, Func<string, string>? write = null) =>
        target.Headers.Count == 0 ? null : new JsonObject(target.Headers.Select(h => KeyValuePair.Create(h.Key, (JsonNode?)(write?.Invoke(h.Value) ?? h.Value))));

    private static string Servers(ClientTarget target, Func<AddressTarget, JsonObject> address, Func<string, string>? write = null) =>
        new JsonObject { ["mcpServers"] = new JsonObject { [target.Name] = Entry(target, address, write) } }.ToJsonString(Json);

    private static JsonObject Entry(ClientTarget target, Func<AddressTarget, JsonObject> address, Func<string, string>? write = null) => target switch
    {
        AddressTarget a => WithoutNulls(address(a)),
        CommandTarget c => WithoutNulls(new()
        {
            ["command"] = c.Command,
            ["args"] = new JsonArray([.. c.Args.Select(a => (JsonNode)a)]),
            ["env"] = c.Env.Count == 0 ? null : new JsonObject(c.Env.Select(e => KeyValuePair.Create(e.Key, (JsonNode?)(write?.Invoke(e.Value) ?? e.Value)))),
        }),
        _ => throw new InvalidOperationException(),
    };

    // Claude Desktop starts programs only; mcp-remote is the program that speaks to an address. No space stands
    // in the argument, since its Windows build splits arguments there; a header's value comes from the environment.
    private static JsonObject Through(AddressTarget target)
    {
        var (args, env) = Remote(target);
        return new() { ["command"] = "npx", ["args"] = new JsonArray([.. args.Select(a => (JsonNode)a)]), ["env"] = env.Count == 0 ? null : new JsonObject(env.Select(e => KeyValuePair.Create(e.Key, (JsonNode?)e.Value))) };
    }

    private static (List<string> Args, List<KeyValuePair<string, string>> Env) Remote(AddressTarget target)
    {
        var args = new List<string> { "-y", "mcp-remote", target.Url };
        var env = new List<KeyValuePair<string, string>>();
        if (target.Url.StartsWith("http://", StringComparison.Ordinal)) args.Add("--allow-http");
        if (target.Sse) args.AddRange(["--transport", "sse-only"]);
        foreach (var (name, value) in target.Headers)
        {
            var variable = name.ToUpperInvariant().Replace('-', '_');
            args.AddRange(["--header", $"{name}:${{{variable}}}"]);
            env.Add(new(variable, value));
        }
        return (args, env);
    }

    private static string Windsurf(string text) => ClientText.Write(text, name => $"${{env:{name}}}");

    private static string VsCode(ClientTarget target)
    {
        var names = new List<string>();
        var entry = Entry(target, a => new() { ["type"] = a.Sse ? "sse" : "http", ["url"] = Ask(a.Url), ["headers"] = Headers(a, Ask) }, Ask);
        if (target is CommandTarget) entry.Insert(0, "type", "stdio");
        var file = new JsonObject { ["servers"] = new JsonObject { [target.Name] = entry } };
        if (names.Count > 0)
            file.Insert(0, "inputs", new JsonArray([.. names.Distinct().Select(n => (JsonNode)new JsonObject { ["type"] = "promptString", ["id"] = Id(n), ["description"] = n == "MCPCAN_TOKEN" ? "MCPCAN token" : n, ["password"] = true })]));
        return file.ToJsonString(Json);

        string Ask(string text)
        {
            names.AddRange(ClientText.Names(text));
            return ClientText.Write(text, n => $"${{input:{Id(n)}}}");
        }

        static string Id(string name) => name.ToLowerInvariant().Replace('_', '-');
    }

    private static string Codex(ClientTarget target)
    {
        var head = $"[mcp_servers.{target.Name}]\n";
        if (target is CommandTarget c) return head + Command(c.Command, c.Args, c.Env);
        var a = (AddressTarget)target;
        if (a.Sse)
        {
            // It speaks Streamable HTTP only.
            var (args, env) = Remote(a);
            return head + Command("npx", args, env);
        }
        var text = $"{head}url = {ClientText.Quote(a.Url)}\n";
        var plain = new List<string>();
        var fromVariables = new List<string>();
        foreach (var (name, value) in a.Headers)
        {
            const string Bearer = "Bearer ";
            if (name == "Authorization" && value.StartsWith(Bearer, StringComparison.Ordinal) && ClientText.OnlyName(value[Bearer.Length..]) is { } token) text += $"bearer_token_env_var = \"{token}\"\n";
            else if (ClientText.OnlyName(value) is { } variable) fromVariables.Add($"{ClientText.Quote(name)} = \"{variable}\"");
            else plain.Add($"{ClientText.Quote(name)} = {ClientText.Quote(value)}");
        }
        if (plain.Count > 0) text += $"http_headers = {{ {string.Join(", ", plain)} }}\n";
        if (fromVariables.Count > 0) text += $"env_http_headers = {{ {string.Join(", ", fromVariables)} }}\n";
        return text;

        static string Command(string command, IReadOnlyList<string> args, IReadOnlyList<KeyValuePair<string, string>> env) =>
            $"command = {ClientText.Quote(command)}\nargs = [{string.Join(", ", args.Select(ClientText.Quote))}]\n"
            + (env.Count == 0 ? "" : $"env = {{ {string.Join(", ", env.Select(e => $"{ClientText.Quote(e.Key)} = {ClientText.Quote(e.Value)}"))} }}\n");
    }

    private static JsonObject WithoutNulls(JsonObject entry)
    {
        foreach (var name in entry.Where(p => p.Value is null).Select(p => p.Key).ToList()) entry.Remove(name);
        return entry;
    }
}
