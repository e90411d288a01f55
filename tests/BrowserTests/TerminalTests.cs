namespace McpCan.BrowserTests;

/// <summary>The terminal of a running server.</summary>
public sealed class TerminalTests(ConsoleServer server)
{
    [Theory]
    [InlineData("en", "Open terminal", "Connected", "The command has ended (exit code 3)")]
    [InlineData("zh-CN", "打开终端", "已连接", "命令已结束（退出代码 3）")]
    public async Task Command_IsTyped_AndItsOutputSeen(string language, string open, string connected, string ended)
    {
        var slug = await Servers.NewAsync(server, "Terminal", start: true);
        await Servers.RunningAsync(server, slug);
        await using var visit = await Visit.StartAsync(server, language: language);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{slug}/terminal");
        var screen = page.Locator(".terminal");
        await page.WaitForFunctionAsync("() => document.querySelector('.terminal')?.view");
        await screen.GetByRole(AriaRole.Button, new() { Name = open }).ClickAsync();
        await Expect(screen.Locator("[data-term=state]")).ToHaveTextAsync(connected); // before that nothing that is typed arrives

        await page.Keyboard.TypeAsync("echo two-$((1+1))\n");
        await SeesAsync(page, "\ntwo-2");
        await page.SetViewportSizeAsync(900, 700);
        // The page takes its new width when it is drawn, the program hears of it after that: asked again and again, both must come to the same.
        await page.Keyboard.TypeAsync("while sleep 0.1; do echo size-$(stty size | cut -d' ' -f2)-; done\n");
        await page.WaitForFunctionAsync("() => (view => view.textForTest().includes(`\\nsize-${view.terminal.cols}-`) && view.terminal.cols < 120)(document.querySelector('.terminal').view)");
        await page.Keyboard.PressAsync("Control+C");
        await page.EvaluateAsync("() => navigator.clipboard.writeText('echo pasted-$((1+1))')");
        await page.Keyboard.PressAsync("Control+V");
        await page.Keyboard.PressAsync("Enter");
        await SeesAsync(page, "\npasted-2");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("instance-terminal");

        await page.Keyboard.TypeAsync("exit 3\n");
        await Expect(screen.Locator("[data-term=state]")).ToHaveTextAsync(ended);
    }

    private static Task SeesAsync(IPage page, string text) =>
        page.WaitForFunctionAsync("text => document.querySelector('.terminal').view.textForTest().includes(text)", text);
}
