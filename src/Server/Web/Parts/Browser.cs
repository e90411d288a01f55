using Microsoft.JSInterop;

namespace McpCan.Server.Web.Parts;

/// <summary>The browser of this circuit: what it says about itself, and the few things asked of it.</summary>
public sealed class Browser(IJSRuntime js) : IAsyncDisposable
{
    private IJSObjectReference? _module;

    /// <summary>Time zone of the person; UTC until the browser has answered.</summary>
    public TimeZoneInfo Zone { get; private set; } = TimeZoneInfo.Utc;
    /// <summary><c>light</c> or <c>dark</c>.</summary>
    public string Theme { get; private set; } = "light";
    /// <summary>Whether single-key shortcuts are on.</summary>
    public bool Shortcuts { get; private set; } = true;

    public async ValueTask<IJSObjectReference> ModuleAsync() => _module ??= await js.InvokeAsync<IJSObjectReference>("import", "./js/app.js");

    public async Task HelloAsync()
    {
        var hello = await (await ModuleAsync()).InvokeAsync<Hello>("hello");
        Theme = hello.Theme;
        Shortcuts = hello.Shortcuts;
        if (TimeZoneInfo.TryFindSystemTimeZoneById(hello.Zone, out var zone)) Zone = zone;
    }

    public async Task<bool> CopyAsync(string text) => await (await ModuleAsync()).InvokeAsync<bool>("copy", text);

    public async Task ReadyAsync() => await (await ModuleAsync()).InvokeVoidAsync("ready");

    public async Task ToggleThemeAsync() => Theme = await (await ModuleAsync()).InvokeAsync<string>("toggleTheme");

    public async Task SetLanguageAsync(string code) => await (await ModuleAsync()).InvokeVoidAsync("setLanguage", code);

    public async Task SetShortcutsAsync(bool on)
    {
        Shortcuts = on;
        await (await ModuleAsync()).InvokeVoidAsync("setShortcuts", on);
    }

    public async Task FocusAsync(string selector) => await (await ModuleAsync()).InvokeAsync<bool>("focus", selector);

    /// <summary>Focuses the page's heading, unless the person types somewhere.</summary>
    public async Task FocusHeadingAsync() => await (await ModuleAsync()).InvokeVoidAsync("focusHeading");

    public async Task FocusFirstInvalidAsync() => await (await ModuleAsync()).InvokeAsync<bool>("focusFirstInvalid");

    public async Task GuardLeavingAsync(bool on) => await (await ModuleAsync()).InvokeVoidAsync("guardLeaving", on);

    /// <summary>The time as the person's clock shows it.</summary>
    public DateTimeOffset Local(DateTimeOffset time) => TimeZoneInfo.ConvertTime(time, Zone);

    public async ValueTask DisposeAsync()
    {
        if (_module is null) return;
        try { await _module.DisposeAsync(); }
        catch (JSDisconnectedException) { /* the browser has gone, and the module with it */ }
    }

    private sealed record Hello(string Zone, string Theme, bool Shortcuts);
}
