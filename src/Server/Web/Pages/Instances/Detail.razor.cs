using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace McpCan.Server.Web.Pages.Instances;

/// <summary>One server; the tab stands in the address.</summary>
public sealed partial class Detail
{
    private Instance? _instance;
    private Dictionary<string, string> _packages = [];
    private bool _busy;

    [Parameter] public string Id { get; set; } = "";
    [Parameter] public string? Tab { get; set; }
    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Inject] private PackageManager PackageManager { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;
    [Inject] private IDialogService Dialogs { get; set; } = default!;

    protected override string? Watched => _instance?.Id;

    private string Current => Tab is not null && Tabs.Contains(Tab) ? Tab : "overview";

    // What does not apply to the mode is absent: a remote server has no log here.
    private string[] Tabs => _instance?.Mode switch
    {
        "managed" => [
            "overview", "tools", "logs", "traffic", "tokens", "access-log",
            .. _instance.Source is PackageCodeSource ? new[] { "versions" } : [], "configuration", .. User.May(Policies.Terminal) ? new[] { "terminal" } : [], "events",
        ],
        "proxy" or "virtual" => ["overview", "tools", "traffic", "tokens", "access-log", "configuration", "events"],
        _ => ["overview", "configuration", "events"],
    };

    protected override async Task OnParametersSetAsync()
    {
        if (Loaded && _instance?.Slug != Id && _instance?.Id != Id) await ReloadAsync();
    }

    protected override async Task LoadAsync()
    {
        _instance = await Manager.FindAsync(Id, Gone);
        if (_instance is null)
        {
            // Deleted while it was open, or never there.
            Navigation.NavigateTo(Loaded ? "instances" : "not-found", forceLoad: !Loaded, replace: true);
            return;
        }
        _packages = await PackageManager.NamesAsync(Gone);
    }

    private string Href(string tab) => tab == "overview" ? $"instances/{Id}" : $"instances/{Id}/{tab}";

    private async Task DoAsync(Func<string, string, CancellationToken, Task> action)
    {
        _busy = true;
        await Toasts.TryAsync(() => action(_instance!.Id, User.Actor(), CancellationToken.None));
        _busy = false;
    }

    private async Task DeleteAsync()
    {
        if (!await Dialogs.ConfirmAsync(L["delete-title", _instance!.Name], L["delete-text"], L["delete-server"], _instance.Name, L["type-to-confirm", _instance.Name])) return;
        if (await Toasts.TryAsync(() => Manager.DeleteAsync(_instance.Id, User.Actor(), CancellationToken.None)))
        {
            Toasts.Done(L["deleted", _instance.Name]);
            Navigation.NavigateTo("instances");
        }
    }
}
