using System.Text.RegularExpressions;
using McpCan.Gateway;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>What a virtual server offers: chosen parts of other instances under one address.</summary>
/// <param name="Members">The instances, in order: of two tools with the same name the earlier one's is shown.</param>
/// <param name="Instructions">What the server tells clients about itself.</param>
public sealed record VirtualServer(IReadOnlyList<VirtualServerMember> Members, string? Instructions = null)
{
    internal VirtualOffer Offer(long generation) => new([.. Members.Select(m => m.Offer())], Instructions, generation);
}

/// <summary>One instance behind a virtual server.</summary>
/// <param name="Instance">Its id (a slug is taken, too).</param>
/// <param name="Prefix">Put before the names of its tools and prompts with an underscore between; null for none.</param>
/// <param name="Tools">Names of the tools that are offered; null for all.</param>
/// <param name="Prompts">Names of the prompts that are offered; null for all.</param>
/// <param name="Resources">URIs of the resources that are offered, <c>*</c> for any characters; null for all.</param>
/// <param name="Overrides">Other names and descriptions, by the name at the instance.</param>
public sealed record VirtualServerMember(
    string Instance, string? Prefix = null, IReadOnlyList<string>? Tools = null, IReadOnlyList<string>? Prompts = null, IReadOnlyList<string>? Resources = null,
    IReadOnlyDictionary<string, VirtualServerOverride>? Overrides = null)
{
    internal VirtualMember Offer() => new(
        Instance, Prefix, Tools, Prompts, Resources,
        (Overrides ?? new Dictionary<string, VirtualServerOverride>()).ToDictionary(o => o.Key, o => new VirtualOverride(o.Value.Name, o.Value.Description)));
}

/// <summary>How a tool or prompt is shown instead; what is left out stays.</summary>
/// <param name="Name">The whole name; no prefix is added.</param>
/// <param name="Description">The description.</param>
public sealed record VirtualServerOverride(string? Name = null, string? Description = null);

/// <summary>What makes a virtual server valid.</summary>
internal static partial class VirtualRules
{
    private const int MostMembers = 50, MostNames = 1000;

    /// <summary>Notes all faults; the members named by slug are named by id in the result.</summary>
    public static async Task<VirtualServer?> CheckAsync(McpCanDb db, Instance instance, Checks checks, CancellationToken cancellationToken)
    {
        if (instance.Virtual is not { } offer) return null;
        checks.That(offer.Members is { Count: > 0 and <= MostMembers }, "virtual.members", $"Must name 1 to {MostMembers} instances.")
            .That(offer.Instructions is not { Length: > 8192 }, "virtual.instructions", "At most 8,192 characters.");
        if (offer.Members is not { Count: <= MostMembers } members) return offer;
        var known = await db.Instances.AsNoTracking().Select(i => new { i.Id, i.Slug, i.Mode }).ToListAsync(cancellationToken);
        var result = new List<VirtualServerMember>();
        for (var n = 0; n < members.Count; n++)
        {
            var (member, field) = (members[n], $"virtual.members[{n}]");
            if (member is null)
            {
                checks.That(false, field, "Must not be null.");
                continue;
            }
            var found = known.FirstOrDefault(i => i.Id == member.Instance) ?? known.FirstOrDefault(i => i.Slug == member.Instance);
            // One that was deleted may stay: the others go on, and its owner may not be who edits this.
            var stays = found is null && instance.Virtual.Members.Any(m => m?.Instance == member.Instance) && member.Instance?.StartsWith("i-", StringComparison.Ordinal) == true;
            checks.That(found is not null || stays, $"{field}.instance", $"There is no instance '{member.Instance}'.")
                .That(found?.Mode is not (InstanceModes.Direct or InstanceModes.Virtual), $"{field}.instance", "Must be a managed or a proxied server.")
                .That(result.All(m => m.Instance != (found?.Id ?? member.Instance)), $"{field}.instance", "Is named twice.")
                .That(member.Prefix is null || PrefixForm().IsMatch(member.Prefix), $"{field}.prefix", "1 to 32 letters, digits, dashes and underscores; leave it out for none.");
            Names(member.Tools, $"{field}.tools", checks);
            Names(member.Prompts, $"{field}.prompts", checks);
            Names(member.Resources, $"{field}.resources", checks);
            checks.That(member.Overrides is not { Count: > MostNames }, $"{field}.overrides", $"At most {MostNames}.");
            foreach (var (name, other) in (member.Overrides ?? new Dictionary<string, VirtualServerOverride>()).Take(MostNames))
            {
                checks.That(other is not null, $"{field}.overrides.{name}", "Must not be null.")
                    .That(other?.Name is null || NameForm().IsMatch(other.Name), $"{field}.overrides.{name}.name", "1 to 128 letters, digits and the characters _ - . /")
                    .That(other?.Description is not { Length: > 8192 }, $"{field}.overrides.{name}.description", "At most 8,192 characters.");
            }
            result.Add(member with { Instance = found?.Id ?? member.Instance ?? "" });
        }
        var shown = result.SelectMany(m => m.Overrides?.Values.Select(o => o?.Name) ?? []).OfType<string>().ToList();
        checks.That(shown.Distinct(StringComparer.Ordinal).Count() == shown.Count, "virtual.members", "Two tools are given the same name.");
        return offer with { Members = result };
    }

    private static void Names(IReadOnlyList<string>? names, string field, Checks checks) => checks
        .That(names is not { Count: > MostNames }, field, $"At most {MostNames}; leave it out for all.")
        .That(names?.All(n => n is { Length: > 0 and <= 2048 }) ?? true, field, "Names must have 1 to 2,048 characters.");

    [GeneratedRegex("^[A-Za-z0-9_-]{1,32}$", RegexOptions.CultureInvariant)]
    private static partial Regex PrefixForm();

    [GeneratedRegex("^[A-Za-z0-9_./-]{1,128}$", RegexOptions.CultureInvariant)]
    private static partial Regex NameForm();
}
