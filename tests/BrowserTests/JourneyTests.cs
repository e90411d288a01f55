using System.Net.Http.Json;
using System.Text.RegularExpressions;
using ModelContextProtocol.Client;

namespace McpCan.BrowserTests;

/// <summary>The main job, as a person does it.</summary>
public sealed class JourneyTests(ConsoleServer server)
{
    [Fact]
    public async Task UploadedCode_BecomesAServerThatAClientCalls()
    {
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync("/instances");
        await page.GetByRole(AriaRole.Link, new() { Name = "Add server" }).First.ClickAsync();
        await page.GetByLabel("Code package").CheckAsync();
        await Continue().ClickAsync();
        await Continue().ClickAsync();
        await Expect(page.GetByText("Choose a package or upload one.")).ToBeVisibleAsync();
        await page.GetByLabel("Choose an archive").SetInputFilesAsync(Servers.Archive());
        await Expect(page.GetByLabel("Start command")).ToHaveValueAsync(new Regex("server\\.py"), new() { Timeout = 20_000 });
        await page.GetByLabel("Display name").FillAsync("Echo");
        await page.GetByLabel("Display name").BlurAsync();
        await visit.ShootAsync("wizard-2");
        await Continue().ClickAsync();
        await Expect(page.GetByLabel("Name of the token")).ToHaveValueAsync("first-client");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("wizard-3");
        await Continue().ClickAsync();
        await Expect(page.Locator(".review")).ToContainTextAsync("first-client");
        await visit.ShootAsync("wizard-4");
        await page.GetByRole(AriaRole.Button, new() { Name = "Deploy" }).ClickAsync();

        // The token, once: neither Esc nor a click outside closes it.
        var dialog = page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("shown only now.");
        await page.Keyboard.PressAsync("Escape");
        await page.Mouse.ClickAsync(5, 500);
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Continue" })).ToBeDisabledAsync();
        await visit.ShootAsync("token-once");
        await visit.CheckAccessibilityAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Copy the value" }).ClickAsync();
        await Expect(dialog.GetByRole(AriaRole.Status).First).ToHaveTextAsync("Copied");
        var token = await page.EvaluateAsync<string>("() => navigator.clipboard.readText()");
        Assert.Matches("^mct_[A-Za-z0-9_-]{43}$", token);
        await dialog.GetByRole(AriaRole.Tab, new() { Name = "curl" }).ClickAsync();
        var snippet = await dialog.Locator("pre").Last.InnerTextAsync();
        Assert.Contains(token, snippet, StringComparison.Ordinal);
        await dialog.GetByLabel("I have stored the token").CheckAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();

        await page.GetByRole(AriaRole.Link, new() { Name = "Go to the server" }).Or(page.GetByRole(AriaRole.Tab, new() { Name = "Overview" })).First.ClickAsync();
        await Expect(page.Locator(".page-head .status")).ToHaveTextAsync("Running", new() { Timeout = 60_000 });
        Assert.DoesNotContain(token, await page.ContentAsync(), StringComparison.Ordinal);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("instance-overview");

        var address = Regex.Match(snippet, "http://[^'\" ]+/mcp").Value;
        await using var client = await McpClient.CreateAsync(new HttpClientTransport(new()
        {
            Endpoint = new Uri(address),
            TransportMode = HttpTransportMode.StreamableHttp,
            AdditionalHeaders = new Dictionary<string, string> { ["Authorization"] = $"Bearer {token}" },
        }), cancellationToken: TestContext.Current.CancellationToken);
        var tools = await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.NotEmpty(tools);

        await page.GetByRole(AriaRole.Tab, new() { Name = "Tokens" }).ClickAsync();
        await Expect(page.Locator("table")).ToContainTextAsync("first-client");
        Assert.DoesNotContain(token, await page.ContentAsync(), StringComparison.Ordinal);
        await page.GetByRole(AriaRole.Tab, new() { Name = "Access log" }).ClickAsync();
        await ConsoleServer.UntilAsync("the call stands in the access log", async () =>
        {
            await page.GetByRole(AriaRole.Button, new() { Name = "Refresh" }).ClickAsync();
            return await page.Locator("td").GetByText("tools/list").CountAsync() > 0;
        }, TimeSpan.FromSeconds(20));
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("instance-access-log");
        foreach (var tab in new[] { "Configuration", "Events", "Traffic", "Logs" })
        {
            await page.GetByRole(AriaRole.Tab, new() { Name = tab }).ClickAsync();
            await Expect(page.GetByRole(AriaRole.Tab, new() { Name = tab })).ToHaveAttributeAsync("aria-selected", "true");
            await Expect(page.Locator("#panel .card").First).ToBeVisibleAsync();
            await visit.CheckAccessibilityAsync();
            await visit.ShootAsync($"instance-{tab.ToLowerInvariant()}");
        }

        ILocator Continue() => page.GetByRole(AriaRole.Button, new() { Name = "Continue" });
    }

