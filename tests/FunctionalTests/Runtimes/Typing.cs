using System.Text;
using McpCan.Server.Runtimes;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>A person before a terminal.</summary>
internal static class Typing
{
    public static ValueTask TypeAsync(ITerminal terminal, string text) => terminal.WriteAsync(Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);

    public static async Task<string> UntilAsync(ITerminal terminal, string expected)
    {
        var said = new StringBuilder();
        var buffer = new byte[4096];
        while (!said.ToString().Contains(expected, StringComparison.Ordinal))
        {
            var count = await terminal.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask().WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
            Assert.True(count > 0, $"It ended before it said '{expected}': {said}");
            said.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        return said.ToString();
    }

    public static async Task<string> EndAsync(ITerminal terminal)
    {
        var said = new StringBuilder();
        var buffer = new byte[4096];
        while (await terminal.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask().WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken) is > 0 and var count) said.Append(Encoding.UTF8.GetString(buffer, 0, count));
        return said.ToString();
    }
}
