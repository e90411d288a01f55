using System.Text;
using McpCan.Server.Environments;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>From the wizard's draft to what the manager takes.</summary>
public static class Plan
{
    /// <summary>The name in the address that a display name leads to; the manager has the last word.</summary>
    public static string Slug(string? name)
    {
        var slug = new StringBuilder();
        foreach (var c in (name ?? "").ToLowerInvariant())
        {
            if (char.IsAsciiLetterOrDigit(c)) slug.Append(c);
            else if (slug.Length > 0 && slug[^1] != '-') slug.Append('-');
        }
        return slug.ToString().Trim('-') is { Length: > 0 } text ? text[..Math.Min(text.Length, 63)].Trim('-') : "server";
    }

    /// <summary>One input for a source that was filled in, one for each chosen entry of pasted JSON.</summary>
    public static IEnumerable<InstanceInput> Inputs(WizardDraft draft, IEnumerable<Understood> understood, EnvironmentMap environments)
    {
        if (draft.Source == "json") return understood.Where(u => u.Chosen).Select(u => Settings(u.Server.Input!, draft, environments)).ToList();
        return [Settings(new InstanceInput
        {
            Name = draft.Name!.Trim(),
            Slug = string.IsNullOrWhiteSpace(draft.Slug) ? null : draft.Slug.Trim(),
            Mode = draft.Mode,
            Source = draft.BuildSource(),
            Remote = draft.Source == "remote" ? draft.Remote.ToInput(null) : null,
            Env = (draft.Source == "package" ? draft.Parameters.Where(p => p.Value.Length > 0).Concat(draft.Env) : draft.Env).Where(e => e.Name.Length > 0).GroupBy(e => e.Name).ToDictionary(g => g.Key, g => new EnvInput(g.Last().Value, g.Last().Secret)),
            Registry = draft.Source == "image" ? draft.Image.ToRegistry() : null,
        }, draft, environments)];
    }

    private static InstanceInput Settings(InstanceInput input, WizardDraft draft, EnvironmentMap environments) => input with
    {
        Environment = draft.Place.Environment,
        Egress = draft.Place.ToEgress(environments),
        Source = input.Source is { } source && draft.Place.ToHttp(environments) is { } http ? source with { Http = new(true, http) } : input.Source,
        Processes = draft.Run.Processes,
        Limits = draft.Run.ToLimits(new WorkloadLimits()),
        MinimumIsolation = draft.Run.MinimumIsolation,
        Access = new AccessInput(draft.TokenRequired),
        Start = true,
    };
}
