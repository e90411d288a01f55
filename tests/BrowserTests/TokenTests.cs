using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>A token with limits, made and changed in the console.</summary>
public sealed class TokenTests(ConsoleServer server)
{
    [Theory]
    [InlineData("light", "en", "Create token", "Limit what it may do", "Edit", "Save")]
    [InlineData("dark", "zh-CN", "创建令牌", "限制其权限", "编辑", "保存")]
    public async Task Token_IsMadeWithLimits_AndChanged(string theme, string language, string create, string limit, string edit, string save)
    {
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;
        var name = $"limited {Guid.NewGuid().ToString("N")[..6]}";
        await visit.OpenAsync("/tokens");
        await page.GetByRole(AriaRole.Button, new() { Name = create }).First.ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await dialog.Locator("#new-token-name").FillAsync(name);
        await dialog.GetByText(limit).ClickAsync();
        await dialog.Locator("#limit-tools-open").FillAsync("echo\nget_*");
        await dialog.Locator("#limit-addresses").FillAsync("not an address");
        await dialog.Locator("#limit-rate-field").FillAsync("60");
        await dialog.Locator("#limit-rate-field").BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"token-limits-{theme}-{language}");
        await dialog.GetByRole(AriaRole.Button, new() { Name = create }).ClickAsync();
        await Expect(dialog.GetByRole(AriaRole.Alert).First).ToContainTextAsync("not an address");
        await dialog.Locator("#limit-addresses").FillAsync("127.0.0.0/8");
        await dialog.Locator("#limit-addresses").BlurAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = create }).ClickAsync();
        await dialog.GetByRole(AriaRole.Checkbox).CheckAsync();
        await dialog.GetByRole(AriaRole.Button).Last.ClickAsync();

        var row = page.Locator("tr", new() { HasTextString = name });
        await Expect(row).ToContainTextAsync("127.0.0.0/8");
        await row.GetByRole(AriaRole.Button, new() { Name = edit }).ClickAsync();
        await Expect(dialog.Locator("#limit-tools-open")).ToHaveValueAsync("echo\nget_*");
        await dialog.Locator("#limit-sessions-field").FillAsync("2");
        await dialog.Locator("#limit-sessions-field").BlurAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).ClickAsync();
        await Expect(dialog).ToBeHiddenAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"tokens-limited-{theme}-{language}");

        var tokens = await server.Api.GetFromJsonAsync<JsonElement>($"tokens?search={Uri.EscapeDataString(name)}", TestContext.Current.CancellationToken);
        var token = tokens.GetProperty("items")[0];
        Assert.Equal((60, 2), (token.GetProperty("limits").GetProperty("requestsPerMinute").GetInt32(), token.GetProperty("limits").GetProperty("sessions").GetInt32()));
        Assert.Equal(["echo", "get_*"], token.GetProperty("tools").GetProperty("allow").EnumerateArray().Select(t => t.GetString()));
    }
}
