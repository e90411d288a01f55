using McpCan.Server.Runtimes;
using McpCan.Tests;
using static McpCan.FunctionalTests.Runtimes.Typing;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>Terminals in the process runtime.</summary>
public sealed class TerminalTests
{
    internal const string Idle = "import os,time\nopen(os.path.expanduser('~/made'),'w').write('by the server')\nprint('up',flush=True)\ntime.sleep(600)";

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
        await TypeAsync(terminal, "sh -c 'echo go-$((1+1)); exec sleep 600'\n");
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
}

/// <summary>Terminals in containers: the same, and the server's processes are seen.</summary>
public abstract class ContainerTerminalTests(string engine)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Shell_SeesTheServersFiles_ItsSize_AndEndsWithItsCode()
    {
        await using var fixture = await RunningAsync();
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 91, 33), Cancel);

        await TypeAsync(terminal, "cat ~/made; stty size; tty >/dev/null && echo is-$((1+1))-tty; echo user-$(id -u); echo term=$TERM\n");
        var said = await UntilAsync(terminal, "term=xterm-256color");

        Assert.Contains("by the server", said, StringComparison.Ordinal);
        Assert.Contains("33 91", said, StringComparison.Ordinal);
        Assert.Contains("user-10001", said, StringComparison.Ordinal);
        await terminal.ResizeAsync(120, 40, Cancel);
        await TypeAsync(terminal, "stty size\n");
        await UntilAsync(terminal, "40 120");
        await TypeAsync(terminal, "exit 7\n");
        await EndAsync(terminal);
        Assert.Equal(7, await terminal.Exit.WaitAsync(Eventually.Patience, Cancel));
    }

    [Fact]
    public async Task ControlC_EndsTheProgram_NotTheShell()
    {
        await using var fixture = await RunningAsync();
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);
        await TypeAsync(terminal, "sh -c 'echo go-$((1+1)); exec sleep 600'\n");
        await UntilAsync(terminal, "go-2");

        await TypeAsync(terminal, "\u0003");
        await TypeAsync(terminal, "echo still-$((1+1))\n");

        await UntilAsync(terminal, "still-2");
    }

    [Fact]
    public async Task Dispose_KillsAllThatItStarted_AndLeavesTheServer()
    {
        await using var fixture = await RunningAsync();
        var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);
        await TypeAsync(terminal, "(trap '' HUP; sleep 600 &) ; nohup sleep 600 & echo started-$((1+1))\n");
        await UntilAsync(terminal, "started-2");
        await Eventually.HoldsAsync(async () => await SleepersAsync(fixture) == "2");

        await terminal.DisposeAsync();

        await Eventually.HoldsAsync(async () => await SleepersAsync(fixture) == "0");
        Assert.NotNull(await fixture.Runtime.GetStatusAsync("i-a", Cancel));
    }

    [Fact]
    public async Task Stop_EndsTheTerminal_AndNoneIsOpenedAfterwards()
    {
        await using var fixture = await RunningAsync();
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel);

        await fixture.Runtime.StopAsync("i-a", Cancel);

        await EndAsync(terminal);
        await terminal.Exit.WaitAsync(Eventually.Patience, Cancel);
        await Assert.ThrowsAsync<InvalidOperationException>(() => fixture.Runtime.ExecAsync("i-a", new(["/bin/sh"], 80, 24), Cancel));
    }

    // Counted inside: one that was killed and not yet fetched by its parent has no command line any more.
    private static async Task<string> SleepersAsync(ContainerFixture fixture)
    {
        await using var terminal = await fixture.Runtime.ExecAsync("i-a", new(["/bin/sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '[s]leep 600' | wc -l"], 80, 24), Cancel);
        return (await EndAsync(terminal)).Trim();
    }

    private async Task<ContainerFixture> RunningAsync()
    {
        var fixture = ContainerFixture.On(engine);
        await fixture.ApplyAsync(fixture.Python("i-a", TerminalTests.Idle));
        await fixture.LineAsync("i-a", m => m == "up");
        return fixture;
    }
}

/// <summary>In Docker.</summary>
public sealed class DockerTerminalTests() : ContainerTerminalTests("docker");

/// <summary>In Podman.</summary>
public sealed class PodmanTerminalTests() : ContainerTerminalTests("podman");
