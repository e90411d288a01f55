namespace McpCan.Server.Instances;

/// <summary>Programs of a few lines that list an instance's tools with the official SDKs.</summary>
internal static class ClientCode
{
    public static string Python(ClientTarget target)
    {
        var (import, open, streams) = target switch
        {
            AddressTarget { Sse: true } a => ("from mcp.client.sse import sse_client", $"sse_client({PythonText(a.Url)}{Headers(a)})", "read, write"),
            AddressTarget a => ("from mcp.client.streamable_http import streamablehttp_client", $"streamablehttp_client({PythonText(a.Url)}{Headers(a)})", "read, write, _"),
            CommandTarget c => ("from mcp.client.stdio import StdioServerParameters, stdio_client",
                $"stdio_client(StdioServerParameters(command={ClientText.Quote(c.Command)}, args=[{string.Join(", ", c.Args.Select(ClientText.Quote))}]{Dictionary("env", c.Env)}))", "read, write"),
            _ => throw new InvalidOperationException(),
        };
        return $$"""
            # pip install mcp
            import asyncio
            {{(open.Contains("os.environ", StringComparison.Ordinal) ? "import os\n" : "")}}
            from mcp import ClientSession
            {{import}}


            async def main():
                async with {{open}} as ({{streams}}):
                    async with ClientSession(read, write) as session:
                        await session.initialize()
                        for tool in (await session.list_tools()).tools:
                            print(tool.name)


            asyncio.run(main())

            """;

        static string Headers(AddressTarget a) => Dictionary("headers", a.Headers);

        static string Dictionary(string name, IReadOnlyList<KeyValuePair<string, string>> pairs) =>
            pairs.Count == 0 ? "" : $", {name}={{{string.Join(", ", pairs.Select(p => $"{ClientText.Quote(p.Key)}: {PythonText(p.Value)}"))}}}";

        static string PythonText(string text) => Filled(text, l => ClientText.Escape(l).Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal), n => $"{{os.environ['{n}']}}", "f\"", "\"");
    }

    public static string TypeScript(ClientTarget target)
    {
        var (import, transport) = target switch
        {
            AddressTarget { Sse: true } a => ("import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';", $"new SSEClientTransport(new URL({Text(a.Url)}){Options(a)})"),
            AddressTarget a => ("import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';", $"new StreamableHTTPClientTransport(new URL({Text(a.Url)}){Options(a)})"),
            CommandTarget c => ("import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';",
                $"new StdioClientTransport({{ command: {ClientText.Quote(c.Command)}, args: [{string.Join(", ", c.Args.Select(ClientText.Quote))}]{(c.Env.Count == 0 ? "" : $", env: {Object(c.Env)}")} }})"),
            _ => throw new InvalidOperationException(),
        };
        return $$"""
            // npm install @modelcontextprotocol/sdk
            import { Client } from '@modelcontextprotocol/sdk/client/index.js';
            {{import}}

            const client = new Client({ name: 'my-client', version: '1.0.0' });
            await client.connect({{transport}});
            for (const tool of (await client.listTools()).tools) console.log(tool.name);
            await client.close();

            """;

        static string Options(AddressTarget a) => a.Headers.Count == 0 ? "" : $", {{ requestInit: {{ headers: {Object(a.Headers)} }} }}";

        static string Object(IReadOnlyList<KeyValuePair<string, string>> pairs) => $"{{ {string.Join(", ", pairs.Select(p => $"{Key(p.Key)}: {Text(p.Value)}"))} }}";

        static string Key(string key) => key.All(char.IsAsciiLetter) ? key : ClientText.Quote(key);

        static string Text(string text) => Filled(text, l => l.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("`", "\\`", StringComparison.Ordinal), n => $"${{process.env.{n}}}", "`", "`");
    }

    public static string CSharp(ClientTarget target)
    {
        var transport = target switch
        {
            AddressTarget a => $$"""
                new HttpClientTransport(new HttpClientTransportOptions
                {
                    Name = {{ClientText.Quote(a.Name)}},
                    Endpoint = new Uri({{Text(a.Url)}}),{{(a.Sse ? "\n    TransportMode = HttpTransportMode.Sse," : "")}}{{(a.Headers.Count == 0 ? "" : $"\n    AdditionalHeaders = {Dictionary("string, string", a.Headers)},")}}
                })
                """,
            CommandTarget c => $$"""
                new StdioClientTransport(new StdioClientTransportOptions
                {
                    Name = {{ClientText.Quote(c.Name)}},
                    Command = {{ClientText.Quote(c.Command)}},
                    Arguments = [{{string.Join(", ", c.Args.Select(ClientText.Quote))}}],{{(c.Env.Count == 0 ? "" : $"\n    EnvironmentVariables = {Dictionary("string, string?", c.Env)},")}}
                })
                """,
            _ => throw new InvalidOperationException(),
        };
        return $$"""
            // dotnet add package ModelContextProtocol
            using ModelContextProtocol.Client;

            await using var client = await McpClient.CreateAsync({{transport}});
            foreach (var tool in await client.ListToolsAsync()) Console.WriteLine(tool.Name);

            """;

        static string Dictionary(string types, IReadOnlyList<KeyValuePair<string, string>> pairs) =>
            $"new Dictionary<{types}> {{ {string.Join(", ", pairs.Select(p => $"[{ClientText.Quote(p.Key)}] = {Text(p.Value)}"))} }}";

        static string Text(string text) => Filled(text, l => ClientText.Escape(l).Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal), n => $"{{Environment.GetEnvironmentVariable(\"{n}\")}}", "$\"", "\"");
    }

    public static string Shell(ClientTarget target)
    {
        if (target is CommandTarget c) return string.Concat(c.Env.Select(e => $"{e.Key}={Text(e.Value)} ")) + string.Join(' ', c.Args.Prepend(c.Command).Select(Word)) + "\n";
        var a = (AddressTarget)target;
        var headers = string.Concat(a.Headers.Select(h => $" \\\n  -H {Quoted($"{h.Key}: {h.Value}")}"));
        if (a.Sse) return $"curl -sSN {Text(a.Url)}{headers} \\\n  -H 'Accept: text/event-stream'\n";
        return $$$$"""
            curl -sS {{{{Text(a.Url)}}}}{{{{headers}}}} \
              -H 'Content-Type: application/json' \
              -H 'Accept: application/json, text/event-stream' \
              -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'

            """;

        static string Text(string text) => ClientText.Names(text).Any() ? Quoted(text) : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

        static string Quoted(string text) => $"\"{ClientText.Write(text, Plain, n => $"${{{n}}}")}\"";

        static string Plain(string text) => string.Concat(text.Select(ch => ch is '"' or '\\' or '`' or '$' ? $"\\{ch}" : ch.ToString()));

        static string Word(string word) => word.Length > 0 && word.All(ch => char.IsAsciiLetterOrDigit(ch) || "-_./:@=+,%".Contains(ch, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>A plain quoted text, or one of the language's own with values filled in.</summary>
    private static string Filled(string text, Func<string, string> literal, Func<string, string> name, string open, string close) =>
        ClientText.Names(text).Any() ? open + ClientText.Write(text, literal, name) + close : ClientText.Quote(text);
}
