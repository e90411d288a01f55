using Microsoft.JSInterop;

namespace McpCan.Server.Web.Parts;

/// <summary>
/// A script that owns what is inside an element of a page. A person who leaves the page while it loads is no failure:
/// what is asked after that is not done, and what the script says about the missing element is not heard.
/// </summary>
public sealed class ElementScript(IJSRuntime js) : IAsyncDisposable
{
    private IJSObjectReference? _module;
    private IJSObjectReference? _view;
    private bool _gone;

    /// <summary>Whether <see cref="MountAsync"/> is done and the page is still there.</summary>
    public bool IsMounted => _view is not null && !_gone;

    public async Task ImportAsync(string path)
    {
        var module = await UnlessGoneAsync(() => js.InvokeAsync<IJSObjectReference>("import", path));
        if (_gone) await EndAsync(module);
        else _module = module;
    }

    /// <summary>Imports a module and calls its <c>mount</c>, whose result has a <c>dispose</c>.</summary>
    public async Task MountAsync(string path, params object?[] args)
    {
        await ImportAsync(path);
        if (_module is not { } module) return;
        var view = await UnlessGoneAsync(() => module.InvokeAsync<IJSObjectReference>("mount", args));
        if (_gone) await EndAsync(view, dispose: true);
        else _view = view;
    }

    /// <summary>Calls what <c>mount</c> gave back.</summary>
    public async Task TellAsync(string method, params object?[] args)
    {
        if (_view is { } view) await UnlessGoneAsync(async () => { await view.InvokeVoidAsync(method, args); return true; });
    }

    /// <summary>Calls a function of the module; nothing when the page is left.</summary>
    public async Task<T?> CallAsync<T>(string function, params object?[] args) =>
        _module is { } module ? await UnlessGoneAsync(() => module.InvokeAsync<T?>(function, args)) : default;

    public async ValueTask DisposeAsync()
    {
        if (_gone) return;
        _gone = true;
        await EndAsync(_view, dispose: true);
        await EndAsync(_module);
    }

    private async Task<T?> UnlessGoneAsync<T>(Func<ValueTask<T>> ask)
    {
        if (_gone) return default;
        try
        {
            return await ask();
        }
        catch (Exception e) when (e is JSDisconnectedException || (_gone && e is JSException or OperationCanceledException or ObjectDisposedException))
        {
            return default;
        }
    }

    private static async Task EndAsync(IJSObjectReference? part, bool dispose = false)
    {
        if (part is null) return;
        try
        {
            if (dispose) await part.InvokeVoidAsync("dispose");
            await part.DisposeAsync();
        }
        catch (Exception e) when (e is JSDisconnectedException or OperationCanceledException)
        {
            // The browser has gone, and the script with it.
        }
    }
}
