using System.IO.Compression;
using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>A code package: its files edited to a new version, compared, deployed to its server, in both languages.</summary>
public sealed class PackageTests(ConsoleServer server)
{
    private const string Server = """
        import json, sys
        tools = [{"name": "one", "inputSchema": {"type": "object"}}]
        for line in sys.stdin:
            m = json.loads(line)
            if "id" not in m: continue
            r = {}
            if m["method"] == "initialize": r = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "coded", "version": "1"}}
            if m["method"] == "tools/list": r = {"tools": tools}
            print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("light", "en", "Save as a new version", "Compare", "Deploy v2", "Deployed")]
    [InlineData("dark", "zh-CN", "保存为新版本", "比较", "部署 v2", "已部署")]
    public async Task File_IsEdited_Compared_AndDeployed(string theme, string language, string save, string compare, string deploy, string deployed)
    {
        var name = $"coded {Guid.NewGuid().ToString("N")[..6]}";
        var package = await UploadAsync(name);
        var made = await (await server.Api.PostAsJsonAsync("instances", new { name, source = new { type = "package", packageId = package, version = 1, install = Array.Empty<string>() } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;

        await visit.OpenAsync($"/packages/{package}/files?version=1&file=server.py");
        var text = page.Locator("textarea.editor");
        await Expect(text).ToHaveValueAsync(Server);
        await text.FillAsync(Server.Replace("\"one\"", "\"two\"", StringComparison.Ordinal));
        await text.BlurAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = save })).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"package-files-{theme}-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = save }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = compare }).First.ClickAsync();
        await Expect(page.Locator(".diff-added")).ToContainTextAsync("\"two\"");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"package-compare-{theme}-{language}");

        await visit.OpenAsync($"/instances/{made.GetProperty("slug").GetString()}/versions");
        await page.GetByRole(AriaRole.Button, new() { Name = deploy }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(deployed, new() { Timeout = 30_000 });
        await Expect(page.Locator(".deployment").First).ToContainTextAsync("two");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"instance-versions-{theme}-{language}");
    }

    private async Task<string> UploadAsync(string name)
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var writer = new StreamWriter(zip.CreateEntry("server.py").Open());
            await writer.WriteAsync(Server);
        }
        using var form = new MultipartFormDataContent { { new ByteArrayContent(memory.ToArray()), "file", "coded.zip" }, { new StringContent(name), "name" } };
        var answer = await server.Api.PostAsync("packages", form, Cancel);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }
}
