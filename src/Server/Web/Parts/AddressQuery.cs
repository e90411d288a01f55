using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;

namespace McpCan.Server.Web.Parts;

/// <summary>
/// Changes the query of the page's address. The browser tells the new address a round trip later;
/// a second change in between builds on the first one, not on the address that is about to be left.
/// </summary>
public sealed class AddressQuery : IDisposable
{
    private readonly NavigationManager _navigation;
    private readonly List<string> _underWay = [];

    public AddressQuery(NavigationManager navigation)
    {
        _navigation = navigation;
        _navigation.LocationChanged += Arrived;
    }

    /// <summary>Sets query parameters in place of the current entry of the history; null removes one, what is not named stays.</summary>
    public void Set(params IEnumerable<(string Name, string? Value)> parameters)
    {
        var now = _underWay.LastOrDefault() ?? _navigation.Uri;
        var next = _navigation.GetUriWithQueryParameters(now, parameters.ToDictionary(p => p.Name, p => (object?)(string.IsNullOrWhiteSpace(p.Value) ? null : p.Value)));
        if (next == now) return;
        _underWay.Add(next);
        _navigation.NavigateTo(next, replace: true);
    }

    public void Dispose() => _navigation.LocationChanged -= Arrived;

    private void Arrived(object? sender, LocationChangedEventArgs e)
    {
        // Somewhere else by a link: what was under way is of no use any more.
        var arrived = _underWay.IndexOf(e.Location);
        _underWay.RemoveRange(0, arrived < 0 ? _underWay.Count : arrived + 1);
    }
}
