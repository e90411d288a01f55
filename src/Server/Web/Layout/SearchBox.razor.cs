using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Web.Theme;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;

namespace McpCan.Server.Web.Layout;

/// <summary>Finds pages and servers by name, from every page (Ctrl K).</summary>
public sealed partial class SearchBox
{
    private const int MostServers = 8;
    private List<Hit> _found = [];
    private string _text = "";
    private bool _open;
    private int _at;
    private int _focus;

    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Parameter, EditorRequired] public ClaimsPrincipal User { get; set; } = new();

    private async Task SearchAsync()
    {
        var text = _text.Trim();
        _open = text.Length > 0;
        _at = 0;
        _found = [.. NavItems.Pages
            .Where(p => User.May(p.Policy) && L[p.Text].Value.Contains(text, StringComparison.CurrentCultureIgnoreCase))
            .Select(p => new Hit(L[p.Text], L["search-pages"], p.Icon, p.Href))];
        if (!_open) return;
        try
        {
            var servers = await Manager.ListAsync(new InstanceQuery(new PageQuery(Search: text, Limit: MostServers)), i => new Hit(i.Name, L["search-server"], Lucide.Server, $"instances/{i.Slug}"), CancellationToken.None);
            if (text == _text.Trim()) _found = [.. servers.Items, .. _found];
        }
        catch (ProblemException)
        {
            // The pages are still found.
        }
    }

    private void Key(KeyboardEventArgs e)
    {
        if (e.Key == "Escape") _open = false;
        else if (e.Key == "ArrowDown" && _at < _found.Count - 1) _at++;
        else if (e.Key == "ArrowUp" && _at > 0) _at--;
        else if (e.Key == "Enter" && _open && _at < _found.Count) Go(_found[_at]);
    }

    private void Go(Hit hit)
    {
        _open = false;
        _text = "";
        Navigation.NavigateTo(hit.Href);
    }

    private async Task LeaveLater()
    {
        var before = ++_focus;
        await Task.Delay(200);
        if (_focus == before) _open = false;
    }

    private sealed record Hit(string Text, string Kind, string Icon, string Href);
}
