using Microsoft.AspNetCore.Components;

namespace McpCan.Server.Web.Parts;

/// <summary>
/// Moves the focus to the heading of a page that was gone to, so that a screen reader says it. Unlike
/// <c>FocusOnNavigate</c> it leaves the focus where a person is typing already.
/// </summary>
public sealed class FocusHeading : ComponentBase
{
    private Type? _page;
    private bool _wanted;

    [Inject] private Browser Browser { get; set; } = default!;
    [Parameter, EditorRequired] public Microsoft.AspNetCore.Components.RouteData Route { get; set; } = default!;

    protected override void OnParametersSet()
    {
        _wanted |= _page is not null && _page != Route.PageType;
        _page = Route.PageType;
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!_wanted) return;
        _wanted = false;
        await Browser.FocusHeadingAsync();
    }
}
