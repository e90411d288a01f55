using McpCan.Server.Instances;

namespace McpCan.Server.Web.Pages.Virtual;

/// <summary>A virtual server while a person edits it.</summary>
public sealed class VirtualDraft
{
    public string Name { get; set; } = "";
    public string Instructions { get; set; } = "";
    public List<Member> Members { get; private init; } = [];

    /// <summary>What is stored, to be edited.</summary>
    public static VirtualDraft Of(Instance instance) => new()
    {
        Name = instance.Name,
        Instructions = instance.Virtual?.Instructions ?? "",
        Members = [.. (instance.Virtual?.Members ?? []).Select(Member.Of)],
    };

    /// <summary>The members that name a server, as the API takes them.</summary>
    public VirtualServer ToServer() => new([.. Members.Where(m => m.Instance.Length > 0).Select(m => m.ToMember())], Instructions.Trim() is { Length: > 0 } text ? text : null);

    /// <summary>One server of it.</summary>
    public sealed class Member
    {
        public string Instance { get; set; } = "";
        public string Prefix { get; set; } = "";
        public string Tools { get; set; } = "";
        public string Prompts { get; set; } = "";
        public string Resources { get; set; } = "";
        public List<Rename> Renames { get; private init; } = [];

        /// <summary>Whether more than server and prefix is set.</summary>
        public bool IsNarrowed => Tools.Length + Prompts.Length + Resources.Length > 0 || Renames.Count > 0;

        public static Member Of(VirtualServerMember m) => new()
        {
            Instance = m.Instance,
            Prefix = m.Prefix ?? "",
            Tools = Lines(m.Tools),
            Prompts = Lines(m.Prompts),
            Resources = Lines(m.Resources),
            Renames = [.. (m.Overrides ?? new Dictionary<string, VirtualServerOverride>()).Select(o => new Rename { Original = o.Key, Name = o.Value.Name ?? "", Description = o.Value.Description ?? "" })],
        };

        public VirtualServerMember ToMember()
        {
            var renames = Renames.Where(r => r.Original.Trim().Length > 0).DistinctBy(r => r.Original.Trim()).ToDictionary(r => r.Original.Trim(), r => new VirtualServerOverride(Text(r.Name), Text(r.Description)));
            return new(Instance, Text(Prefix), Names(Tools), Names(Prompts), Names(Resources), renames.Count == 0 ? null : renames);
        }

        private static string Lines(IReadOnlyList<string>? names) => string.Join('\n', names ?? []);

        private static string? Text(string text) => text.Trim() is { Length: > 0 } trimmed ? trimmed : null;

        private static List<string>? Names(string lines) =>
            lines.Split(['\n', '\r', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is { Length: > 0 } names ? [.. names.Distinct()] : null;
    }

    /// <summary>Another name or description for a tool or prompt.</summary>
    public sealed class Rename
    {
        public string Original { get; set; } = "";
        public string Name { get; set; } = "";
        public string Description { get; set; } = "";
    }
}
