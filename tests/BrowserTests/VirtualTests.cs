using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.BrowserTests;

/// <summary>A virtual server made and changed in the console.</summary>
public sealed class VirtualTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("light", "en", "Create virtual server", "Prefix", "Save")]
    [InlineData("dark", "zh-CN", "创建虚拟服务器", "前缀", "保存")]
    public async Task VirtualServer_IsMadeOfTwo_AndChanged(string theme, string language, string create, string prefix, string save)
    {
        var (first, second) = (await MemberAsync("first"), await MemberAsync("second"));
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;
        await visit.OpenAsync("/instances/new/virtual");
        var name = $"both {Guid.NewGuid().ToString("N")[..6]}";
        await page.Locator("#name").FillAsync(name);
        await page.Locator("#member-1").SelectOptionAsync(first);
        await page.Locator("#member-2").SelectOptionAsync(second);
        await page.Locator("#prefix-2").FillAsync("two");
        await page.Locator("#prefix-2").BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.CheckNoSidewaysScrollAsync();
        await visit.ShootAsync($"virtual-new-{theme}-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = create }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("/instances/both-"));
        var slug = new Uri(page.Url).Segments[^1];
        await Servers.RunningAsync(server, slug);

        await visit.OpenAsync($"/instances/{slug}/configuration");
        await Expect(page.Locator("#prefix-2")).ToHaveValueAsync("two");
        await page.GetByLabel(prefix).First.FillAsync("one");
        await page.GetByLabel(prefix).First.BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"virtual-configuration-{theme}-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).First.ClickAsync();
        await Expect(page.Locator(".mud-snackbar, .toast").First).ToBeVisibleAsync();
        var stored = await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel);
        Assert.Equal(["one", "two"], stored.GetProperty("virtual").GetProperty("members").EnumerateArray().Select(m => m.GetProperty("prefix").GetString()));

        await visit.OpenAsync($"/instances/{slug}/tools");
        await Expect(page.Locator(".play-offer code").First).ToContainTextAsync("one_");
        await visit.ShootAsync($"virtual-tools-{theme}-{language}");
    }

    private async Task<string> MemberAsync(string name) => await Servers.RunningAsync(server, await Servers.NewAsync(server, name, start: true));
}
