namespace McpCan.BrowserTests;

/// <summary>Every page, in both themes, both languages and narrow: quiet, complete, usable by all.</summary>
public sealed class PageTests(ConsoleServer server)
{
    private static readonly string[] Pages = ["", "instances", "instances/new", "instances/new/virtual", "market", "market/case-filesystem", "market/new", "market/sources", "packages", "tokens", "access-log", "environments", "users", "api-keys", "profile"];

    [Theory]
    [InlineData("light", "en")]
    [InlineData("dark", "zh-CN")]
    public async Task Pages_InThemeAndLanguage_HaveNoFault(string theme, string language)
    {
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        foreach (var path in Pages)
        {
            await visit.OpenAsync($"/{path}");
            await Expect(visit.Page.Locator("html")).ToHaveAttributeAsync("data-theme", theme);
            await Expect(visit.Page.Locator("html")).ToHaveAttributeAsync("lang", language);
            await Expect(visit.Page.Locator("h1")).ToHaveCountAsync(1);
            await visit.CheckAccessibilityAsync();
            await visit.ShootAsync($"{(path == "" ? "overview" : path.Replace('/', '-'))}-{theme}-{language}");
        }
    }

    [Theory]
    [InlineData("light", "en")]
    [InlineData("dark", "zh-CN")]
    public async Task StaticPages_InThemeAndLanguage_HaveNoFault(string theme, string language)
    {
        await using var visit = await Visit.StartAsync(server, signedIn: false, theme: theme, language: language);
        visit.Expected.Add(403);
        visit.Expected.Add(404);
        foreach (var path in new[] { "login", "login?error=failed", "setup", "denied", "not-found", "error" })
        {
            await visit.Page.GotoAsync($"/{path}");
            await Expect(visit.Page.Locator("h1")).ToBeVisibleAsync();
            await visit.CheckAccessibilityAsync();
            await visit.ShootAsync($"gate-{path.Replace('?', '-').Replace('=', '-')}-{theme}-{language}");
        }
    }

    [Fact]
    public async Task Pages_At390Pixels_DoNotScrollSideways()
    {
        await using var visit = await Visit.StartAsync(server, width: 390, height: 800);
        foreach (var path in Pages)
        {
            await visit.OpenAsync($"/{path}");
            await visit.CheckNoSidewaysScrollAsync();
            await visit.ShootAsync($"narrow-{(path == "" ? "overview" : path.Replace('/', '-'))}");
        }
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Collapse or open the navigation" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Instances" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Instances", Level = 1 })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Language_WhenSwitched_Stays()
    {
        await using var visit = await Visit.StartAsync(server);
        await visit.OpenAsync("/instances");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Language" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "简体中文" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "实例" })).ToBeVisibleAsync();
        await visit.OpenAsync("/tokens");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "令牌", Exact = true })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Theme_WhenSwitched_StandsInTheFirstBytesOfTheNextPage()
    {
        await using var visit = await Visit.StartAsync(server);
        await visit.OpenAsync("/");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Use the dark theme" }).ClickAsync();
        await Expect(visit.Page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
        var html = await (await visit.Page.APIRequest.GetAsync("/")).TextAsync();
        Assert.Contains("data-theme=\"dark\"", html[..200], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keyboard_Shortcuts_Work()
    {
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync("/");
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.PressAsync("i");
        await page.Keyboard.PressAsync("t"); // "i" was the end of "g i": this is no "g t"
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Instances", Level = 1 })).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Control+k");
        await page.Keyboard.TypeAsync("tok");
        await Expect(page.GetByRole(AriaRole.Option, new() { Name = "Tokens" })).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Tokens", Level = 1 })).ToBeVisibleAsync();
        await page.Locator("h1").FocusAsync();
        await page.Keyboard.PressAsync("?");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToContainTextAsync("Keyboard shortcuts");
        await visit.CheckAccessibilityAsync();
        await page.Keyboard.PressAsync("Escape");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
    }
}
