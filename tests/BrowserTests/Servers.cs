using System.IO.Compression;
using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>Servers that tests make by the API, and the archive that they upload.</summary>
internal static class Servers
{
    /// <summary>Makes an instance of a server in <c>tests/Servers</c>; answers its slug.</summary>
    public static async Task<string> NewAsync(ConsoleServer server, string name, bool start, string code = "echo.py")
    {
        code = await File.ReadAllTextAsync(Path.Combine(ConsoleServer.Root, "tests", "Servers", code));
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

    /// <summary>Waits until it runs; answers its id.</summary>
    public static async Task<string> RunningAsync(ConsoleServer server, string slug)
    {
        var end = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(end) < TimeSpan.FromSeconds(60))
        {
            var instance = await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}");
            if (instance.GetProperty("status").GetProperty("state").GetString() == "Running") return instance.GetProperty("id").GetString()!;
            await Task.Delay(200);
        }
        throw new TimeoutException($"{slug} does not run");
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
