using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

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

    [Theory]
    [InlineData("en", "Add source", "Name", "Address", "Search servers", "Deploy", "Kept encrypted", "Show more")]
    [InlineData("zh-CN", "添加来源", "名称", "地址", "搜索服务器", "部署", "加密保存", "显示更多")]
    public async Task Source_IsAdded_Searched_AndAServerDeployedFromIt(string language, string add, string name, string address, string search, string deploy, string secret, string more)
    {
        var own = $"lib-{Guid.NewGuid().ToString("N")[..6]}";
        await using var library = await StartLibraryAsync();
        await using var visit = await Visit.StartAsync(server, theme: language == "en" ? "dark" : "light", language: language);
        var page = visit.Page;
        await visit.OpenAsync("/market/sources");
        await page.GetByRole(AriaRole.Button, new() { Name = add }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await dialog.GetByLabel(name, new() { Exact = false }).FillAsync(own);
        await dialog.GetByLabel(address, new() { Exact = false }).FillAsync(library.Urls.First());
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"market-source-dialog-{language}");
        await dialog.GetByRole(AriaRole.Button, new() { Name = add, Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = own }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = more })).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"market-source-{language}");
        await page.GetByRole(AriaRole.Searchbox, new() { Name = search, Exact = true }).FillAsync("weather");
        await page.GetByRole(AriaRole.Searchbox, new() { Name = search, Exact = true }).BlurAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Weather <b>maps</b>", Exact = true }).ClickAsync();
        await Expect(page.Locator("#value-KEY")).ToHaveAttributeAsync("type", "password");
        await Expect(page.Locator("main")).ToContainTextAsync(secret);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"market-entry-{language}");
        await page.Locator("#name").FillAsync(own);
        await page.Locator("#name").BlurAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = deploy, Exact = true }).ClickAsync();
        await Expect(page.Locator("#value-KEY-error")).ToBeVisibleAsync();
        await page.Locator("#value-KEY").FillAsync("sesame");
        await page.Locator("#value-KEY").BlurAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = deploy, Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Dialog).Locator(".token-value")).ToContainTextAsync("mct_");

        Assert.Equal("""{"KEY":{"secret":true}}""", (await InstanceAsync(own)).GetProperty("env").GetRawText());
        await server.Api.DeleteAsync($"instances/{own}", Cancel);
        foreach (var source in (await server.Api.GetFromJsonAsync<JsonElement>("market/sources", Cancel)).GetProperty("items").EnumerateArray().Where(s => s.GetProperty("name").GetString() == own))
            await server.Api.DeleteAsync($"market/sources/{source.GetProperty("id").GetString()}", Cancel);
    }

    /// <summary>A registry of a hundred servers.</summary>
    private static async Task<WebApplication> StartLibraryAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var weather = new { name = "io.github.ann/weather", title = "Weather <b>maps</b>", description = "Forecasts <script>alert(1)</script>", version = "1.0", packages = new[] { new { registryType = "npm", identifier = "@ann/weather", version = "1.0", environmentVariables = new[] { new { name = "KEY", isRequired = true, isSecret = true } } } } };
        var others = Enumerable.Range(0, 99).Select(n => (object)new { server = new { name = $"io.github.ann/s{n}", description = "One of many.", remotes = new[] { new { type = "sse", url = $"https://s{n}.example/sse" } } } });
        app.MapGet("/v0.1/servers", () => new { servers = others.Prepend(new { server = weather }) });
        await app.StartAsync(Cancel);
        return app;
    }

    private async Task<JsonElement> InstanceAsync(string slug) => await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel);
}
