using Deque.AxeCore.Playwright;

namespace McpCan.BrowserTests;

/// <summary>A person's browser window. At its end it must have seen no script error, no failed asset and no request to another host.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly List<string> _faults = [];
    private readonly ConsoleServer _server;

    private Visit(ConsoleServer server, IBrowserContext context, IPage page) => (_server, Context, Page) = (server, context, page);

    public IBrowserContext Context { get; }
    public IPage Page { get; }
    /// <summary>Statuses of 400 and above that the test provokes on purpose.</summary>
    public HashSet<int> Expected { get; } = [];

    public static async Task<Visit> StartAsync(ConsoleServer server, bool signedIn = true, string theme = "light", string language = "en", int width = 1440, int height = 900)
    {
        var context = await server.Chromium.NewContextAsync(new()
        {
            BaseURL = server.Url,
            ViewportSize = new() { Width = width, Height = height },
            StorageState = signedIn ? server.Session : null,
            Permissions = ["clipboard-read", "clipboard-write"],
            ReducedMotion = ReducedMotion.Reduce,
        });
        await context.AddCookiesAsync(
        [
            new() { Name = "mcpcan-theme", Value = theme, Url = server.Url },
            new() { Name = "mcpcan-language", Value = Uri.EscapeDataString($"c={language}|uic={language}"), Url = server.Url },
        ]);
        var visit = new Visit(server, context, await context.NewPageAsync());
        visit.Listen();
        return visit;
    }

    private void Listen()
    {
        Page.PageError += (_, error) => _faults.Add($"page error: {error}");
        Page.Console += (_, message) =>
        {
            if (message.Type == "error" && !message.Text.Contains("Failed to load resource", StringComparison.Ordinal)) _faults.Add($"console: {message.Text}");
        };
        Page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(_server.Url, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal) && !request.Url.StartsWith("blob:", StringComparison.Ordinal))
                _faults.Add($"foreign request: {request.Url}");
        };
        Page.Response += (_, response) =>
        {
            if (response.Status >= 400 && !Expected.Contains(response.Status)) _faults.Add($"{response.Status} {response.Url}");
        };
    }

    /// <summary>Opens a page of the console and waits until it reacts.</summary>
    public async Task OpenAsync(string path)
    {
        await Page.GotoAsync(path);
        await ReadyAsync();
        await Expect(Page.Locator(".skeleton").First).ToBeHiddenAsync(new() { Timeout = 15_000 });
    }

    public async Task ReadyAsync()
    {
        try
        {
            await Page.WaitForFunctionAsync("() => document.documentElement.dataset.ready === '1'", null, new() { Timeout = 60_000 });
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{Page.Url} did not become ready: {string.Join("; ", _faults)}\n{await Page.Locator("body").InnerTextAsync()}");
        }
    }

    /// <summary>No critical and no serious finding of axe.</summary>
    public async Task CheckAccessibilityAsync()
    {
        var result = await Page.RunAxe();
        var bad = result.Violations.Where(v => v.Impact is "critical" or "serious")
            .Select(v => $"{v.Impact} {v.Id}: {string.Join(" | ", v.Nodes.Take(4).Select(n => n.Html + " " + string.Join("; ", n.Any.Select(c => c.Message))))}").ToList();
        Assert.True(bad.Count == 0, $"{Page.Url}\n{string.Join("\n", bad)}");
    }

    /// <summary>Nothing sticks out at the side.</summary>
    public async Task CheckNoSidewaysScrollAsync() =>
        Assert.True(await Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"), $"{Page.Url} scrolls sideways");

    /// <summary>For a person to look at: set MCPCAN_TEST_SHOTS to a folder.</summary>
    public async Task ShootAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("MCPCAN_TEST_SHOTS") is { Length: > 0 } folder) await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png") });
    }

    public async ValueTask DisposeAsync()
    {
        await Context.DisposeAsync();
        Assert.True(_faults.Count == 0, string.Join("\n", _faults));
    }
}
