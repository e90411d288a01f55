using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Instances;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;

namespace McpCan.Server.Web.Parts;

/// <summary>A page that shows instances as they are: loads again when one changes, and now and then for what changes by itself.</summary>
public abstract class LivePage : ComponentBase, IDisposable
{
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(15);
    private readonly CancellationTokenSource _gone = new();
    private IDisposable? _subscription;
    private int _pending;

    protected LivePage() => Gone = _gone.Token;

    [Inject] protected InstanceFeed Feed { get; set; } = default!;
    [Inject] protected Toasts Toasts { get; set; } = default!;
    [CascadingParameter] private Task<AuthenticationState> Authentication { get; set; } = default!;

    protected ClaimsPrincipal User { get; private set; } = new();
    protected bool MayOperate => User.May(Policies.Operate);
    protected bool Loaded { get; private set; }
    protected string? Problem { get; private set; }
    /// <summary>Cancelled when the person leaves the page.</summary>
    protected CancellationToken Gone { get; }
    /// <summary>Id of the one instance of interest; null for all.</summary>
    protected virtual string? Watched => null;

    protected abstract Task LoadAsync();

    protected override async Task OnInitializedAsync()
    {
        User = (await Authentication).User;
        _subscription = Feed.Subscribe(Changed);
        await ReloadAsync();
        _ = TickAsync();
    }

    protected async Task ReloadAsync()
    {
        try
        {
            await LoadAsync();
            (Loaded, Problem) = (true, null);
        }
        catch (OperationCanceledException)
        {
            // Left meanwhile.
        }
        catch (Exception e)
        {
            Problem = Toasts.Explain(e);
        }
    }

    private void Changed(string instanceId)
    {
        if (Watched is not null && Watched != instanceId) return;
        if (Interlocked.Exchange(ref _pending, 1) == 1 || _gone.IsCancellationRequested) return;
        _ = InvokeAsync(RefreshAsync);
    }

    private async Task RefreshAsync()
    {
        await Task.Delay(Gather);
        Interlocked.Exchange(ref _pending, 0);
        if (_gone.IsCancellationRequested) return;
        await ReloadAsync();
        StateHasChanged();
    }

    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(Again);
        try
        {
            while (await timer.WaitForNextTickAsync(Gone)) Changed(Watched ?? "");
        }
        catch (OperationCanceledException)
        {
            // Left.
        }
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        _subscription?.Dispose();
        _gone.Cancel();
        _gone.Dispose();
    }
}
