using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>Tools, resources and prompts tried out in the console, with a server that has one of each kind.</summary>
public sealed class PlaygroundTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("light", "en")]
    [InlineData("dark", "zh-CN")]
    public async Task Page_InThemeAndLanguage_HasNoFault(string theme, string language)
    {
        var slug = await ServerAsync();
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        await OpenAsync(visit, slug, "everything");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"playground-{theme}-{language}");
        await ChooseAsync(visit, "picture");
        await visit.Page.Locator("[data-run]").ClickAsync();
        await Expect(visit.Page.Locator(".play-result img")).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"playground-result-{theme}-{language}");
    }

    [Fact]
    public async Task Form_ChecksAndSends_OnlyWhatWasFilledIn()
    {
        var slug = await ServerAsync();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await OpenAsync(visit, slug, "everything");

        await page.Locator("[data-run]").ClickAsync();
        await Expect(page.Locator("#play-fields [role=alert]").First).ToBeVisibleAsync(); // the name is required
        await page.GetByRole(AriaRole.Button, new() { Name = "JSON", Exact = true }).First.ClickAsync();
        await page.Locator("#play-json").FillAsync("""{"name":"Ada","version":2,"count":11}""");
        await page.GetByRole(AriaRole.Button, new() { Name = "Form", Exact = true }).ClickAsync();
        await page.Locator("[data-run]").ClickAsync();
        await Expect(page.Locator("#play-fields [role=alert]").First).ToContainTextAsync("10");
        await page.GetByRole(AriaRole.Button, new() { Name = "JSON", Exact = true }).First.ClickAsync();
        await page.Locator("#play-json").FillAsync("""{"name":"Ada","version":2,"count":4,"tags":["x","y"],"place":{"latitude":1.5}}""");
        await page.GetByRole(AriaRole.Button, new() { Name = "Form", Exact = true }).ClickAsync();
        await Expect(page.Locator("#play-fields input").First).ToHaveValueAsync("Ada");
        await page.Keyboard.PressAsync("Control+Enter");

        var result = page.Locator(".play-result");
        await Expect(result).ToContainTextAsync("\"count\": 4");
        await Expect(result).Not.ToContainTextAsync("\"note\"");
        await result.GetByRole(AriaRole.Button, new() { Name = "Protocol" }).ClickAsync();
        await Expect(result).ToContainTextAsync("tools/call");
        await visit.ShootAsync("playground-protocol");

        var records = await server.Api.GetFromJsonAsync<JsonElement>($"access-logs?instance={slug}&method=tools/call", Cancel);
        await Eventually(async () => (records = await server.Api.GetFromJsonAsync<JsonElement>($"access-logs?instance={await Servers.RunningAsync(server, slug)}&method=tools/call", Cancel)).GetProperty("items").GetArrayLength() > 0);
        Assert.Equal("mcpcan-playground", records.GetProperty("items")[0].GetProperty("clientName").GetString());
    }

    [Fact]
    public async Task Questions_Progress_Errors_AndHostileText_AreShown()
    {
        var slug = await ServerAsync();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        var result = page.Locator(".play-result");
        await OpenAsync(visit, slug, "ask_person");
        await page.Locator("[data-run]").ClickAsync();
        await Expect(result).ToContainTextAsync("Which seat do you want?");
        await result.Locator(".play-ask input[type=text], .play-ask input:not([type])").First.FillAsync("12A");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("playground-elicitation");
        await result.GetByRole(AriaRole.Button, new() { Name = "Send answer" }).ClickAsync();
        await Expect(result).ToContainTextAsync("12A");

        await ChooseAsync(visit, "ask_model");
        await page.Locator("[data-run]").ClickAsync();
        await result.GetByLabel("Your answer in place of the model").FillAsync("Indigo");
        await result.GetByRole(AriaRole.Button, new() { Name = "Send answer" }).ClickAsync();
        await Expect(result).ToContainTextAsync("Indigo");

        await ChooseAsync(visit, "slow");
        await page.Locator("[data-run]").ClickAsync();
        await Expect(result).ToContainTextAsync("Step 1");
        await Expect(result).ToContainTextAsync("counted");

        await ChooseAsync(visit, "fails");
        await page.Locator("[data-run]").ClickAsync();
        await Expect(result).ToContainTextAsync("the disk is full");
        await Expect(result.Locator(".tag.c-red").First).ToBeVisibleAsync();

        await ChooseAsync(visit, "markup");
        await page.Locator("[data-run]").ClickAsync();
        await Expect(result).ToContainTextAsync("<script>window.hacked = 1</script>");
        Assert.False(await page.EvaluateAsync<bool>("() => 'hacked' in window"));
    }

    private async Task<string> ServerAsync()
    {
        var slug = await Servers.NewAsync(server, "play", start: true, "playground.py");
        await Servers.RunningAsync(server, slug);
        return slug;
    }

    private static async Task OpenAsync(Visit visit, string slug, string tool)
    {
        await visit.OpenAsync($"/instances/{slug}/tools");
        await ChooseAsync(visit, tool);
    }

    private static async Task ChooseAsync(Visit visit, string tool)
    {
        await visit.Page.Locator(".play-offer", new() { Has = visit.Page.Locator("code", new() { HasTextString = tool }) }).First.ClickAsync(new() { Timeout = 20_000 });
        await Expect(visit.Page.Locator(".play-form h2")).ToHaveTextAsync(tool);
    }

    private static async Task Eventually(Func<Task<bool>> holds)
    {
        for (var i = 0; i < 100 && !await holds(); i++) await Task.Delay(100, Cancel);
    }
}
