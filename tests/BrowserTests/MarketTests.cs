using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>From a case of the library to a running server, and templates of one's own.</summary>
public sealed class MarketTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("en", "Search templates", "calculator", "Calculator (Python)", "Name of the server", "Deploy")]
    [InlineData("zh-CN", "搜索模板", "计算器", "计算器（Python）", "服务器名称", "部署")]
    public async Task Case_IsFound_AndDeployed(string language, string search, string word, string name, string serverName, string deploy)
    {
        var own = $"sum-{Guid.NewGuid().ToString("N")[..6]}";
        await using var visit = await Visit.StartAsync(server, theme: language == "en" ? "light" : "dark", language: language);
        var page = visit.Page;
        await visit.OpenAsync("/market");
        await visit.ShootAsync($"market-{language}");
        await page.GetByLabel(search).FillAsync(word);
        await page.GetByLabel(search).BlurAsync();
        await Expect(page.Locator(".market > li")).ToHaveCountAsync(2);
        await visit.CheckAccessibilityAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true }).ClickAsync();
        await page.GetByLabel(serverName, new() { Exact = false }).FillAsync(own);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"market-case-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = deploy, Exact = true }).ClickAsync();

        var dialog = page.GetByRole(AriaRole.Dialog);
        await Expect(dialog.Locator(".token-value")).ToContainTextAsync("mct_");
        await dialog.GetByRole(AriaRole.Checkbox).CheckAsync();
        await dialog.GetByRole(AriaRole.Button).Last.ClickAsync();
        await ConsoleServer.UntilAsync("the server runs", async () => (await InstanceAsync(own)).GetProperty("status").GetProperty("state").GetString() == "Running", TimeSpan.FromSeconds(60));
        await server.Api.DeleteAsync($"instances/{own}", Cancel);
    }

    [Theory]
    [InlineData("en", "Save template", "Add parameter", "Parameter 2", "Deploy {0}", "Filesystem (own)")]
    [InlineData("zh-CN", "保存模板", "添加参数", "参数 2", "部署 {0}", "自己的文件系统")]
    public async Task Template_IsMadeOfAServer_Edited_AndUsed(string language, string save, string add, string second, string deploy, string title)
    {
        var slug = $"origin-{Guid.NewGuid().ToString("N")[..6]}";
        await server.Api.PostAsJsonAsync("instances", new { name = slug, start = false, source = new { type = "command", command = "true" }, env = new Dictionary<string, object> { ["API_KEY"] = new { secret = "hidden" } } }, Cancel);
        title = $"{title} {slug[7..]}";
        await using var visit = await Visit.StartAsync(server, theme: language == "en" ? "light" : "dark", language: language);
        var page = visit.Page;
        await visit.OpenAsync($"/market/new?instance={slug}");
        await Expect(page.Locator("#p0-key")).ToHaveValueAsync("API_KEY");
        await Expect(page.Locator("aside").GetByLabel("API_KEY")).ToHaveAttributeAsync("type", "password");
        await page.Locator("#name").FillAsync(title);
        await page.Locator("#name").BlurAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = add }).ClickAsync();
        await page.Locator("#p1-key").FillAsync("unused");
        await page.Locator("#p1-key").BlurAsync();
        await visit.CheckAccessibilityAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).ClickAsync();
        // What stands nowhere is a fault, shown where it is.
        await Expect(page.Locator("#p1-key-error")).ToContainTextAsync("unused");
        await visit.ShootAsync($"market-editor-{language}");
        await page.GetByRole(AriaRole.Group, new() { Name = second }).GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page.Locator("#p1-key")).ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = string.Format(System.Globalization.CultureInfo.InvariantCulture, deploy, title) }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = title, Level = 1 })).ToBeVisibleAsync();
        await Expect(page.GetByLabel("API_KEY")).ToHaveAttributeAsync("type", "password");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"market-own-{language}");
        await server.Api.DeleteAsync($"instances/{slug}", Cancel);
    }

    private async Task<JsonElement> InstanceAsync(string slug) => await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel);
}
