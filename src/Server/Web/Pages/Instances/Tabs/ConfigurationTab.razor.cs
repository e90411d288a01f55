using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;
using McpCan.Server.Web.Pages.Wizard;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;

namespace McpCan.Server.Web.Pages.Instances.Tabs;

/// <summary>Everything that can be changed about a server. Secrets are write-only: an empty field keeps what is stored.</summary>
public sealed partial class ConfigurationTab
{
    private readonly Dictionary<string, string> _errors = [];
    private List<PackageVersion> _versions = [];
    private Form _form = new();
    private DateTimeOffset? _asOf;
    // The revision that the form shows; the page may still have an older one in its hands.
    private long _revision;
    private bool _busy;
    private string? _problem;

    [Parameter, EditorRequired] public Instance Instance { get; set; } = default!;
    [Parameter] public bool MayOperate { get; set; }
    [Parameter] public ClaimsPrincipal User { get; set; } = new();
    [Parameter] public IReadOnlyDictionary<string, string> Packages { get; set; } = new Dictionary<string, string>();
    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Inject] private EnvironmentMap Environments { get; set; } = default!;
    [Inject] private PackageManager PackageManager { get; set; } = default!;
    [Inject] private Toasts Toasts { get; set; } = default!;
    [Inject] private Browser Browser { get; set; } = default!;
    [Inject] private NavigationManager Navigation { get; set; } = default!;

    protected override async Task OnParametersSetAsync()
    {
        // Live updates of the status come here too; only a change of the configuration itself fills the form again.
        // What was saved here is newer than what the page may still have in its hands.
        if (_asOf >= Instance.UpdatedAt) return;
        if (_asOf is not null && !_busy) _problem = L["changed-meanwhile"];
        (_asOf, _revision) = (Instance.UpdatedAt, Instance.Revision);
        _form = Form.Of(Instance);
        if (Instance.Source is PackageCodeSource source)
            await Toasts.TryAsync(async () => _versions = [.. (await PackageManager.GetAsync(source.PackageId, CancellationToken.None)).Versions.OrderByDescending(v => v.Version)]);
    }

    private bool ShowsRemote => Instance is { Mode: not InstanceModes.Managed, Remote: not null };

    private string? Error(string field) => _errors.GetValueOrDefault(field);

    private string? Detected(Func<DetectedProject, string[]?> part) =>
        _versions.FirstOrDefault(v => _form.Version is null || v.Version == _form.Version) is { } version && part(version.Detected) is { } command ? CommandText.Join(command) : null;

    private async Task SaveAsync()
    {
        Check();
        if (_errors.Count > 0)
        {
            StateHasChanged();
            await Task.Yield();
            await Browser.FocusFirstInvalidAsync();
            return;
        }
        (_busy, _problem) = (true, null);
        try
        {
            var changed = await Manager.UpdateAsync(Instance.Id, _form.ToPatch(Instance, Environments), User.Actor(), _revision, CancellationToken.None);
            (_asOf, _revision) = (changed.UpdatedAt, changed.Revision);
            _form = Form.Of(changed);
            Toasts.Done(L["saved"]);
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
    }

    private void Check()
    {
        _errors.Clear();
        if (string.IsNullOrWhiteSpace(_form.Name)) _errors["name"] = W["error-required"];
        if (ShowsRemote && RemoteUrl.Fault(_form.Remote.Url) is not null) _errors["url"] = R["error-url"];
        if (!ShowsRemote && Instance.Source is CommandSource) _errors.AddIf("command", CommandText.Split(_form.Command) switch { null => W["error-quote"].Value, [] => W["error-required"].Value, _ => null });
        if (!ShowsRemote && Instance.Source is ImageSource) _form.Image.Check(_errors, W);
        if (Instance.Mode == InstanceModes.Managed) _form.Place.Check(Environments, _errors, W);
        if (CommandText.Split(_form.Install ?? "") is null) _errors["install"] = W["error-quote"];
        if (CommandText.Split(_form.Start ?? "") is null) _errors["start"] = W["error-quote"];
    }

    internal sealed class Form
    {
        public string Name { get; set; } = "";
        public string Command { get; set; } = "";
        public string? Directory { get; set; }
        public int? Version { get; set; }
        public string? Install { get; set; }
        public string? Start { get; set; }
        public bool TokenRequired { get; set; }
        public bool QueryToken { get; set; }
        public List<EnvEntry> Env { get; private init; } = [];
        public List<VolumeDraft> Volumes { get; private init; } = [];
        public RunSettings Run { get; private init; } = new();
        public RemoteDraft Remote { get; private init; } = new();
        public ImageDraft Image { get; private init; } = new();
        public PlaceDraft Place { get; private init; } = new();

        public static Form Of(Instance i) => new()
        {
            Name = i.Name,
            Command = i.Source is CommandSource c ? CommandText.Join([c.Command, .. c.Args ?? []]) : "",
            Directory = (i.Source as CommandSource)?.WorkingDirectory,
            Version = (i.Source as PackageCodeSource)?.Version,
            Install = i.Source is PackageCodeSource { Install: { } install } ? CommandText.Join(install) : null,
            Start = i.Source is PackageCodeSource { Start: { } start } ? CommandText.Join(start) : null,
            TokenRequired = i.TokenRequired,
            QueryToken = i.QueryTokenAllowed,
            Env = [.. i.Env.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => new EnvEntry { Name = e.Key, Value = e.Value.Secret ? "" : e.Value.Value, Secret = e.Value.Secret, Kept = e.Value.Secret })],
            Volumes = VolumeDraft.Of(i.Source?.Volumes),
            Run = RunSettings.Of(i),
            Remote = RemoteDraft.Of(i.Remote),
            Image = ImageDraft.Of(i),
            Place = PlaceDraft.Of(i),
        };

        public InstancePatch ToPatch(Instance i, EnvironmentMap environments)
        {
            var limits = Run.ToLimits(i.Limits);
            InstanceSource? source = i.Source switch
            {
                CommandSource c => CommandText.Split(Command) is [var command, .. var rest] ? c with { Command = command, Args = rest, WorkingDirectory = string.IsNullOrWhiteSpace(Directory) ? null : Directory.Trim() } : c,
                ImageSource s => Image.ToSource() ?? s,
                PackageCodeSource p => p with
                {
                    Version = Version,
                    Install = Install is null || (Install.Length == 0 && p.Install is null) ? null : CommandText.Split(Install),
                    Start = string.IsNullOrWhiteSpace(Start) ? null : CommandText.Split(Start),
                },
                _ => i.Source,
            };
            if (source is not null) source = source with { Volumes = VolumeDraft.ToMounts(Volumes) };
            if (i.Mode == InstanceModes.Managed && source is not null) source = source with { Http = Place.ToHttp(environments) };
            return new InstancePatch
            {
                Environment = i.Mode == InstanceModes.Managed ? new Patch<string>(true, Place.Environment) : default,
                Egress = i.Mode == InstanceModes.Managed ? new Patch<EgressInput>(true, Place.ToEgress(environments)) : default,
                Registry = i.Source is ImageSource ? new Patch<RegistryInput>(true, Image.ToRegistry()) : default,
                Name = new Patch<string>(true, Name.Trim()),
                Source = new Patch<SourceInput>(true, source),
                Remote = i is { Mode: not InstanceModes.Managed, Remote: { } remote } ? Remote.ToInput(remote) : default(Patch<RemoteInput>),
                Env = new Patch<IReadOnlyDictionary<string, EnvInput?>>(true, EnvOf(i)),
                Processes = new Patch<string>(true, Run.Processes),
                Limits = new Patch<LimitsInput>(true, limits),
                MinimumIsolation = new Patch<IsolationLevel?>(true, Run.MinimumIsolation),
                Access = new Patch<AccessInput>(true, new AccessInput(TokenRequired, QueryToken)),
            };
        }

        private Dictionary<string, EnvInput?> EnvOf(Instance i)
        {
            var changes = i.Env.Keys.ToDictionary(k => k, _ => (EnvInput?)null);
            foreach (var entry in Env.Where(e => e.Name.Length > 0)) changes[entry.Name] = entry.Kept ? new EnvInput(null, true) : new EnvInput(entry.Value, entry.Secret);
            return changes;
        }
    }
}
