using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.BrowserTests;

/// <summary>Charts and access log after a scripted load: the same numbers everywhere.</summary>
public sealed class TrafficTests(ConsoleServer server)
{
    private const int Echoes = 12, Fails = 5, Lists = 7, Refused = 3;

    private sealed record Load(string Slug, string Id, string Token);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("light", "en")]
    [InlineData("dark", "zh-CN")]
    public async Task TrafficTab_EqualsTheAccessLog(string theme, string language)
    {
        var load = await LoadAsync();
        var log = await server.Api.GetFromJsonAsync<JsonElement>($"access-logs?instance={load.Id}&httpMethod=POST&limit=500", Cancel);
        var records = log.GetProperty("items").EnumerateArray().ToList();
        var failed = records.Count(r => r.GetProperty("status").GetInt32() >= 400 || r.GetProperty("errorCode").ValueKind == JsonValueKind.Number);
        Assert.Equal((Refused + Fails, Echoes), (failed, records.Count(r => r.GetProperty("target").GetString() == "echo")));

        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{load.Slug}/traffic");
        await Expect(page.Locator("[data-sum=calls]")).ToHaveTextAsync(records.Count.ToString(CultureInfo.InvariantCulture), new() { Timeout = 15_000 });
        await Expect(page.Locator("[data-sum=errors]")).ToHaveTextAsync(failed.ToString(CultureInfo.InvariantCulture));
        await Expect(page.Locator(".plot svg")).ToHaveCountAsync(6);
        await Expect(page.Locator(".plot-empty:visible")).ToHaveCountAsync(0);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"traffic-{theme}-{language}");

        await page.Locator("[data-chart=tools] [data-table]").ClickAsync();
        var rows = await page.Locator("[data-chart=tools] tbody tr").AllInnerTextsAsync();
        Assert.Equal([$"echo|{Echoes}|0", $"no-such|{Fails}|{Fails}"], rows.Select(r => string.Join('|', r.Split('\t', '\n').Take(3))));
        await page.Locator("[data-chart=calls] [data-table]").ClickAsync();
        var steps = await page.Locator("[data-chart=calls] tbody tr").AllInnerTextsAsync();
        Assert.Equal((records.Count - failed, failed), (steps.Sum(s => Number(s, 1)), steps.Sum(s => Number(s, 2))));
        for (var closed = page.Locator("[data-table][aria-pressed=false]"); await closed.CountAsync() > 0;) await closed.First.ClickAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"traffic-tables-{theme}-{language}");

        static int Number(string row, int column) => int.Parse(row.Split('\t', '\n')[column], NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task ClickOnAPoint_OpensItsRecords()
    {
        var load = await LoadAsync();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{load.Slug}/traffic");
        await Expect(page.Locator("[data-sum=calls]")).Not.ToHaveTextAsync("–", new() { Timeout = 15_000 });
        var bars = await page.Locator("[data-chart=calls] .plot svg path[fill='#5147d9']").AllAsync();
        var bar = (await Task.WhenAll(bars.Select(b => b.BoundingBoxAsync()))).MaxBy(b => b!.Height)!;
        await page.Mouse.MoveAsync(bar.X + bar.Width / 2, bar.Y + bar.Height / 2);
        await Expect(page.Locator(".plot-tip:visible").First).ToContainTextAsync("Succeeded");
        await visit.ShootAsync("traffic-tip");
        await page.Mouse.ClickAsync(bar.X + bar.Width / 2, bar.Y + bar.Height / 2);
        await Expect(page).ToHaveURLAsync(new Regex($"/instances/{load.Slug}/access-log\\?from=.*&to=.*&http=POST"));
        var window = Regex.Match(page.Url, "from=([^&]+)&to=([^&]+)");
        Assert.Equal(TimeSpan.FromMinutes(1), When(2) - When(1));
        await Expect(page.Locator("select[aria-label='Time range']")).ToHaveValueAsync("window");
        await page.GetByRole(AriaRole.Button, new() { Name = "Remove the filter POST" }).ClickAsync();
        await Expect(page).Not.ToHaveURLAsync(new Regex("http=POST"));

        await visit.OpenAsync($"/instances/{load.Slug}/traffic?range=15m&live=true");
        await page.Locator("[data-chart=tools] [data-table]").ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "no-such" }).ClickAsync();
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(Fails);

        DateTimeOffset When(int group) => DateTimeOffset.Parse(Uri.UnescapeDataString(window.Groups[group].Value), CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task LiveMode_ShowsCallsThatCome()
    {
        var load = await LoadAsync();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{load.Slug}/traffic");
        await Expect(page.Locator("[data-sum=calls]")).Not.ToHaveTextAsync("–", new() { Timeout = 15_000 });
        var before = int.Parse(await page.Locator("[data-sum=calls]").InnerTextAsync(), CultureInfo.InvariantCulture);
        await page.GetByRole(AriaRole.Button, new() { Name = "Live" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("live=[Tt]rue"));
        await CallAsync(load, "tools/list", null);
        await Expect(page.Locator("[data-sum=calls]")).ToHaveTextAsync($"{before + 1}", new() { Timeout = 15_000 });
    }

    [Fact]
    public async Task EmptyRange_SaysSo_AndNarrowScreensDoNotScroll()
    {
        var slug = await Servers.NewAsync(server, "Quiet", start: false);
        await using var visit = await Visit.StartAsync(server, width: 390, height: 800);
        await visit.OpenAsync($"/instances/{slug}/traffic?range=7d");
        await Expect(visit.Page.Locator(".plot-empty:visible").First).ToHaveTextAsync("No calls in this range", new() { Timeout = 15_000 });
        await visit.CheckNoSidewaysScrollAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("traffic-empty-narrow");
    }

    [Fact]
    public async Task AccessLog_FiltersAndExports()
    {
        var load = await LoadAsync();
        await using var visit = await Visit.StartAsync(server);
        var page = visit.Page;
        await visit.OpenAsync($"/access-log?server={load.Id}");
        var rows = page.Locator("tbody tr");
        await page.GetByLabel("Method", new() { Exact = true }).SelectOptionAsync("tools/call");
        await Expect(rows).ToHaveCountAsync(Echoes + Fails);
        await page.GetByLabel("Result").SelectOptionAsync("error");
        await Expect(rows).ToHaveCountAsync(Fails);
        await page.GetByLabel("Result").SelectOptionAsync("");
        await page.GetByLabel("Tool, exactly").FillAsync("echo");
        await page.Keyboard.PressAsync("Enter");
        await Expect(rows).ToHaveCountAsync(Echoes);
        await page.GetByLabel("Client", new() { Exact = true }).FillAsync("script");
        await page.Keyboard.PressAsync("Enter");
        await Expect(rows).ToHaveCountAsync(Echoes);

        foreach (var (item, lines) in new[] { ("As CSV", Echoes + 1), ("As JSON", Echoes) })
        {
            var choice = page.GetByRole(AriaRole.Menuitem, new() { Name = item });
            await page.GetByRole(AriaRole.Button, new() { Name = "Export" }).ClickAsync();
            await Expect(choice).ToBeVisibleAsync();
            var download = await page.RunAndWaitForDownloadAsync(() => choice.ClickAsync());
            Assert.Equal(lines, (await File.ReadAllLinesAsync(await download.PathAsync(), Cancel)).Length);
            await page.Keyboard.PressAsync("Escape");
            await Expect(choice).ToHaveCountAsync(0);
        }

        await rows.First.GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page.Locator(".details")).ToContainTextAsync("First byte");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync("access-log-detail");
        await page.GetByRole(AriaRole.Link, new() { Name = "Only this trace" }).ClickAsync();
        await Expect(rows).ToHaveCountAsync(2); // the record, and its details that are still open
    }

    [Theory]
    [InlineData("light", "en", "Payloads in the access log")]
    [InlineData("dark", "zh-CN", "访问日志中的载荷")]
    public async Task Payloads_SwitchedOn_StandInTheRecord_WithoutSecrets(string theme, string language, string title)
    {
        var load = await LoadAsync();
        await using var visit = await Visit.StartAsync(server, theme: theme, language: language);
        var page = visit.Page;
        await visit.OpenAsync($"/instances/{load.Slug}/configuration");
        var card = page.GetByRole(AriaRole.Region, new() { Name = title });
        await card.GetByRole(AriaRole.Checkbox).CheckAsync();
        await page.Locator("#capture-redact").FillAsync("text");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"capture-{theme}-{language}");
        await card.GetByRole(AriaRole.Button).ClickAsync();
        await ConsoleServer.UntilAsync("it is switched on", async () =>
            (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{load.Slug}", Cancel)).GetProperty("traffic").GetProperty("capture").ValueKind == JsonValueKind.Object, TimeSpan.FromSeconds(10));
        var session = await CallAsync(load, "initialize", """{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"script","version":"1"}}""");
        await CallAsync(load, "tools/call", """{"name":"echo","arguments":{"text":"personal","password":"hunter2","n":4711}}""", session);
        await ConsoleServer.UntilAsync("the call is recorded", async () =>
            (await server.Api.GetFromJsonAsync<JsonElement>($"access-logs?instance={load.Id}&method=tools/call&limit=1", Cancel)).GetProperty("items")[0].GetProperty("hasPayload").GetBoolean(), TimeSpan.FromSeconds(10));

        await visit.OpenAsync($"/instances/{load.Slug}/access-log?method=tools%2Fcall");
        await page.Locator("tbody tr").First.GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page.Locator(".payloads")).ToContainTextAsync("4711");
        await Expect(page.Locator(".payloads")).ToContainTextAsync("\"password\":\"***\"");
        await Expect(page.Locator(".payloads")).Not.ToContainTextAsync("hunter2");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"payloads-{theme}-{language}");
    }

    /// <summary>A running server and calls whose number is known.</summary>
    private async Task<Load> LoadAsync()
    {
        var slug = await Servers.NewAsync(server, "Busy", start: true);
        var id = (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel)).GetProperty("id").GetString()!;
        using var answer = await server.Api.PostAsJsonAsync("tokens", new { name = $"load {slug}", instances = new[] { id } }, Cancel);
        var token = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("value").GetString()!;
        var load = new Load(slug, id, token);
        await ConsoleServer.UntilAsync("it runs", async () => (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel)).GetProperty("status").GetProperty("state").GetString() == "Running", TimeSpan.FromSeconds(60));

        var session = await CallAsync(load, "initialize", """{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"script","version":"1"}}""");
        for (var i = 0; i < Echoes; i++) await CallAsync(load, "tools/call", """{"name":"echo","arguments":{"text":"hi"}}""", session);
        for (var i = 0; i < Fails; i++) await CallAsync(load, "tools/call", """{"name":"no-such","arguments":{}}""", session);
        for (var i = 0; i < Lists; i++) await CallAsync(load, "tools/list", "{}", session);
        for (var i = 0; i < Refused; i++) await CallAsync(load with { Token = "mct_wrong" }, "tools/list", "{}");
        await ConsoleServer.UntilAsync("the calls are recorded", async () =>
            (await server.Api.GetFromJsonAsync<JsonElement>($"access-logs?instance={id}&httpMethod=POST&limit=1", Cancel)).GetProperty("total").GetInt32() >= 1 + Echoes + Fails + Lists + Refused, TimeSpan.FromSeconds(20));
        return load;
    }

    private async Task<string?> CallAsync(Load load, string method, string? parameters, string? session = null)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{server.Url}/mcp-gateway/{load.Slug}/mcp");
        request.Content = new StringContent($$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}","params":{{parameters ?? "{}"}}}""", Encoding.UTF8, "application/json");
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", load.Token);
        if (session is not null) request.Headers.Add("Mcp-Session-Id", session);
        using var answer = await client.SendAsync(request, Cancel);
        await answer.Content.ReadAsStringAsync(Cancel);
        return answer.Headers.TryGetValues("Mcp-Session-Id", out var values) ? values.Single() : session;
    }
}
