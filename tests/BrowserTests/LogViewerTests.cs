using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.BrowserTests;

/// <summary>The log viewer with logs that are long, fast or hostile. The lines come from the test, the viewer is the real one.</summary>
public sealed class LogViewerTests(ConsoleServer server)
{
    private const int Many = 10_000;

    [Fact]
    public async Task ManyLines_AreSearchedAndFiltered_WithFewRows()
    {
        await using var visit = await OpenAsync(Lines(Many, n => n % 100 == 0 ? $"needle {n}" : $"line {n}"));
        var page = visit.Page;
        await Expect(page.Locator("[data-log=facts]")).ToContainTextAsync("10,000 lines held");
        await Expect(page.Locator(".log-row").Filter(new() { HasText = "needle 10000" })).ToBeVisibleAsync();
        Assert.True(await page.Locator(".log-row").CountAsync() <= 100);
        await page.GetByRole(AriaRole.Searchbox, new() { Name = "Search in logs" }).FillAsync("NEEDLE");
        await Expect(page.Locator("[data-log=found]")).ToHaveTextAsync("– / 100");
        await page.Keyboard.PressAsync("Enter");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("[data-log=found]")).ToHaveTextAsync(new Regex(@"^\d+ / 100$"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Match case" }).ClickAsync();
        await Expect(page.Locator("[data-log=found]")).ToHaveTextAsync("– / 0");
        await page.GetByRole(AriaRole.Searchbox, new() { Name = "Search in logs" }).FillAsync("");
        await page.Locator("[data-do-log=level][data-value=error]").ClickAsync();
        await Expect(page.Locator(".log-row:not([hidden]):not(.error)")).ToHaveCountAsync(0);
        await page.Locator("[data-log=stream]").SelectOptionAsync("stdout");
        await Expect(page.Locator("[data-log=empty]")).ToHaveTextAsync("No line matches the filter");
        await visit.CheckAccessibilityAsync();
    }

    [Fact]
    public async Task HostileLines_AreTextOnly()
    {
        string[] hostile =
        [
            "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
            "\u001b[31mred\u001b[0m \u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007 \u001b[2Jcleared",
            "progress 10 %\rprogress 100 %",
            "中文日志 \u202Eevil",
            new string('y', 100_000),
            "bell\u0007 null\u0000 end",
        ];
        await using var visit = await OpenAsync(Lines(hostile.Length, n => hostile[n - 1]));
        var page = visit.Page;
        var rows = page.Locator(".log-row:not([hidden]) .log-msg");
        await Expect(rows).ToHaveCountAsync(hostile.Length);
        await Expect(rows.Nth(0)).ToHaveTextAsync(hostile[0]);
        await Expect(rows.Nth(1).Locator("span.f1")).ToHaveTextAsync("red");
        await Expect(rows.Nth(1)).ToHaveTextAsync("red link cleared");
        await Expect(rows.Nth(2)).ToHaveTextAsync("progress 100 %");
        await Expect(rows.Nth(3)).ToHaveTextAsync("中文日志 <U+202E>evil");
        await Expect(rows.Nth(5)).ToHaveTextAsync("bell␇ null␀ end");
        Assert.Equal(8192, (await rows.Nth(4).InnerTextAsync()).Length);
        Assert.False(await page.EvaluateAsync<bool>("() => 'hacked' in window"));
        Assert.Equal(0, await page.Locator(".log-row script, .log-row img, .log-row a").CountAsync());
        await page.GetByRole(AriaRole.Button, new() { Name = "Wrap long lines" }).ClickAsync();
        await page.Locator(".log-more", new() { HasText = "show all (100,000)" }).DispatchEventAsync("click");
        Assert.Equal(100_000, (await page.Locator("[data-log=text]").InnerTextAsync()).Length);
    }

    [Fact]
    public async Task WhileReading_NothingMoves_EvenWhenTheBufferIsFull()
    {
        await using var visit = await OpenAsync(Lines(100, n => $"line {n}"));
        var page = visit.Page;
        await Expect(page.Locator("[data-log=facts]")).ToContainTextAsync("100 lines held");
        // More lines than the viewer holds, as the stream would hand them over, in between the frames.
        var held = await page.EvaluateAsync<Held>("""
            async () => {
              const host = document.querySelector(".logs"), viewer = host.logs, scroll = host.querySelector("[data-log=scroll]");
              const frame = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
              const put = (from, to) => { for (let n = from; n <= to; n++) viewer.takeForTest({ n, t: "2026-01-01T00:00:00Z", level: "info", stream: "stderr", msg: "line " + n }); };
              put(101, 50000); await frame();
              scroll.scrollTop = scroll.scrollHeight - scroll.clientHeight - 4000; await frame();
              const first = () => [...scroll.querySelectorAll(".log-row:not([hidden])")].map(r => [r.getBoundingClientRect().top - scroll.getBoundingClientRect().top, r.querySelector(".log-n").textContent]).filter(r => r[0] >= 0).sort((a, b) => a[0] - b[0])[0][1];
              const before = first(); const follow = viewer.follow;
              for (let n = 50001; n < 130000; n += 5000) { put(n, n + 4999); await frame(); }
              const after = first();
              return { before, after, follow, lines: viewer.buffer.lines.length, rows: scroll.querySelectorAll(".log-row").length, pill: host.querySelector("[data-log=pillText]").textContent };
            }
            """);
        Assert.False(held.Follow);
        Assert.Equal(held.Before, held.After);
        Assert.InRange(held.Lines, 50_000, 100_000);
        Assert.InRange(held.Rows, 10, 100);
        Assert.Equal("80,000 new lines", held.Pill);
        await page.GetByRole(AriaRole.Button, new() { Name = "80,000 new lines" }).ClickAsync();
        await Expect(page.Locator(".log-row").Filter(new() { HasText = "line 130000" })).ToBeVisibleAsync();
        await Expect(page.Locator("[data-log=facts]")).ToContainTextAsync("50,000 lines held");
    }

    private sealed class Held
    {
        public string Before { get; set; } = "";
        public string After { get; set; } = "";
        public bool Follow { get; set; }
        public int Lines { get; set; }
        public int Rows { get; set; }
        public string Pill { get; set; } = "";
    }

    private async Task<Visit> OpenAsync(string log)
    {
        var slug = await Servers.NewAsync(server, "Logs", start: false);
        var visit = await Visit.StartAsync(server);
        await visit.Page.RouteAsync("**/api/v1/instances/*/logs?*", async route =>
        {
            // What was handed over already does not come again.
            var again = new Uri(route.Request.Url).Query.Contains("after=", StringComparison.Ordinal);
            await route.FulfillAsync(new() { ContentType = "application/x-ndjson", Body = again ? "" : log });
        });
        await visit.OpenAsync($"/instances/{slug}/logs");
        return visit;
    }

    private static string Lines(int count, Func<int, string> text)
    {
        var lines = new StringBuilder();
        for (var n = 1; n <= count; n++)
            lines.Append(JsonSerializer.Serialize(new { n, t = string.Create(CultureInfo.InvariantCulture, $"2026-01-01T00:00:{n % 60:00}.000Z"), stream = "stderr", level = n % 5 == 0 ? "error" : "info", msg = text(n) })).Append('\n');
        return lines.ToString();
    }
}
