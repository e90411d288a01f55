using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Traffic;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace McpCan.Server.Web.Pages.Instances;

/// <summary>All servers, live.</summary>
public sealed partial class List
{
    private static readonly string[] States = [InstanceStates.Running, InstanceStates.Starting, InstanceStates.Degraded, InstanceStates.Failed, InstanceStates.Sleeping, InstanceStates.Stopped, InstanceStates.Registered];
    private readonly HashSet<string> _chosen = [];
    private IReadOnlyList<Instance> _all = [];
    private Dictionary<string, string> _packages = [];
    private IReadOnlyDictionary<string, TrafficSummary> _traffic = new Dictionary<string, TrafficSummary>();
    private long _calls;
    private long _errors;

    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Inject] private PackageManager PackageManager { get; set; } = default!;
    [Inject] private TrafficWindow Traffic { get; set; } = default!;
    [Inject] private AddressQuery Query { get; set; } = default!;
    [Inject] private IDialogService Dialogs { get; set; } = default!;
    [SupplyParameterFromQuery] private string? Search { get; set; }
    [SupplyParameterFromQuery] private string? Mode { get; set; }
    [SupplyParameterFromQuery] private string? Status { get; set; }
    [SupplyParameterFromQuery] private string? Sort { get; set; }

    // A filter is offered where there is something to choose.
    private string[] Modes => [.. _all.Select(i => i.Mode).Distinct()];

    private string AttentionNote => L["stat-attention-note", _all.Count(i => i.Status.State == InstanceStates.Failed), _all.Count(i => i.Status.State == InstanceStates.Degraded)];

    private List<Instance> Shown
    {
        get
        {
            var search = Search?.Trim() ?? "";
            var shown = _all.Where(i => (string.IsNullOrEmpty(Mode) || i.Mode == Mode) && (string.IsNullOrEmpty(Status) || i.Status.State == Status)
                && (search.Length == 0 || i.Name.Contains(search, StringComparison.CurrentCultureIgnoreCase) || i.Id.Contains(search, StringComparison.Ordinal)
                    || i.Slug.Contains(search, StringComparison.OrdinalIgnoreCase) || InstanceLook.Source(i, _packages).Contains(search, StringComparison.OrdinalIgnoreCase)));
            var down = Sort?.StartsWith('-') == true;
            var sorted = Sort?.TrimStart('-') switch
            {
                "name" => By(shown, i => i.Name, down),
                "tools" => By(shown, i => i.ToolCount ?? -1, down),
                "calls" => By(shown, i => _traffic.GetValueOrDefault(i.Id)?.Calls ?? 0, down),
                "errors" => By(shown, i => Rows.ErrorRate(_traffic.GetValueOrDefault(i.Id)), down),
                "status" => By(shown, i => i.Status.State, down),
                _ => shown.OrderBy(InstanceLook.Rank),
            };
            return [.. sorted.ThenBy(i => i.Name, StringComparer.CurrentCultureIgnoreCase)];
        }
    }

    protected override async Task LoadAsync()
    {
        _all = await Manager.AllAsync(Gone);
        _chosen.IntersectWith(_all.Select(i => i.Id));
        _packages = await PackageManager.NamesAsync(Gone);
        _traffic = Traffic.All().ToDictionary(t => t.InstanceId);
        (_calls, _errors) = (_traffic.Values.Sum(t => t.Calls), _traffic.Values.Sum(t => t.Errors));
    }

    private static IOrderedEnumerable<Instance> By<T>(IEnumerable<Instance> items, Func<Instance, T> key, bool down) => down ? items.OrderByDescending(key) : items.OrderBy(key);

    private void Set(string name, string? value) => Query.Set((name, value));

    private async Task BulkAsync(Func<string, string, CancellationToken, Task> action)
    {
        // A server on file has nothing to start or stop.
        var direct = action == Manager.DeleteAsync ? [] : _all.Where(i => i.Mode == InstanceModes.Direct).Select(i => i.Id).ToHashSet();
        foreach (var id in _chosen.Except(direct).ToList()) await Toasts.TryAsync(() => action(id, User.Actor(), CancellationToken.None));
        _chosen.Clear();
    }

    private async Task BulkDeleteAsync()
    {
        var names = string.Join(", ", _all.Where(i => _chosen.Contains(i.Id)).Select(i => i.Name));
        if (await Dialogs.ConfirmAsync(L["delete-many-title", _chosen.Count], L["delete-many-text", names], S["delete"], L["delete-word"], L["type-to-confirm", L["delete-word"]]))
            await BulkAsync(Manager.DeleteAsync);
    }
}
