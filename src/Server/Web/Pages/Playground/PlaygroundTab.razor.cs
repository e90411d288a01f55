using System.Globalization;
using System.Security.Claims;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using MudBlazor;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>Tools, resources and prompts of one server, tried out through the gateway. Nothing runs before a person says so.</summary>
public sealed partial class PlaygroundTab : IAsyncDisposable
{
    private const int MostPast = 50;
    private const int MostSaved = 50;
    private static readonly string[] Views = ["rendered", "json", "protocol"];
    private static readonly JsonSerializerOptions Plain = new(JsonSerializerDefaults.Web);
    private readonly List<PastCall> _past = [];
    private readonly List<Ask> _asks = [];
    private readonly PlaygroundConnection _connection = new();
    private List<Offer>? _offers;
    private List<SavedCall> _saved = [];
    private Offer? _offer;
    private Offer? _ran;
    private FormField? _form;
    private bool _json;
    private string _jsonText = "";
    private string? _jsonFault;
    private string _view = "rendered";
    private int _seconds = PlaygroundEndpoints.UsualSeconds;
    private CancellationTokenSource? _running;
    private PlaygroundProgress? _progress;
    private PlaygroundOutcome? _outcome;
    private IReadOnlyList<PlaygroundFrame> _frames = [];
    private long _resultSize;
    private string? _problem;
    private bool _changed;
    private bool _loading;
    private DateTimeOffset _since;
    private ElementReference _root;
    private ElementScript? _script;
    private bool _attached;

