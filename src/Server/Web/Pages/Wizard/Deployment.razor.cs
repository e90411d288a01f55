using McpCan.Server.Instances;
using McpCan.Server.Runtimes;
using McpCan.Server.Web.Pages.Tokens;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>Progress of what was just deployed: phases, live log, then the token, once.</summary>
public sealed partial class Deployment
{
    private const int Most = 200;
    private readonly CancellationTokenSource _gone = new();
    private readonly List<string> _lines = [];
    private List<Instance> _now = [];
    private IDisposable? _subscription;
    private bool _tokenShown;

    [Parameter, EditorRequired] public IReadOnlyList<Deployed> Started { get; set; } = [];
    [Inject] private Words Words { get; set; } = default!;

    private string[] Phases => Started[0].Instance.Mode switch
    {
        InstanceModes.Proxy => ["initialize", "tools", "running"],
        InstanceModes.Direct => ["registered"],
        _ => ["install", "start", "initialize", "tools", "running"],
    };

    private bool Failed => _now.Count == 1 && _now[0].Status.State == InstanceStates.Failed;

    private int At => _now is not [var instance] ? 0 : instance.Status.State switch
    {
        InstanceStates.Running or InstanceStates.Registered => Phases.Length,
        InstanceStates.Failed => Math.Max(0, Array.IndexOf(Phases, instance.Status.LastExit?.Phase ?? "start")),
        _ => Math.Max(0, Array.IndexOf(Phases, instance.Status.Phase ?? "install")),
    };

    protected override async Task OnInitializedAsync()
    {
        _now = [.. Started.Select(s => s.Instance)];
        _subscription = Feed.Subscribe(id => _ = InvokeAsync(() => LoadAsync(id)));
        foreach (var started in Started) await LoadAsync(started.Instance.Id);
        if (Started is [{ Instance.Mode: InstanceModes.Managed }])
        {
            _ = FollowAsync("install");
            _ = FollowAsync(null);
        }
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (_tokenShown || Started.FirstOrDefault(s => s.Token is not null) is not { Token: { } value } first) return;
        _tokenShown = true;
        await TokenOnce.ShowAsync(Dialogs, L["deploying-one", Started.Count == 1 ? first.Instance.Name : L["servers-count", Started.Count]], value, Started.Count == 1 ? first.Instance : null, L["go-on"]);
        if (Started.Count == 1 && _now is [{ Status.State: InstanceStates.Running } done]) Navigation.NavigateTo($"instances/{done.Slug}");
    }

    private async Task LoadAsync(string id)
    {
        var at = _now.FindIndex(i => i.Id == id);
        if (at < 0 || _gone.IsCancellationRequested) return;
        if (await Manager.FindAsync(id, _gone.Token) is { } instance) _now[at] = instance;
        StateHasChanged();
    }

    private async Task FollowAsync(string? stream)
    {
        try
        {
            if (Environments.Find(Started[0].Instance.Environment) is not { } runtime) return;
            // The log begins with the run; until then there is nothing to follow.
            for (long after = 0; !_gone.IsCancellationRequested && _now[0].Status.State != InstanceStates.Running; await Task.Delay(700, _gone.Token))
            {
                await foreach (var line in runtime.ReadLogsAsync(Started[0].Instance.Id, new LogQuery { After = after, Stream = stream }, _gone.Token))
                {
                    after = line.N;
                    _lines.Add(line.Msg.Length > 500 ? line.Msg[..500] + "…" : line.Msg);
                    if (_lines.Count > Most) _lines.RemoveAt(0);
                }
                await InvokeAsync(StateHasChanged);
            }
        }
        catch (OperationCanceledException)
        {
            // Left.
        }
        catch (IOException)
        {
            // The log was moved away under our hands; the Logs tab has it.
        }
    }

    public async ValueTask DisposeAsync()
    {
        _subscription?.Dispose();
        await _gone.CancelAsync();
        _gone.Dispose();
    }
}
