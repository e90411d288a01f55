using System.Security.Claims;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.Components.Web;

namespace McpCan.Server.Web.Layout;

/// <summary>The frame of every interactive page.</summary>
public sealed partial class MainLayout : IDisposable
{
    private ClaimsPrincipal _user = new();
    private ErrorBoundary? _boundary;
    private bool _ready;
    private bool _narrow;
    private bool _drawer;

    [Inject] private Browser Browser { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;
    [CascadingParameter] private Task<AuthenticationState> Authentication { get; set; } = default!;

    // A plain "#main" would be taken relative to <base>, that is as a link to the overview.
    private string SkipHref => Navigation.ToBaseRelativePath(Navigation.Uri).Split('#')[0] + "#main";

    protected override void OnInitialized() => Navigation.LocationChanged += Moved;

    protected override async Task OnParametersSetAsync() => _user = (await Authentication).User;

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!firstRender) return;
        await Browser.HelloAsync();
        _ready = true;
        StateHasChanged();
        await Task.Yield();
        await Browser.ReadyAsync();
    }

    // One button for both: the style sheet shows the drawer under 900 px only.
    private void ToggleNav()
    {
        _narrow = !_narrow;
        _drawer = !_drawer;
    }

    private void Moved(object? sender, LocationChangedEventArgs e) => _boundary?.Recover();

    private void Recover() => _boundary?.Recover();

    public void Dispose() => Navigation.LocationChanged -= Moved;
}
