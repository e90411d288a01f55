using McpCan.Server.Environments;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;
using McpCan.Server.Web.Resources;
using Microsoft.Extensions.Localization;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>Where a server runs, what it may connect to and how it is spoken to, while that is edited. Only containers leave a choice of the last two.</summary>
public sealed class PlaceDraft
{
    /// <summary>Environment's id; null for the default one.</summary>
    public string? Environment { get; set; }
    public string Egress { get; set; } = EgressPolicy.Open.Mode;
    /// <summary>The allow-list, one place a line.</summary>
    public string? Allow { get; set; }
    /// <summary>Whether the server listens by itself.</summary>
    public bool Listens { get; set; }
    public int Port { get; set; } = 8080;
    public string? Path { get; set; } = "/mcp";
    public string Transport { get; set; } = "auto";

    public static PlaceDraft Of(Instance instance) => new()
    {
        Environment = instance.Environment,
        Egress = instance.Egress.Mode,
        Allow = instance.Egress.Allow is { Count: > 0 } allow ? string.Join('\n', allow) : null,
        Listens = instance.Source?.Http is not null,
        Port = instance.Source?.Http?.Port ?? 8080,
        Path = instance.Source?.Http?.Path ?? "/mcp",
        Transport = instance.Source?.Http?.Transport ?? "auto",
    };

    /// <summary>Whether it is a place with containers; one that is gone was.</summary>
    public bool IsContainer(EnvironmentMap environments) => environments.Find(Environment ?? environments.Default)?.Kind != EnvironmentKinds.Process;

    public EgressInput ToEgress(EnvironmentMap environments) => !IsContainer(environments) ? new(EgressPolicy.Open.Mode) : new(Egress, Egress == EgressPolicy.AllowList ? Places : null);

    public HttpEndpoint? ToHttp(EnvironmentMap environments) => Listens && IsContainer(environments) ? new(Port, string.IsNullOrWhiteSpace(Path) ? "/mcp" : Path.Trim(), Transport) : null;

    /// <summary>Notes what is wrong, by field.</summary>
    public void Check(EnvironmentMap environments, Dictionary<string, string> errors, IStringLocalizer<WizardTexts> texts)
    {
        if (Egress != EgressPolicy.AllowList || !IsContainer(environments)) return;
        if (Places is []) errors["allow"] = texts["error-required"];
        else if (Array.Find(Places, p => EgressTarget.Parse(p) is null) is { } wrong) errors["allow"] = texts["error-place", wrong];
    }

    private string[] Places => (Allow ?? "").Split(['\n', '\r', ',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
