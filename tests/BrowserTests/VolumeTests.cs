using System.Net.Http.Json;
using System.Text.Json;

namespace McpCan.BrowserTests;

/// <summary>Volumes of a server, in the wizard, its configuration and on the page of environments.</summary>
public sealed class VolumeTests(ConsoleServer server)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("en", "Display name", "Command", "Continue", "Add volume", "Name or folder of volume 1", "Create {0}", "read only", "Where the server sees volume 1", "Save", "Kind of volume 1", "Restart when files in volume 1 change", "Delete volume {0}")]
    [InlineData("zh-CN", "显示名称", "命令", "继续", "添加存储卷", "存储卷 1 的名称或文件夹", "创建 {0}", "只读", "服务器看到存储卷 1 的位置", "保存", "存储卷 1 的类型", "存储卷 1 中的文件更改时重启", "删除存储卷 {0}")]
    public async Task Volume_IsMadeInTheWizard_ChangedInTheConfiguration_AndDeleted(
        string language, string displayName, string command, string next, string add, string source, string create, string readOnly, string target, string save, string kind, string restart, string delete)
    {
        var name = $"notes-{Guid.NewGuid().ToString("N")[..6]}";
        await using var visit = await Visit.StartAsync(server, theme: language == "en" ? "light" : "dark", language: language);
        var page = visit.Page;
        await visit.OpenAsync("/instances/new?source=command");
        await page.GetByLabel(command, new() { Exact = false }).First.FillAsync("python3 -c 'import time; time.sleep(600)'");
        await page.GetByLabel(displayName, new() { Exact = false }).FillAsync(name);
        await page.GetByRole(AriaRole.Button, new() { Name = next, Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = add }).ClickAsync();
        await page.GetByLabel(source).FillAsync(name);
        await page.GetByLabel(source).BlurAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = string.Format(System.Globalization.CultureInfo.InvariantCulture, create, name) }).ClickAsync();
        await page.GetByLabel(readOnly).CheckAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"wizard-volumes-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = next, Exact = true }).ClickAsync();
        await Expect(page.Locator(".review")).ToContainTextAsync($"{name} → /data (ro)");

        var made = await (await server.Api.PostAsJsonAsync("instances", new
        {
            name,
            start = false,
            source = new { type = "command", command = "true", volumes = new[] { new { kind = "named", source = name, target = "/data" } } },
        }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var slug = made.GetProperty("slug").GetString();
        await visit.OpenAsync($"/instances/{slug}/configuration");
        await Expect(page.GetByLabel(source)).ToHaveValueAsync(name);
        await page.GetByLabel(target).FillAsync("/srv/notes");
        await page.GetByLabel(target).BlurAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"configuration-volumes-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).ClickAsync();
        await ConsoleServer.UntilAsync("the change is stored", async () => (await VolumesAsync(slug))[0].GetProperty("target").GetString() == "/srv/notes", TimeSpan.FromSeconds(20));
        await Expect(page.Locator(".mud-snackbar").First).ToBeVisibleAsync(); // from then on the form is that of what was stored
        await page.GetByLabel(kind).SelectOptionAsync("host");
        await page.GetByLabel(source).FillAsync("/etc");
        await page.GetByLabel(source).BlurAsync();
        await page.GetByLabel(readOnly).CheckAsync();
        await page.GetByLabel(restart).CheckAsync();
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"configuration-restart-on-change-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = save, Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert).Last).ToContainTextAsync("MCPCAN_VOLUME_ROOTS");

        await server.Api.PatchAsJsonAsync($"instances/{slug}", new { source = new { volumes = (object?)null } }, Cancel);
        await visit.OpenAsync("/environments");
        await visit.CheckAccessibilityAsync();
        await visit.ShootAsync($"environment-volumes-{language}");
        await page.GetByRole(AriaRole.Button, new() { Name = string.Format(System.Globalization.CultureInfo.InvariantCulture, delete, name) }).ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button).Last.ClickAsync();
        await Expect(page.Locator("td", new() { HasText = name })).ToHaveCountAsync(0);
    }

    private async Task<JsonElement> VolumesAsync(string? slug) => (await server.Api.GetFromJsonAsync<JsonElement>($"instances/{slug}", Cancel)).GetProperty("source").GetProperty("volumes");
}
