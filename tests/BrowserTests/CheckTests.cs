using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.BrowserTests;

/// <summary>The check of a server, and the charts of what it uses.</summary>
public sealed class CheckTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("light", "en", "Check", "Everything answers.", "List tools: OK", "Likely cause", "The program of the command was not found.")]
    [InlineData("dark", "zh-CN", "检查", "一切正常应答。", "列出工具: 正常", "可能的原因", "找不到命令中的程序。")]
    public async Task Check_SaysThatAServerIsWell_OrWhyItIsNot(string theme, string language, string check, string well, string tools, string cause, string words)
    {
        var healthy = await Servers.RunningAsync(server, await Servers.NewAsync(server, $"healthy {language}", start: true));
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{healthy}");
        await page.GetByRole(AriaRole.Link, new() { Name = check, Exact = true }).ClickAsync();
        var card = page.Locator("section.diagnosis");
        await Expect(card).ToContainTextAsync(well, new() { Timeout = 30_000 });
        await Expect(card).ToContainTextAsync(tools);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"check-healthy-{theme}-{language}");

        var broken = await BrokenAsync(language);
        await visit.OpenAsync($"/instances/{broken}?check=true");
        await Expect(card).ToContainTextAsync(cause, new() { Timeout = 30_000 });
        await Expect(card).ToContainTextAsync(words);
        await Expect(page.Locator("section.failed")).ToContainTextAsync(words);
        await visit.CheckAccessibilityAsync();
        await visit.CheckNoSidewaysScrollAsync();
        await visit.ShootAsync($"check-failed-{theme}-{language}");
    }

    [Theory]
    [InlineData("light", "en", "Resources over time", "15 min")]
    [InlineData("dark", "zh-CN", "资源使用趋势", "15 分钟")]
    public async Task Overview_ShowsWhatTheServerUsed(string theme, string language, string title, string range)
    {
        var slug = await Servers.RunningAsync(server, await Servers.NewAsync(server, $"used {language}", start: true));
        // Looked at every 15 seconds; CPU time needs two looks.
        await ConsoleServer.UntilAsync("use is measured", async () => (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}/usage/history", Cancel)).GetProperty("points").EnumerateArray().Any(p => p.GetProperty("cpu").ValueKind == JsonValueKind.Number), TimeSpan.FromMinutes(1));
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language, height: 1500);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{slug}");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = title })).ToBeVisibleAsync();
        await Expect(page.Locator("[data-chart=memory] .plot svg")).ToBeVisibleAsync(new() { Timeout = 15_000 });
        await Expect(page.Locator("[data-chart]:visible .plot-empty:visible")).ToHaveCountAsync(0);
        await Expect(page.Locator("[data-chart=network]")).ToBeHiddenAsync(); // not measured for processes
        await visit.CheckAccessibilityAsync();
        await visit.CheckNoSidewaysScrollAsync();
        await visit.ShootAsync($"usage-{theme}-{language}");

        await page.GetByRole(AriaRole.Link, new() { Name = range, Exact = true }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("range=15m"));
        await page.Locator("[data-chart=memory] [data-table]").ClickAsync();
        await Expect(page.Locator("[data-chart=memory] tbody tr").First).ToContainTextAsync("MiB");
        await visit.ShootAsync($"usage-table-{theme}-{language}");
    }

    private async Task<string> BrokenAsync(string language)
    {
        using var made = await server.Api.PostAsJsonAsync("instances", new { name = $"broken {language} {Guid.NewGuid().ToString("N")[..4]}", mode = "managed", start = true, source = new { type = "command", command = "no-such-program-here" } }, Cancel);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Cancel));
        var slug = (await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("slug").GetString()!;
        await ConsoleServer.UntilAsync("it failed", async () => (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel)).GetProperty("status").GetProperty("state").GetString() == "Failed", TimeSpan.FromSeconds(30));
        return slug;
    }
}
