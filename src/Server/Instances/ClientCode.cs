using System.Text.Json;

namespace McpCan.Server.Instances;

/// <summary>Programs of a few lines that list an instance's tools with the official SDKs.</summary>
internal static class ClientCode
{
    public static string Python(string url, bool needsToken, string? token)
    {
        var headers = !needsToken ? "" : token is null
            ? ", headers={\"Authorization\": f\"Bearer {os.environ['MCPCAN_TOKEN']}\"}"
            : $", headers={{\"Authorization\": \"Bearer {token}\"}}";
        return $$"""
            # pip install mcp
            import asyncio
            {{(needsToken && token is null ? "import os\n" : "")}}
            from mcp import ClientSession
            from mcp.client.streamable_http import streamablehttp_client


            async def main():
                async with streamablehttp_client({{JsonSerializer.Serialize(url)}}{{headers}}) as (read, write, _):
                    async with ClientSession(read, write) as session:
                        await session.initialize()
                        for tool in (await session.list_tools()).tools:
                            print(tool.name)


            asyncio.run(main())

            """;
    }

    public static string TypeScript(string url, bool needsToken, string? token)
    {
        var value = token is null ? "`Bearer ${process.env.MCPCAN_TOKEN}`" : JsonSerializer.Serialize($"Bearer {token}");
        var options = needsToken ? $$""", { requestInit: { headers: { Authorization: {{value}} } } }""" : "";
        return $$"""
            // npm install @modelcontextprotocol/sdk
            import { Client } from '@modelcontextprotocol/sdk/client/index.js';
            import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

            const client = new Client({ name: 'my-client', version: '1.0.0' });
            await client.connect(new StreamableHTTPClientTransport(new URL({{JsonSerializer.Serialize(url)}}){{options}}));
            for (const tool of (await client.listTools()).tools) console.log(tool.name);
            await client.close();

            """;
    }

    public static string CSharp(string name, string url, bool needsToken, string? token)
    {
        var value = token is null ? "$\"Bearer {Environment.GetEnvironmentVariable(\"MCPCAN_TOKEN\")}\"" : JsonSerializer.Serialize($"Bearer {token}");
        var headers = needsToken ? $$"""

                AdditionalHeaders = new Dictionary<string, string> { ["Authorization"] = {{value}} },
            """ : "";
        return $$"""
            // dotnet add package ModelContextProtocol
            using ModelContextProtocol.Client;

            await using var client = await McpClient.CreateAsync(new HttpClientTransport(new HttpClientTransportOptions
            {
                Name = {{JsonSerializer.Serialize(name)}},
                Endpoint = new Uri({{JsonSerializer.Serialize(url)}}),{{headers}}
            }));
            foreach (var tool in await client.ListToolsAsync()) Console.WriteLine(tool.Name);

            """;
    }

    public static string Curl(string url, string? bearer)
    {
        var header = bearer is null ? "" : $" \\\n  -H \"Authorization: {bearer}\"";
        return $$$$"""
            curl -sS '{{{{url}}}}'{{{{header}}}} \
              -H 'Content-Type: application/json' \
              -H 'Accept: application/json, text/event-stream' \
              -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'

            """;
    }
}
