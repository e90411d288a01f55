using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>An engine is registered, a server from an image runs there, and both are changed and removed.</summary>
public sealed class EnvironmentTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("en", "docker", "can be used", "Usable", "is no host name", "Saved")]
    [InlineData("zh-CN", "podman", "可以使用", "可用", "不是主机名", "已保存")]
    public async Task Engine_IsRegistered_RunsAnImage_AndIsRemoved(string language, string engine, string works, string usable, string wrong, string saved)
    {
        var address = Environment.GetEnvironmentVariable($"TEST_{engine.ToUpperInvariant()}_HOST");
        Assert.SkipWhen(string.IsNullOrEmpty(address), $"No {engine} engine: script/engines starts one where root may.");
        var (place, name) = ($"Engine {engine} {Guid.NewGuid().ToString("N")[..6]}", $"Image {Guid.NewGuid().ToString("N")[..6]}");
        await using var visit = await Visit.StartAsync(server, theme: language == "en" ? "light" : "dark", language: language);
        var page = visit.Page;

        // The engine, tried before it is kept.
        await visit.OpenAsync("/environments");
        await page.Locator("[data-key=n]").ClickAsync();
        await page.Locator("#engine-name").FillAsync(place);
        await page.Locator("#engine-address").FillAsync("unix:///nowhere/engine.sock");
        await page.Locator(".mud-dialog .btn").First.ClickAsync();
        await Expect(page.Locator("#engine-address-error")).ToBeVisibleAsync();
        await page.Locator("#engine-address").FillAsync(address!);
        await page.Locator(".mud-dialog .btn").First.ClickAsync();
        await Expect(page.Locator("[data-engine-check]")).ToContainTextAsync(works, new() { Timeout = 120_000 });
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"engine-dialog-{language}");
        await page.Locator(".mud-dialog .btn.primary").ClickAsync();
        var row = page.Locator("tr", new() { HasText = place });
        await Expect(row.Locator(".status")).ToHaveTextAsync(usable, new() { Timeout = 60_000 });
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"environments-{language}");

        // An image there.
        var id = await EnvironmentAsync(place);
        var images = await server.Api.GetFromJsonAsync<JsonElement>($"environments/{id}/images", Cancel);
        var image = images.EnumerateArray().Single(i => i.GetProperty("isWorkload").GetBoolean()).GetProperty("names")[0].GetString()!;
        var code = Convert.ToBase64String(Encoding.UTF8.GetBytes(await File.ReadAllTextAsync(Path.Combine(ConsoleServer.Root, "tests", "Servers", "echo.py"), Cancel)));
        await visit.OpenAsync("/instances/new?source=image");
        await page.Locator(".wizard .btn.primary").ClickAsync();
        await Expect(page.Locator("#image-error")).ToBeVisibleAsync();
        await page.Locator("#image").FillAsync(image);
        await page.Locator("#entrypoint").FillAsync("python3");
        await page.Locator("#image-arguments").FillAsync($"-u -c \"exec(__import__('base64').b64decode('{code}'))\"");
        await page.Locator("#pull").SelectOptionAsync("never");
        await page.Locator("#name").FillAsync(name);
        await visit.ShootAsync($"wizard-image-{language}");
        await page.Locator(".wizard .btn.primary").ClickAsync();
        await page.Locator("#environment").SelectOptionAsync(new SelectOptionValue { Label = place });
        await page.Locator("#egress").SelectOptionAsync("allow-list");
        await page.Locator("#allow").FillAsync("192.0.2.7:443\n*.example.com");
        await page.Locator(".wizard .btn.primary").ClickAsync();
        await Expect(page.Locator("#allow-error")).ToContainTextAsync(wrong);
        await page.Locator("#allow").FillAsync("192.0.2.7:443");
        await page.Locator("#allow").BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"wizard-place-{language}");
        await page.Locator(".wizard .btn.primary").ClickAsync();
        await Expect(page.Locator(".review")).ToContainTextAsync("192.0.2.7:443");
        await Expect(page.Locator(".wizard aside")).ToContainTextAsync(place);
        await page.Locator(".wizard .btn.primary").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync(new() { Timeout = 30_000 });
        var slug = await SlugAsync(name);
        var instance = await Servers.RunningAsync(server, slug);

        // It is changed: its image and its place stay.
        await visit.OpenAsync($"/instances/{slug}");
        await Expect(page.Locator(".facts").First).ToContainTextAsync(place);
        await visit.ShootAsync($"instance-image-{language}");
        await visit.OpenAsync($"/instances/{slug}/configuration");
        await Expect(page.Locator("#image")).ToHaveValueAsync(image);
        await page.Locator("#egress").SelectOptionAsync("none");
        await Expect(page.Locator("#allow")).ToHaveCountAsync(0);
        await page.Locator("[aria-labelledby=how] .card-foot .btn.primary").ClickAsync();
        await Expect(page.GetByText(saved).First).ToBeVisibleAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"configuration-image-{language}");
        await Servers.RunningAsync(server, slug);
        var now = await server.Api.GetFromJsonAsync<JsonElement>($"instances/{instance}", Cancel);
        Assert.Equal(("none", image, id), (now.GetProperty("egress").GetProperty("mode").GetString(), now.GetProperty("source").GetProperty("image").GetString(), now.GetProperty("environment").GetString()));

        // What the engine holds, and its end.
        await visit.OpenAsync($"/environments/{id}");
        await Expect(page.Locator("table").First).ToContainTextAsync(image);
        await Expect(page.Locator("[aria-labelledby=events]")).ToContainTextAsync(name);
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"engine-{language}");
        await visit.OpenAsync("/environments");
        await RemoveAsync();
        await Expect(page.Locator(".mud-snackbar, .toast, [role=alert]").First).ToContainTextAsync(name);
        (await server.Api.DeleteAsync($"instances/{instance}", Cancel)).Dispose();
        await ConsoleServer.UntilAsync($"{name} is deleted", async () => !(await server.Api.GetAsync($"instances/{instance}", Cancel)).IsSuccessStatusCode, TimeSpan.FromSeconds(60));
        await RemoveAsync();
        await Expect(row).ToHaveCountAsync(0);

        async Task RemoveAsync()
        {
            await row.Locator(".icon-btn").Last.ClickAsync();
            await page.GetByRole(AriaRole.Dialog).Locator(".btn").Last.ClickAsync();
        }
    }

    private async Task<string> EnvironmentAsync(string name) =>
        (await server.Api.GetFromJsonAsync<JsonElement>("environments", Cancel)).GetProperty("items").EnumerateArray().Single(e => e.GetProperty("name").GetString() == name).GetProperty("id").GetString()!;

    private async Task<string> SlugAsync(string name) =>
        (await server.Api.GetFromJsonAsync<JsonElement>($"instances?search={Uri.EscapeDataString(name)}", Cancel)).GetProperty("items")[0].GetProperty("slug").GetString()!;
}
