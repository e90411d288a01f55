using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Server.Traffic;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.WebUtilities;

namespace McpCan.Server.Web.Pages.AccessLog;

/// <summary>Access records of one server or of all.</summary>
public sealed partial class AccessPanel : IDisposable
{
    private const int PerPage = 100;
    private static readonly Dictionary<string, TimeSpan> Ranges = new()
    {
        ["1h"] = TimeSpan.FromHours(1),
        ["24h"] = TimeSpan.FromDays(1),
        ["7d"] = TimeSpan.FromDays(7),
        ["30d"] = TimeSpan.FromDays(30),
    };

    private List<AccessLogView>? _entries;
    private Dictionary<string, string> _names = [];
    private Dictionary<string, string> _tokens = [];
    private string? _next;
    private string? _problem;

    /// <summary>The one instance; null for all.</summary>
    [Parameter] public string? InstanceId { get; set; }
    [SupplyParameterFromQuery(Name = "search")] private string? Tool { get; set; }
    [SupplyParameterFromQuery] private string? Range { get; set; }
    [SupplyParameterFromQuery] private string? Server { get; set; }
    [SupplyParameterFromQuery(Name = "token")] private string? TokenId { get; set; }
    [SupplyParameterFromQuery] private string? Result { get; set; }
    [Inject] private AccessLogReader Reader { get; set; } = default!;
    [Inject] private InstanceManager Instances { get; set; } = default!;
    [Inject] private TokenManager TokenManager { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;
    [Inject] private Toasts Toasts { get; set; } = default!;
    [Inject] private TimeProvider Time { get; set; } = default!;

    private string Path => new Uri(Navigation.Uri).GetLeftPart(UriPartial.Path);
    private bool Filtered => Tool is not null || Range is not null || Server is not null || TokenId is not null || Result is not null;

    protected override async Task OnInitializedAsync()
    {
        Navigation.LocationChanged += Moved;
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
        try
        {
            if (InstanceId is null) _names = (await Instances.AllAsync(CancellationToken.None)).ToDictionary(i => i.Id, i => i.Name);
            _tokens = (await Lists.AllAsync((page, c) => TokenManager.ListAsync(page, InstanceId, t => t, c), "name", CancellationToken.None)).ToDictionary(t => t.Id, t => t.Name);
            var page = await Reader.ListAsync(Query(null), CancellationToken.None);
            (_entries, _next, _problem) = ([.. page.Items], page.Next, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _problem = Toasts.Explain(e);
        }
    }

    private AccessLogQuery Query(string? cursor) => new(InstanceId ?? Server, TokenId, Search: Tool, Status: Result, From: Time.GetUtcNow() - Ranges.GetValueOrDefault(Range ?? "24h", TimeSpan.FromDays(1)), Limit: PerPage, Cursor: cursor);

    private string Export(string format)
    {
        var query = new Dictionary<string, string?> { ["format"] = format, ["instance"] = InstanceId ?? Server, ["token"] = TokenId, ["search"] = Tool, ["status"] = Result, ["from"] = Query(null).From!.Value.ToString("O") };
        return QueryHelpers.AddQueryString("api/v1/access-logs/export", query.Where(q => q.Value is not null).ToDictionary());
    }

    private Task MoreAsync() => Toasts.TryAsync(async () =>
    {
        var page = await Reader.ListAsync(Query(_next), CancellationToken.None);
        _entries!.AddRange(page.Items);
        _next = page.Next;
    });

    private void Set(string name, string? value) =>
        Navigation.NavigateTo(Navigation.GetUriWithQueryParameter(name, string.IsNullOrWhiteSpace(value) ? null : value.Trim()), replace: true);

    public void Dispose() => Navigation.LocationChanged -= Moved;
}