    [Fact]
    public async Task PastedJson_IsShownAsUnderstood_AndMakesServers()
    {
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync("/instances/new?source=json");
        await page.GetByLabel("mcpServers JSON").FillAsync("{ \"mcpServers\": { broken");
        await page.GetByLabel("mcpServers JSON").BlurAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("not valid JSON");
        await page.GetByLabel("mcpServers JSON").FillAsync("""{ "mcpServers": { "pasted-one": { "command": "python3", "args": ["-c", "pass"] }, "pasted-two": { "command": "node", "args": ["x.js"], "env": { "API_KEY": "s" } } } }""");
        await page.GetByLabel("mcpServers JSON").BlurAsync();
        await Expect(page.GetByText("This was understood")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "pasted-two" }).UncheckAsync();
        for (var step = 2; step < 4; step++) await page.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Deploy" }).ClickAsync();
        await page.GetByLabel("I have stored the token").CheckAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        await visit.OpenAsync("/instances");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "pasted-one", Exact = true })).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "pasted-two", Exact = true })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task List_ShowsChangesMadeElsewhere_WithinTwoSeconds()
    {
        var slug = await Servers.NewAsync(server, "Live", start: false);
        await using var visit = await Visit.StartAsync(server);
        await visit.OpenAsync($"/instances?search={slug}");
        var status = visit.Page.Locator("tbody .status").First;
        await Expect(status).ToHaveTextAsync("Stopped");
        (await server.Api.PostAsync($"instances/{slug}/start", null, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        await Expect(status).Not.ToHaveTextAsync("Stopped", new() { Timeout = 2000 });
        await Expect(status).ToHaveTextAsync("Running", new() { Timeout = 60_000 });
        (await server.Api.DeleteAsync($"instances/{slug}", TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        await Expect(visit.Page.GetByText("Nothing matches").Or(visit.Page.GetByText("No server yet"))).ToBeVisibleAsync(new() { Timeout = 20_000 });
    }

    [Fact]
    public async Task Delete_AsksForTheName()
    {
        var slug = await Servers.NewAsync(server, "Gone", start: false);
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{slug}");
        var name = await page.Locator("h1").InnerTextAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = $"More actions for {name}" }).ClickAsync();
        await page.GetByRole(AriaRole.Menuitem, new() { Name = "Delete server" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        var delete = dialog.GetByRole(AriaRole.Button, new() { Name = "Delete server" });
        await Expect(delete).ToBeDisabledAsync();
        await visit.CheckAccessibilityAsync();
        await dialog.GetByRole(AriaRole.Textbox).FillAsync(name);
        await delete.ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("/instances$"));
        await ConsoleServer.UntilAsync("the server is gone", async () => (int)(await server.Api.GetAsync($"instances/{slug}", TestContext.Current.CancellationToken)).StatusCode == 404, TimeSpan.FromSeconds(30));
    }
}
