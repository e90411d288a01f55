using System.Net.Http.Json;
using System.Text.RegularExpressions;
using McpCan.Tests;
using ModelContextProtocol.Client;

namespace McpCan.BrowserTests;

/// <summary>Servers that run elsewhere, as a person adds and changes them.</summary>
public sealed class RemoteTests(ConsoleServer server)
{
    private const string Secret = "Bearer value-that-nobody-sees";

    [Fact]
    public async Task RemoteServer_IsTested_Created_AndCalledByAClient()
    {
        await using var remote = await FakeRemote.StartAsync();
        remote.Demands = ("Authorization", Secret);
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync("/instances/new");
        await page.GetByLabel("Remote server").CheckAsync();
        await Continue().ClickAsync();
        await Continue().ClickAsync();
        await Expect(page.GetByText("Enter a whole address")).ToBeVisibleAsync();
        await page.GetByLabel("Address (URL)").FillAsync(remote.Url + "?key=hidden-value");
        await page.GetByLabel("Address (URL)").BlurAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Test connection" }).ClickAsync();
        await Expect(page.Locator(".found")).ToContainTextAsync("It wants credentials");
        await visit.ShootAsync("remote-test-refused");

        await page.GetByRole(AriaRole.Button, new() { Name = "Add header" }).ClickAsync();
        await page.GetByLabel("Name of header 1").FillAsync("Authorization");
        await page.GetByLabel("Value of header 1").FillAsync(Secret);
        await page.GetByLabel("Value of header 1").BlurAsync();
        await Expect(page.GetByLabel("Value of header 1")).ToHaveAttributeAsync("type", "password");
        await page.GetByRole(AriaRole.Button, new() { Name = "Test connection" }).ClickAsync();
        await Expect(page.Locator(".found")).ToContainTextAsync("fake-remote 2.1");
        await Expect(page.Locator(".found")).ToContainTextAsync("greet, add");
        await page.GetByText("More: time limits and TLS").ClickAsync();
        await Expect(page.GetByLabel("Answer begins within")).ToHaveValueAsync("60");
        await page.GetByLabel("Display name").FillAsync($"Remote {Guid.NewGuid().ToString("N")[..6]}");
        await page.GetByLabel("Display name").BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("remote-wizard-2");
        await Continue().ClickAsync();
        await visit.ShootAsync("remote-wizard-3");
        await Continue().ClickAsync();
        await Expect(page.Locator(".review")).ToContainTextAsync("?key=***");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("remote-wizard-4");
        await page.GetByRole(AriaRole.Button, new() { Name = "Deploy" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await dialog.GetByRole(AriaRole.Tab, new() { Name = "curl" }).ClickAsync();
        var snippet = await dialog.Locator("pre").Last.InnerTextAsync();
        await dialog.GetByLabel("I have stored the token").CheckAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Go to the server" }).Or(page.GetByRole(AriaRole.Tab, new() { Name = "Overview" })).First.ClickAsync();
        await Expect(page.Locator(".page-head .status")).ToHaveTextAsync("Running", new() { Timeout = 30_000 });
        await Expect(page.GetByRole(AriaRole.Tab, new() { Name = "Logs" })).ToHaveCountAsync(0);
        Assert.DoesNotContain("hidden-value", await page.ContentAsync(), StringComparison.Ordinal);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("remote-overview");

        await using var client = await McpClient.CreateAsync(new HttpClientTransport(new()
        {
            Endpoint = new Uri(Regex.Match(snippet, "http://[^'\" ]+/mcp").Value),
            TransportMode = HttpTransportMode.StreamableHttp,
            AdditionalHeaders = new Dictionary<string, string> { ["Authorization"] = Regex.Match(snippet, "Bearer mct_[A-Za-z0-9_-]+").Value },
        }), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["greet", "add"], (await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken)).Select(t => t.Name));

        ILocator Continue() => page.GetByRole(AriaRole.Button, new() { Name = "Continue" });
    }

    [Fact]
    public async Task Configuration_KeepsSecrets_AndChangesTheMode()
    {
        await using var remote = await FakeRemote.StartAsync();
        remote.Demands = ("X-Api-Key", "abc");
        using var made = await server.Api.PostAsJsonAsync("instances", new
        {
            name = $"Switch {Guid.NewGuid().ToString("N")[..6]}",
            mode = "proxy",
            remote = new { url = remote.Url, headers = new Dictionary<string, object> { ["X-Api-Key"] = new { secret = "abc" } } },
        }, TestContext.Current.CancellationToken);
        var slug = (await made.Content.ReadFromJsonAsync<System.Text.Json.JsonElement>(TestContext.Current.CancellationToken)).GetProperty("slug").GetString();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{slug}/configuration");

        await Expect(page.Locator("[aria-labelledby=mode] input[name=mode]")).ToHaveCountAsync(3);
        // The stored secret is used, though it is not shown.
        await Expect(page.GetByLabel("Value of header 1")).ToHaveValueAsync("");
        await page.GetByRole(AriaRole.Button, new() { Name = "Test connection" }).ClickAsync();
        await Expect(page.Locator(".found")).ToContainTextAsync("fake-remote 2.1");
        await page.GetByLabel("Transport").SelectOptionAsync("streamable-http");
        await page.GetByRole(AriaRole.Button, new() { Name = "Save", Exact = true }).ClickAsync();
        await Expect(page.GetByText("Saved")).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("remote-configuration");

        await page.GetByRole(AriaRole.Radio, new() { Name = "Direct, on file only" }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Change mode" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("answers no more calls");
        await visit.ShootAsync("remote-switch");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Change mode" }).ClickAsync();
        await Expect(page.Locator(".page-head .status")).ToHaveTextAsync("Registered");
        await Expect(page.GetByRole(AriaRole.Tab)).ToHaveTextAsync(["Overview", "Configuration", "Events"]);
        await page.GetByRole(AriaRole.Tab, new() { Name = "Overview" }).ClickAsync();
        await Expect(page.Locator("pre").First).ToContainTextAsync("${X_API_KEY}");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("direct-overview");
        await visit.OpenAsync("/instances?mode=direct");
        await Expect(page.GetByRole(AriaRole.Link, new() { NameRegex = new Regex("^Switch ") }).First).ToBeVisibleAsync();
        await visit.ShootAsync("direct-list");
    }

    [Fact]
    public async Task RemotePages_InChinese_AreComplete()
    {
        await using var visit = await Visit.StartAsync(server, language: "zh-CN", theme: "dark");
        var page = visit.Page;
        await visit.OpenAsync("/instances/new?source=remote");

        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "测试连接" })).ToBeVisibleAsync();
        await page.GetByText("更多：时间限制与 TLS").ClickAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("remote-wizard-zh");
    }
}
