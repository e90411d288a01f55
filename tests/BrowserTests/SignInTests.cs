using System.Net.Http.Json;
using System.Text.RegularExpressions;

namespace McpCan.BrowserTests;

/// <summary>Who gets in, who may do what, and when it ends.</summary>
public sealed class SignInTests(ConsoleServer server)
{
    [Fact]
    public async Task SignIn_WrongPasswordThenRight_LeadsToTheAskedPage()
    {
        await using var visit = await Visit.StartAsync(server, signedIn: false);
        var page = visit.Page;
        await page.GotoAsync("/tokens");
        await Expect(page).ToHaveURLAsync(new Regex("/login\\?"));
        await SignInAsync(page, "nobody-here", "wrong password");
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("User name or password is wrong");
        await SignInAsync(page, ConsoleServer.UserName, ConsoleServer.Password);
        await visit.ReadyAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Tokens", Level = 1 })).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Account of admin" }).ClickAsync();
        await page.GetByRole(AriaRole.Menuitem, new() { Name = "Sign out" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("/login"));
        await page.GotoAsync("/tokens");
        await Expect(page).ToHaveURLAsync(new Regex("/login\\?"));
    }

    [Fact]
    public async Task Viewer_SeesNoActions_AndIsRefusedByAddress()
    {
        await using var visit = await UserAsync("viewer");
        var page = visit.Page;
        foreach (var path in new[] { "/instances", "/tokens", "/packages" })
        {
            await visit.OpenAsync(path);
            foreach (var action in new[] { "Add server", "Create token", "Choose an archive", "Start", "Stop", "Delete" })
                await Expect(page.GetByText(action, new() { Exact = true })).ToHaveCountAsync(0);
        }
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "API keys" })).ToHaveCountAsync(0);
        visit.Expected.Add(403);
        foreach (var path in new[] { "/instances/new", "/users", "/api-keys" })
        {
            var response = await page.GotoAsync(path);
            Assert.Equal(403, response!.Status);
            await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "No access" })).ToBeVisibleAsync();
        }
    }

    [Fact]
    public async Task OpenPage_WhenItsUserIsDisabled_LosesItsRights()
    {
        await using var visit = await UserAsync("operator");
        await visit.OpenAsync("/instances");
        var name = await visit.Page.Locator(".user-btn .name").InnerTextAsync();
        (await server.Api.PatchAsJsonAsync($"users/{name}", new { disabled = true }, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        await Expect(visit.Page).ToHaveURLAsync(new Regex("/login"), new() { Timeout = 30_000 });
    }

    private async Task<Visit> UserAsync(string role)
    {
        var name = $"{role}-{Guid.NewGuid().ToString("N")[..8]}";
        (await server.Api.PostAsJsonAsync("users", new { userName = name, password = ConsoleServer.Password, role }, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        var visit = await Visit.StartAsync(server, signedIn: false);
        await visit.Page.GotoAsync("/login");
        await SignInAsync(visit.Page, name, ConsoleServer.Password);
        await visit.ReadyAsync();
        return visit;
    }

    private static async Task SignInAsync(IPage page, string name, string password)
    {
        await page.GetByLabel("User name").FillAsync(name);
        await page.GetByLabel("Password", new() { Exact = true }).FillAsync(password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForLoadStateAsync();
    }
}
