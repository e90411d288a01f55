using System.IO.Compression;
using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>Servers that tests make by the API, and the archive that they upload.</summary>
internal static class Servers
{
    /// <summary>Makes an instance; answers its slug.</summary>
    public static async Task<string> NewAsync(ConsoleServer server, string name, bool start)
    {
        var code = await File.ReadAllTextAsync(Path.Combine(ConsoleServer.Root, "tests", "Servers", "echo.py"));
        using var answer = await server.Api.PostAsJsonAsync("instances", new
        {
            name = $"{name} {Guid.NewGuid().ToString("N")[..6]}",
            mode = "managed",
            source = new { type = "command", command = "python3", args = new[] { "-u", "-c", code } },
            start,
        });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("slug").GetString()!;
    }

    /// <summary>A plain-Python MCP server as a person would zip it.</summary>
    public static string Archive()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("mcpcan-archive-").FullName, "echo-server.zip");
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        zip.CreateEntryFromFile(Path.Combine(ConsoleServer.Root, "tests", "Servers", "echo.py"), "echo-server/server.py");
        return path;
    }
}
