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
    [InlineData("light", "en", "Save as a new version", "Compare", "Try", "Deploy v2", "Healthy", "Deployed")]
    [InlineData("dark", "zh-CN", "保存为新版本", "比较", "试运行", "部署 v2", "正常", "已部署")]
    public async Task File_IsEdited_Compared_Tried_AndDeployed(string theme, string language, string save, string compare, string attempt, string deploy, string healthy, string deployed)
    {
        var name = $"coded {Guid.NewGuid().ToString("N")[..6]}";
        var package = await UploadAsync(name);
        var slug = await RunAsync(name, package);
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;

        await visit.OpenAsync($"/packages/{package}");
        await Expect(page.GetByText(name).Last).ToBeVisibleAsync(); // who uses it
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"package-{theme}-{language}");
        await visit.OpenAsync($"/packages/{package}/files?version=1");
        await page.GetByRole(AriaRole.Link, new() { Name = "server.py" }).First.ClickAsync();
        await Expect(page.Locator(".cm-content")).ToContainTextAsync("import json, sys");
        await Expect(page.Locator(".cm-line span").First).ToBeVisibleAsync(); // coloured as Python
        await ReplaceAsync(page, "\"one\"", "\"two\"");
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = save })).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"package-files-{theme}-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = save }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = compare }).First.ClickAsync();
        await Expect(page.Locator(".diff-added")).ToContainTextAsync("\"two\"");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"package-compare-{theme}-{language}");

        await visit.OpenAsync($"/instances/{slug}/versions");
        await page.GetByRole(AriaRole.Button, new() { Name = attempt, Exact = true }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(healthy, new() { Timeout = 30_000 });
        await page.GetByRole(AriaRole.Button, new() { Name = deploy }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(deployed, new() { Timeout = 60_000 });
        await Expect(page.Locator(".deployment").First).ToContainTextAsync("two");
        await page.Locator(".deployment details summary").First.ClickAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"instance-versions-{theme}-{language}");
    }

    [Theory]
    [InlineData("dark", "en", "Go back to v1", "Deploy v2", "Not healthy", "Deployed")]
    [InlineData("light", "zh-CN", "回退到 v1", "部署 v2", "未能正常运行", "已部署")]
    public async Task VersionThatFails_SaysWhy_AndAnotherGoesBack(string theme, string language, string back, string deploy, string failed, string deployed)
    {
        var name = $"coded {Guid.NewGuid().ToString("N")[..6]}";
        var package = await UploadAsync(name);
        await EditAsync(package, 1, "raise SystemExit('no database')");
        await EditAsync(package, 1, Server + "\n");
        var slug = await RunAsync(name, package);
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language, width: 800);
        var page = visit.Page;

        await visit.OpenAsync($"/instances/{slug}/versions");
        await page.GetByRole(AriaRole.Button, new() { Name = deploy }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(failed, new() { Timeout = 30_000 });
        await Expect(page.Locator(".deployment").First).ToContainTextAsync("no database");
        await visit.CheckAccessibilityAsync();
        await visit.CheckNoSidewaysScrollAsync();
        await visit.ShootAsync($"instance-version-failed-{theme}-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = deploy.Replace('2', '3') }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(deployed, new() { Timeout = 60_000 });
        await page.GetByRole(AriaRole.Button, new() { Name = back }).ClickAsync();
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync("v3 → v1");
        await Expect(page.Locator(".deployment summary").First).ToContainTextAsync(deployed, new() { Timeout = 60_000 });
    }

    [Fact]
    public async Task Editor_LetsGoOfTheKeyboard_KeepsLineEnds_AndRemovesAndAddsFiles()
    {
        var package = await UploadAsync($"coded {Guid.NewGuid().ToString("N")[..6]}");
        var large = string.Concat(Enumerable.Range(0, 4000).Select(n => $"line {n} of many\r\n")); // more than a message of the circuit may hold
        await server.Api.PatchAsJsonAsync($"packages/{package}/versions/1/files", new { files = new Dictionary<string, object> { ["notes.md"] = new { text = large } } }, Cancel);
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;

        await visit.OpenAsync($"/packages/{package}/files?version=2&file=notes.md");
        await page.Locator(".cm-content").ClickAsync();
        await page.Keyboard.PressAsync("Control+Home");
        await page.Keyboard.PressAsync("Tab");
        await Expect(page.Locator(".cm-content")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Escape");
        await page.Keyboard.PressAsync("Tab");
        await Expect(page.Locator(".cm-content")).Not.ToBeFocusedAsync();
        await page.GetByPlaceholder("Path of a new file").FillAsync("web/page.html");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add", Exact = true }).ClickAsync();
        await Expect(page.Locator("#file")).ToHaveTextAsync("web/page.html");
        await page.Locator(".cm-content").ClickAsync();
        await page.Keyboard.TypeAsync("<p>hello");
        await page.GetByRole(AriaRole.Link, new() { Name = "server.py" }).First.ClickAsync();
        await Expect(page.Locator("#file")).ToHaveTextAsync("server.py");
        await page.GetByRole(AriaRole.Link, new() { Name = "Code packages" }).First.ClickAsync();
        await Expect(page.GetByRole(AriaRole.Dialog)).ToContainTextAsync("Leave without saving?");
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await page.GetByRole(AriaRole.Dialog).WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        await page.GetByRole(AriaRole.Button, new() { Name = "Remove file" }).ClickAsync();
        await Expect(page.GetByText("server.py is removed in the new version.")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Save as a new version" }).ClickAsync();
        await Expect(page.GetByText("v3").First).ToBeVisibleAsync();

        var files = await server.Api.GetFromJsonAsync<JsonElement>($"packages/{package}/versions/3/files", Cancel);
        Assert.DoesNotContain("server.py", files.GetRawText(), StringComparison.Ordinal);
        Assert.StartsWith("<p>hello", await server.Api.GetStringAsync($"packages/{package}/versions/3/files/web/page.html", Cancel), StringComparison.Ordinal);
        Assert.Equal("  " + large, await server.Api.GetStringAsync($"packages/{package}/versions/3/files/notes.md", Cancel));
    }

    [Theory]
    [InlineData("light", "en", "Continue", "What the server asks for")]
    [InlineData("dark", "zh-CN", "继续", "服务器需要的参数")]
    public async Task Bundle_AsksForItsParameters(string theme, string language, string next, string asks)
    {
        var package = await UploadAsync($"bundle {Guid.NewGuid().ToString("N")[..6]}", ("server.py", Server), ("manifest.json", """
            {"manifest_version":"0.2","name":"weather","server":{"type":"python","entry_point":"server.py","mcp_config":{"command":"python","args":["${__dirname}/server.py","${user_config.places}"],"env":{"WEATHER_KEY":"${user_config.key}"}}},
             "user_config":{"key":{"type":"string","title":"Access key","description":"From your account page","sensitive":true,"required":true},
               "places":{"type":"string","title":"Places","multiple":true,"default":["Oslo","Rome"]},"metric":{"type":"boolean","title":"Metric","default":true}}}
            """));
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;

        await visit.OpenAsync($"/instances/new?package={package}");
        await Expect(page.GetByRole(AriaRole.Group, new() { Name = asks })).ToBeVisibleAsync();
        await Expect(page.GetByLabel("Places")).ToHaveValueAsync("Oslo\nRome");
        await page.GetByRole(AriaRole.Button, new() { Name = next }).ClickAsync();
        await Expect(page.GetByLabel("Access key")).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(page.GetByLabel("Access key")).ToHaveAttributeAsync("type", "password");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"wizard-parameters-{theme}-{language}");
        await page.GetByLabel("Access key").FillAsync("sesame");
        await page.GetByRole(AriaRole.Button, new() { Name = next }).ClickAsync();
        await Expect(page.GetByLabel("Access key")).ToBeHiddenAsync();
    }

    /// <summary>With the editor's own search, which a person has as well.</summary>
    private static async Task ReplaceAsync(IPage page, string old, string text)
    {
        await page.Locator(".cm-content").ClickAsync();
        await page.Keyboard.PressAsync("Control+f");
        await page.Locator(".cm-search [name=search]").FillAsync(old);
        await page.Locator(".cm-search input[name=replace]").FillAsync(text);
        await page.Locator(".cm-search [name=replaceAll]").ClickAsync();
        await Expect(page.Locator(".cm-content")).ToContainTextAsync(text);
    }

    private async Task EditAsync(string package, int version, string text) =>
        (await server.Api.PatchAsJsonAsync($"packages/{package}/versions/{version}/files", new { files = new Dictionary<string, object> { ["server.py"] = new { text } } }, Cancel)).EnsureSuccessStatusCode();

    private async Task<string> RunAsync(string name, string package)
    {
        var made = await (await server.Api.PostAsJsonAsync("instances", new { name, source = new { type = "package", packageId = package, version = 1, install = Array.Empty<string>() } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var slug = made.GetProperty("slug").GetString()!;
        await Servers.RunningAsync(server, slug);
        return slug;
    }

    private async Task<string> UploadAsync(string name, params (string Path, string Text)[] files)
    {
        var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (path, text) in files.Length > 0 ? files : [("server.py", Server)])
            {
                await using var writer = new StreamWriter(zip.CreateEntry(path).Open());
                await writer.WriteAsync(text);
            }
        }
        using var form = new MultipartFormDataContent { { new ByteArrayContent(memory.ToArray()), "file", "coded.zip" }, { new StringContent(name), "name" } };
        var answer = await server.Api.PostAsync("packages", form, Cancel);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }
}
