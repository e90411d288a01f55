using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Routing;
using MudBlazor;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>Four steps to a server; nothing starts before Deploy.</summary>
public sealed partial class AddServer
{
    private readonly Dictionary<string, string> _errors = [];
    private List<Understood> _understood = [];
    private List<Package> _packages = [];
    private IReadOnlyList<Deployed>? _deploying;
    private int _step = 1;
    private bool _busy;
    private string? _problem;

    [Inject] private WizardDraft Draft { get; set; } = default!;
    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Inject] private PackageManager PackageManager { get; set; } = default!;
    [Inject] private EnvironmentMap Environments { get; set; } = default!;
    [Inject] private TokenManager Tokens { get; set; } = default!;
    [Inject] private Toasts Toasts { get; set; } = default!;
    [Inject] private Browser Browser { get; set; } = default!;
    [Inject] private IDialogService Dialogs { get; set; } = default!;
    [Inject] private TimeProvider Time { get; set; } = default!;
    [CascadingParameter] private Task<AuthenticationState> Authentication { get; set; } = default!;
    [SupplyParameterFromQuery(Name = "source")] private string? FromSource { get; set; }
    [SupplyParameterFromQuery(Name = "package")] private string? FromPackage { get; set; }

    protected override async Task OnInitializedAsync()
    {
        await LoadPackagesAsync();
        if (FromSource is "registry" or "command" or "package" or "image" or "remote" or "json") (Draft.Source, _step) = (FromSource, 2);
        if (_packages.FirstOrDefault(p => p.Id == FromPackage) is { } package)
        {
            (Draft.Source, Draft.PackageId, Draft.PackageVersion, _step) = ("package", package.Id, null, 2);
            Draft.SuggestName(package.Name);
        }
    }

    private async Task LoadPackagesAsync() => await Toasts.TryAsync(async () => _packages = await PackageManager.AllAsync(CancellationToken.None));

    private void SetUnderstood(List<Understood> understood) => _understood = understood;

    private async Task GoTo(int step)
    {
        (_step, _problem) = (step, null);
        _errors.Clear();
        StateHasChanged();
        await Task.Yield();
        await Browser.FocusAsync("#step-head");
    }

    private async Task ContinueAsync()
    {
        _errors.Clear();
        _problem = null;
        if (_step == 2) CheckWhat();
        if (_step == 3) CheckAccess();
        if (_errors.Count == 0)
        {
            await GoTo(_step + 1);
            return;
        }
        StateHasChanged();
        await Task.Yield();
        await Browser.FocusFirstInvalidAsync();
    }

    private void CheckWhat()
    {
        if (Draft.Source == "json")
        {
            if (!_understood.Any(u => u.Chosen)) _errors["json"] = L["error-json-none"];
            return;
        }
        if (Draft.Source == "remote" && RemoteUrl.Fault(Draft.Remote.Url) is not null) _errors["url"] = R["error-url"];
        if (Draft.Source == "remote" && Draft.Remote.Headers.Find(h => h.Name.Length > 0 && !EnvText.IsHeaderName(h.Name)) is { } header) _errors["env"] = R["header-bad-name", header.Name];
        if (string.IsNullOrWhiteSpace(Draft.Name)) _errors["name"] = L["error-required"];
        if (Draft.Source == "registry" && string.IsNullOrWhiteSpace(Draft.Package)) _errors["package"] = L["error-required"];
        if (Draft.Source == "registry" && CommandText.Split(Draft.Arguments ?? "") is null) _errors["arguments"] = L["error-quote"];
        if (Draft.Source == "command") _errors.AddIf("command", CommandText.Split(Draft.CommandLine ?? "") switch { null => L["error-quote"].Value, [] => L["error-required"].Value, _ => null });
        if (Draft.Source == "image") Draft.Image.Check(_errors, L);
        if (Draft.Source == "package")
        {
            var package = _packages.FirstOrDefault(p => p.Id == Draft.PackageId);
            var version = package?.Versions.OrderBy(v => v.Version).LastOrDefault(v => Draft.PackageVersion is null || v.Version == Draft.PackageVersion);
            if (package is null) _errors["package"] = L["error-no-package"];
            else if (string.IsNullOrWhiteSpace(Draft.Start) && version?.Detected.Start is null) _errors["start"] = L["error-no-start"];
            foreach (var parameter in version?.Detected.Parameters ?? [])
                if (parameter.Required && Draft.Parameters.Find(p => p.Name == parameter.Variable) is not { Value.Length: > 0 }) _errors[$"parameter-{parameter.Key}"] = L["error-required"];
            if (CommandText.Split(Draft.Start ?? "") is null) _errors["start"] = L["error-quote"];
            if (CommandText.Split(Draft.Install ?? "") is null) _errors["install"] = L["error-quote"];
        }
        foreach (var entry in Draft.Env.Where(e => e.Name.Length > 0 && !EnvText.IsName(e.Name))) _errors["env"] = L["env-bad-name", entry.Name];
    }

    private void CheckAccess()
    {
        if (Draft is { FirstToken: true, IsServed: true } && string.IsNullOrWhiteSpace(Draft.TokenName)) _errors["token-name"] = L["error-required"];
        if (Draft.Mode == InstanceModes.Managed) Draft.Place.Check(Environments, _errors, L);
    }

    private async Task DeployAsync()
    {
        (_busy, _problem) = (true, null);
        var actor = (await Authentication).User.Actor();
        var made = new List<Deployed>();
        try
        {
            foreach (var input in Plan.Inputs(Draft, _understood, Environments))
            {
                var instance = await Manager.CreateAsync(input, actor, CancellationToken.None);
                made.Add(new Deployed(instance, null));
            }
            if (Draft is { FirstToken: true, IsServed: true } && made.Count > 0)
            {
                var expires = Draft.TokenDays is { } days ? Time.GetUtcNow().AddDays(days) : (DateTimeOffset?)null;
                var (_, value) = await Tokens.CreateAsync(new TokenInput(Draft.TokenName!.Trim(), new InstanceScope(false, [.. made.Select(m => m.Instance.Id)]), expires), actor, CancellationToken.None);
                made = [.. made.Select(m => m with { Token = value })];
            }
        }
        catch (ProblemException problem)
        {
            _problem = problem.Errors is { Count: > 0 } errors ? string.Join(" ", errors.SelectMany(e => e.Value.Select(v => $"{e.Key}: {v}"))) : problem.Message;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _problem = Toasts.Explain(e);
        }
        _busy = false;
        if (made.Count > 0)
        {
            _deploying = made;
            if (_problem is not null) Toasts.Failed(_problem);
            Reset();
        }
    }

    private void StartOver()
    {
        Reset();
        (_step, _problem) = (1, null);
        _errors.Clear();
    }

    private void Reset()
    {
        Draft.Clear();
        _understood = [];
    }

    private async Task AskBeforeLeavingAsync(LocationChangingContext context)
    {
        if (_deploying is null && Draft.Started && !await Dialogs.ConfirmAsync(L["leave-title"], L["leave-text"], L["leave"])) context.PreventNavigation();
    }
}

/// <summary>An entry of pasted JSON, as it was understood.</summary>
public sealed class Understood(ImportedServer server)
{
    public ImportedServer Server { get; } = server;
    public bool Chosen { get; set; } = server.Input is not null;
}

/// <summary>A server that was created, with the token's value when one was made; kept only until the dialog is closed.</summary>
public sealed record Deployed(Instance Instance, string? Token);

internal static class ErrorList
{
    public static void AddIf(this Dictionary<string, string> errors, string key, string? message)
    {
        if (message is not null) errors[key] = message;
    }
}
