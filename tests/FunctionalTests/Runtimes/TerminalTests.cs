using System.Text;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>Terminals in the process runtime.</summary>
public sealed class TerminalTests
{
    private const string Idle = "import os,time\nopen(os.path.expanduser('~/made'),'w').write('by the server')\nprint('up',flush=True)\ntime.sleep(600)";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.Landlock)]
    public async Task Shell_SeesTheServersFiles_ItsSize_AndEndsWithItsCode(IsolationLevel level)
    {
        await using var fixture = await RunningAsync(level);
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 91, 33), Cancel);

        await TypeAsync(terminal, "cat ~/made; stty size; tty >/dev/null && echo is-$((1+1))-tty; echo term=$TERM\n");
        var said = await UntilAsync(terminal, "term=xterm-256color");

        Assert.Contains("by the server", said, StringComparison.Ordinal);
        Assert.Contains("33 91", said, StringComparison.Ordinal);
        await terminal.ResizeAsync(120, 40, Cancel);
        await TypeAsync(terminal, "stty size\n");
        await UntilAsync(terminal, "40 120");
        await TypeAsync(terminal, "exit 7\n");
        var last = await EndAsync(terminal);
        var code = await terminal.Exit.WaitAsync(Eventually.Patience, Cancel);
        Assert.True(code == 7, $"{code}: {last}");
    }

    [Fact]
    public async Task ControlC_EndsTheProgram_NotTheShell()
    {
        await using var fixture = await RunningAsync(IsolationLevel.Sandbox);
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);
        await TypeAsync(terminal, "echo go-$((1+1)); sleep 600\n");
        await UntilAsync(terminal, "go-2");

        await TypeAsync(terminal, "\u0003");
        await TypeAsync(terminal, "echo still-$((1+1))\n");

        await UntilAsync(terminal, "still-2");
    }

    [Theory]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.Landlock)]
    public async Task Dispose_KillsAllThatItStarted_AndLeavesTheServer(IsolationLevel level)
    {
        await using var fixture = await RunningAsync(level);
        var before = await fixture.ProcessesAsync();
        var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);
        await TypeAsync(terminal, "(trap '' HUP; setsid sleep 600 &) ; nohup sleep 600 & echo started-$((1+1))\n");
        await UntilAsync(terminal, "started-2");

        await terminal.DisposeAsync();

        await Eventually.HoldsAsync(async () => await fixture.ProcessesAsync() == before);
        Assert.NotNull(await fixture.Runtime.GetStatusAsync("i-a", Cancel));
    }

    [Fact]
    public async Task Stop_EndsTheTerminal_AndNoneIsOpenedAfterwards()
    {
        await using var fixture = await RunningAsync(IsolationLevel.Sandbox);
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);

        await fixture.Runtime.StopAsync("i-a", Cancel);

        await terminal.Exit.WaitAsync(Eventually.Patience, Cancel);
        await EndAsync(terminal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel));
    }

    private static async Task<RuntimeFixture> RunningAsync(IsolationLevel level)
    {
        var fixture = new RuntimeFixture(level);
        await fixture.ApplyAsync(fixture.Python("i-a", Idle));
        await fixture.LineAsync("i-a", m => m == "up");
        return fixture;
    }

    private static ValueTask TypeAsync(ITerminal terminal, string text) => terminal.WriteAsync(Encoding.UTF8.GetBytes(text), Cancel);

    private static async Task<string> UntilAsync(ITerminal terminal, string expected)
    {
        var said = new StringBuilder();
        var buffer = new byte[4096];
        while (!said.ToString().Contains(expected, StringComparison.Ordinal))
        {
            var count = await terminal.ReadAsync(buffer, Cancel).AsTask().WaitAsync(Eventually.Patience, Cancel);
            Assert.True(count > 0, $"It ended before it said '{expected}': {said}");
            said.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        return said.ToString();
    }

    private static async Task<string> EndAsync(ITerminal terminal)
    {
        var said = new StringBuilder();
        var buffer = new byte[4096];
        while (await terminal.ReadAsync(buffer, Cancel).AsTask().WaitAsync(Eventually.Patience, Cancel) is > 0 and var count) said.Append(Encoding.UTF8.GetString(buffer, 0, count));
        return said.ToString();
    }
}
