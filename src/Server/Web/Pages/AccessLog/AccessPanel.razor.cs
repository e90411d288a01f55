using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Server.Traffic;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Routing;

namespace McpCan.Server.Web.Pages.AccessLog;

/// <summary>Access records of one server or of all.</summary>
public sealed partial class AccessPanel : IDisposable
{
    private const int PerPage = 100;
    private List<AccessLogView>? _entries;
    private Dictionary<string, string> _names = [];
    private Dictionary<string, string> _tokens = [];
    private string? _next;
    private int _loads;
    private string? _problem;
    private ClaimsPrincipal _user = new();

    /// <summary>The one instance; null for all.</summary>
    [Parameter] public string? InstanceId { get; set; }
    [CascadingParameter] private Task<AuthenticationState> Authentication { get; set; } = default!;
    [SupplyParameterFromQuery] private string? Search { get; set; }
    [SupplyParameterFromQuery] private string? Range { get; set; }
    [SupplyParameterFromQuery] private string? From { get; set; }
    [SupplyParameterFromQuery] private string? To { get; set; }
    [SupplyParameterFromQuery] private string? Server { get; set; }
    [SupplyParameterFromQuery] private string? Token { get; set; }
    [SupplyParameterFromQuery] private string? Client { get; set; }
    [SupplyParameterFromQuery] private string? Method { get; set; }
    [SupplyParameterFromQuery] private string? Tool { get; set; }
    [SupplyParameterFromQuery] private string? Result { get; set; }
    [SupplyParameterFromQuery] private string? Session { get; set; }
    [SupplyParameterFromQuery] private string? Trace { get; set; }
    [SupplyParameterFromQuery] private string? Http { get; set; }
    [Inject] private AccessLogReader Reader { get; set; } = default!;
    [Inject] private InstanceManager Instances { get; set; } = default!;
    [Inject] private TokenManager TokenManager { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;
    [Inject] private AddressQuery Query { get; set; } = default!;
    [Inject] private Toasts Toasts { get; set; } = default!;
    [Inject] private TimeProvider Time { get; set; } = default!;

    private AccessFilters Filters => new(Search, Range, From, To, Server, Token, Client, Method, Tool, Result, Session, Trace, Http);
    private string Path => new Uri(Navigation.Uri).GetLeftPart(UriPartial.Path);

    protected override async Task OnInitializedAsync()
    {
        Navigation.LocationChanged += Moved;
        _user = (await Authentication).User;
        await LoadAsync();
    }

    private void Moved(object? sender, LocationChangedEventArgs e) => _ = InvokeAsync(async () =>
    {
        // Parameters come from the address in the same turn, right after this event.
        await Task.Yield();
        if (new Uri(e.Location).AbsolutePath.EndsWith("access-log", StringComparison.Ordinal)) await LoadAsync();
        StateHasChanged();
    });

    private async Task LoadAsync()
    {
        var load = ++_loads;
        try
        {
            if (InstanceId is null) _names = (await Instances.AllAsync(CancellationToken.None)).ToDictionary(i => i.Id, i => i.Name);
            _tokens = (await Lists.AllAsync((page, c) => TokenManager.ListAsync(page, InstanceId, t => t, c), "name", CancellationToken.None)).ToDictionary(t => t.Id, t => t.Name);
            var page = await Reader.ListAsync(Filters.Query(InstanceId, Time.GetUtcNow(), PerPage, null), CancellationToken.None);
            if (load != _loads) return; // the filters were changed meanwhile
            (_entries, _next, _problem) = ([.. page.Items], page.Next, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _problem = Toasts.Explain(e);
        }
    }

    private string Export(string format) => Filters.Export(InstanceId, Time.GetUtcNow(), format);

    private Task MoreAsync() => Toasts.TryAsync(async () =>
    {
        var page = await Reader.ListAsync(Filters.Query(InstanceId, Time.GetUtcNow(), PerPage, _next), CancellationToken.None);
        _entries!.AddRange(page.Items);
        _next = page.Next;
    });

    private void Set(string name, string? value)
    {
        if (name == "range" && value == "window") return;
        Query.Set(name == "range" ? [(name, value), ("from", null), ("to", null)] : [(name, value?.Trim())]);
    }

    public void Dispose() => Navigation.LocationChanged -= Moved;
}