    [Parameter, EditorRequired] public Instance Instance { get; set; } = default!;
    [Parameter] public bool MayOperate { get; set; }
    [Parameter] public ClaimsPrincipal User { get; set; } = new();
    [SupplyParameterFromQuery(Name = "kind")] private string? Kind { get; set; }
    [SupplyParameterFromQuery(Name = "item")] private string? Item { get; set; }
    [Inject] private PlaygroundSessions Playgrounds { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;
    [Inject] private AddressQuery Query { get; set; } = default!;
    [Inject] private PublicAddress Address { get; set; } = default!;
    [Inject] private IDialogService Dialogs { get; set; } = default!;
    [Inject] private IJSRuntime Js { get; set; } = default!;
    [Inject] private Browser Browser { get; set; } = default!;
    [Inject] private Toasts Toasts { get; set; } = default!;

    private string CurrentKind => Kind is Offer.Resources or Offer.Prompts or Offer.Templates ? Kind : Offer.Tools;

    private static string Pressed(bool on) => on ? "true" : "false";

    protected override async Task OnParametersSetAsync()
    {
        var fresh = _since != Instance.Status.Since;
        _since = Instance.Status.Since;
        if (fresh)
        {
            // Another run, another session.
            await _connection.CloseAsync();
            if (PlaygroundSessions.Obstacle(Instance) is null) await LoadAsync();
        }
        Select();
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (_attached) return;
        _attached = true;
        _script = new(Js);
        await _script.ImportAsync("./js/playground.js");
        await _script.CallAsync<object>("attach", _root);
        _saved = ReadSaved(await _script.CallAsync<string>("load", SavedKey));
        StateHasChanged();
    }

    private async Task LoadAsync()
    {
        if (_loading) return;
        (_loading, _problem) = (true, null);
        try
        {
            var session = await SessionAsync(CancellationToken.None);
            var offers = new List<Offer>();
            await AddAsync("tools/list", Offer.Tool);
            await AddAsync("resources/list", Offer.Resource);
            await AddAsync("resources/templates/list", Offer.Template);
            await AddAsync("prompts/list", Offer.Prompt);
            (_offers, _changed) = (offers, false);
            if (_offer is { } before && _offers.Find(o => o.Kind == before.Kind && o.Name == before.Name) is { } again && !JsonNode.DeepEquals(before.Source, again.Source)) _offer = null;
            Select();

            async Task AddAsync(string method, Func<JsonObject, Offer> read) => offers.AddRange((await session.ListAsync(method, CancellationToken.None)).OfType<JsonObject>().Select(read));
        }
        catch (Exception e)
        {
            await _connection.CloseAsync();
            _problem = Toasts.Explain(e);
        }
        finally
        {
            _loading = false;
        }
    }

    private Task<PlaygroundSession> SessionAsync(CancellationToken cancellationToken) =>
        _connection.GetAsync(c => Playgrounds.OpenAsync(Instance, User.Actor(), new PlaygroundListener(AskAsync, Progressed, ListChanged), c), cancellationToken);

    /// <summary>What the address names, else the first of its kind.</summary>
    private void Select()
    {
        var wanted = _offers?.Find(o => o.Kind == CurrentKind && o.Name == Item) ?? (Item is null ? _offers?.Find(o => o.Kind == CurrentKind) : null);
        if (wanted is not null && wanted.Kind == _offer?.Kind && wanted.Name == _offer.Name) return;
        _offer = wanted;
        Reset();
    }

    private void ChooseKind(string kind) => Go(kind, null);

    private void Choose(Offer offer) => Go(offer.Kind, offer.Name);

    private void Go(string kind, string? item) => Query.Set(("kind", kind == Offer.Tools ? null : kind), ("item", item));

    private void Reset()
    {
        _form = _offer is null ? null : FormField.Of(_offer.Schema, "arg");
        (_json, _jsonFault) = (_form?.Node.Kind == SchemaKind.Json, null);
        _jsonText = FormField.ToText(_form?.Value);
    }

    private void ToJson()
    {
        if (_json) return;
        (_jsonText, _jsonFault, _json) = (FormField.ToText(_form!.Value), null, true);
    }

    private void ToForm()
    {
        if (_json && _jsonFault is null && ReadJson() is not null && _form!.Node.Kind != SchemaKind.Json) _json = false;
    }

    private void EnterJson(string? text)
    {
        _jsonText = text ?? "";
        if (ReadJson() is { } value) _form!.Write(value);
    }

    private JsonObject? ReadJson()
    {
        try
        {
            _jsonFault = null;
            if (JsonNode.Parse(_jsonText) is JsonObject value) return value;
            _jsonFault = L["error-object"];
        }
        catch (JsonException e)
        {
            _jsonFault = L["error-json-at", (e.LineNumber ?? 0) + 1, (e.BytePositionInLine ?? 0) + 1];
        }
        return null;
    }

    private async Task RunAsync()
    {
        if (_offer is not { } offer || _running is not null || !MayOperate) return;
        JsonObject? arguments;
        if (_json) arguments = ReadJson();
        else arguments = _form!.Check() ? _form.Value as JsonObject : null;
        if (arguments is null)
        {
            StateHasChanged();
            await Task.Yield();
            await Browser.FocusFirstInvalidAsync();
            return;
        }
        if (offer.Destructive && !await Dialogs.ConfirmAsync(L["destructive-title", offer.Name], L["destructive-text"], L["run-tools"])) return;
        await CallAsync(offer, (JsonObject)arguments.DeepClone());
    }

    private async Task CallAsync(Offer offer, JsonObject arguments)
    {
        using var running = new CancellationTokenSource();
        (_running, _ran, _progress, _problem, _outcome) = (running, offer, null, null, null);
        StateHasChanged();
        try
        {
            var session = await SessionAsync(running.Token);
            var (method, parameters) = offer.Request(arguments);
            _outcome = await session.CallAsync(method, parameters, TimeSpan.FromSeconds(_seconds), running.Token);
            _frames = session.Frames.Since(_outcome.StartedAt);
            _resultSize = Encoding.UTF8.GetByteCount((_outcome.Result ?? _outcome.Error)?.ToJsonString() ?? "");
            _past.Insert(0, new PastCall(offer.Kind, offer.Name, arguments, _outcome.Ok, _outcome.DurationMs, _outcome.StartedAt));
            if (_past.Count > MostPast) _past.RemoveAt(MostPast);
        }
        catch (OperationCanceledException)
        {
            _problem = L["cancelled"];
        }
        catch (Exception e)
        {
            await _connection.CloseAsync();
            _problem = Toasts.Explain(e);
        }
        finally
        {
            _running = null;
            foreach (var ask in _asks) ask.Answer.TrySetCanceled();
            _asks.Clear();
        }
    }

    private void Cancel() => _running?.Cancel();

    private void SetTimeout(string? text) => _seconds = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? Math.Clamp(seconds, 1, PlaygroundEndpoints.LongestSeconds) : _seconds;

    private async Task<JsonNode> AskAsync(string method, JsonObject parameters, CancellationToken cancellationToken)
    {
        var ask = new Ask(method, parameters);
        await InvokeAsync(() =>
        {
            if (_running is null || _asks.Count >= 10) ask.Answer.TrySetCanceled(CancellationToken.None);
            else _asks.Add(ask);
            StateHasChanged();
        });
        using var gone = cancellationToken.Register(() => ask.Answer.TrySetCanceled(cancellationToken));
        try
        {
            return await ask.Answer.Task;
        }
        finally
        {
            await InvokeAsync(() =>
            {
                _asks.Remove(ask);
                StateHasChanged();
            });
        }
    }

    private void Answered(Ask ask, JsonNode answer) => ask.Answer.TrySetResult(answer);

    private void Progressed(PlaygroundProgress progress) => _ = InvokeAsync(() =>
    {
        _progress = progress;
        StateHasChanged();
    });

    private void ListChanged() => _ = InvokeAsync(() =>
    {
        _changed = true;
        StateHasChanged();
    });

    private async Task AgainAsync(PastCall call)
    {
        if (Put(call.Kind, call.Name, call.Arguments)) await RunAsync();
    }

    private void OpenSavedAsync(SavedCall call) => Put(call.Kind, call.Name, call.Arguments);

    /// <summary>Into the form; false when the server offers it no more.</summary>
    private bool Put(string kind, string name, JsonObject arguments)
    {
        if (_offers?.Find(o => o.Kind == kind && o.Name == name) is not { } offer)
        {
            Toasts.Failed(L["gone", name]);
            return false;
        }
        _offer = offer;
        Reset();
        _form!.Write(arguments);
        _jsonText = FormField.ToText(arguments);
        Choose(offer);
        return true;
    }

    private JsonObject Arguments() => (_json ? ReadJson() : _form?.Value as JsonObject) ?? [];

    private string SavedKey => $"mcpcan-saved-{User.Id()}-{Instance.Id}";

    private async Task SaveAsync()
    {
        var offer = _offer!;
        var same = _saved.Count(s => s.Kind == offer.Kind && s.Name == offer.Name);
        _saved.Insert(0, new SavedCall(same == 0 ? offer.Name : string.Create(CultureInfo.InvariantCulture, $"{offer.Name} ({same + 1})"), offer.Kind, offer.Name, (JsonObject)Arguments().DeepClone()));
        if (_saved.Count > MostSaved) _saved.RemoveAt(MostSaved);
        await StoreAsync();
        Toasts.Done(L["saved-done"]);
    }

    private async Task RemoveSavedAsync(SavedCall call)
    {
        _saved.Remove(call);
        await StoreAsync();
    }

    private async Task StoreAsync() => await _script!.CallAsync<object>("store", SavedKey, JsonSerializer.Serialize(_saved, Plain));

    private static List<SavedCall> ReadSaved(string? text)
    {
        try
        {
            return text is null ? [] : [.. (JsonSerializer.Deserialize<List<SavedCall>>(text, Plain) ?? []).Where(s => s is { Name: not null, Kind: not null, Arguments: not null }).Take(MostSaved)];
        }
        catch (JsonException)
        {
            return []; // changed by hand
        }
    }

    private async Task CopyCurlAsync()
    {
        var body = new JsonObject { ["arguments"] = Arguments().DeepClone() }.ToJsonString().Replace("'", "'\\''", StringComparison.Ordinal);
        var text = $"curl -X POST '{Address.Of(Navigation.BaseUri)}/api/v1/instances/{Instance.Slug}/tools/{Uri.EscapeDataString(_offer!.Name)}/call' \\\n"
            + $"  -H \"Authorization: Bearer $MCPCAN_API_KEY\" -H 'Content-Type: application/json' \\\n  -d '{body}'";
        if (await Browser.CopyAsync(text)) Toasts.Done(L["curl-copied"]);
        else Toasts.Failed(L["copy-failed"]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_running is { } running) await running.CancelAsync();
        await _connection.DisposeAsync();
        if (_script is not null) await _script.DisposeAsync();
    }
}
