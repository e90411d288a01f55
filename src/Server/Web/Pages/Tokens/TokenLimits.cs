using System.Globalization;
using McpCan.Gateway;
using McpCan.Server.Access;
using McpCan.Server.Hosting;

namespace McpCan.Server.Web.Pages.Tokens;

/// <summary>What a token may do, while a person edits it: names and addresses one a line, empty for no limit.</summary>
public sealed class TokenLimits
{
    // An empty list of open names opens none; as text it would read like no list at all.
    private bool _noTools, _noPrompts, _noResources;

    public string Tools { get; set; } = "";
    public string DeniedTools { get; set; } = "";
    public string Prompts { get; set; } = "";
    public string Resources { get; set; } = "";
    public string Addresses { get; set; } = "";
    public int? RequestsPerMinute { get; set; }
    public int? ConcurrentCalls { get; set; }
    public int? Sessions { get; set; }

    /// <summary>Whether anything is limited.</summary>
    public bool Any => Tools.Length + DeniedTools.Length + Prompts.Length + Resources.Length + Addresses.Length > 0 || RequestsPerMinute is not null || ConcurrentCalls is not null || Sessions is not null;

    public static TokenLimits Of(Token token) => new()
    {
        Tools = Lines(token.Tools?.Allow),
        DeniedTools = Lines(token.Tools?.Deny),
        Prompts = Lines(token.Prompts?.Allow),
        Resources = Lines(token.Resources?.Allow),
        Addresses = Lines(token.Addresses),
        RequestsPerMinute = token.Limits?.RequestsPerMinute,
        ConcurrentCalls = token.Limits?.ConcurrentCalls,
        Sessions = token.Limits?.Sessions,
        _noTools = token.Tools?.Allow is { Count: 0 },
        _noPrompts = token.Prompts?.Allow is { Count: 0 },
        _noResources = token.Resources?.Allow is { Count: 0 },
    };

    public TokenInput Over(TokenInput input) => input with
    {
        Tools = ToolRules,
        Prompts = Allowed(Prompts, _noPrompts),
        Resources = Allowed(Resources, _noResources),
        Addresses = Names(Addresses),
        Limits = Traffic,
    };

    /// <summary>Everything that is edited here; rules that only the API knows (closed prompts and resources) stay.</summary>
    public TokenPatch Over(TokenPatch patch) => patch with
    {
        Tools = ToolRules,
        Prompts = Allowed(Prompts, _noPrompts),
        Resources = Allowed(Resources, _noResources),
        Addresses = new Patch<IReadOnlyList<string>>(true, Names(Addresses) ?? []),
        Limits = Traffic,
    };

    /// <summary>One line about what a token may do; null when it is bound by nothing.</summary>
    public static string? Summary(Token token, Func<string, string, string> text)
    {
        List<string> parts = [];
        if (token.Tools is { Allow.Count: var open }) parts.Add(text("limit-tools", open.ToString(CultureInfo.CurrentCulture)));
        if (token.Tools is { Deny.Count: > 0 and var closed }) parts.Add(text("limit-closed", closed.ToString(CultureInfo.CurrentCulture)));
        if (token.Prompts is not null || token.Resources is not null) parts.Add(text("limit-others", ""));
        if (token.Addresses.Count > 0) parts.Add(string.Join(", ", token.Addresses.Take(3)) + (token.Addresses.Count > 3 ? " …" : ""));
        if (token.Limits?.RequestsPerMinute is { } rate) parts.Add(text("limit-rate", rate.ToString("N0", CultureInfo.CurrentCulture)));
        if (token.Limits?.ConcurrentCalls is { } calls) parts.Add(text("limit-calls", calls.ToString("N0", CultureInfo.CurrentCulture)));
        if (token.Limits?.Sessions is { } sessions) parts.Add(text("limit-sessions", sessions.ToString("N0", CultureInfo.CurrentCulture)));
        return parts.Count == 0 ? null : string.Join(" · ", parts);
    }

    private NameRulesInput ToolRules => new() { Allow = new(true, Open(Tools, _noTools)), Deny = new(true, Names(DeniedTools) ?? []) };

    private TrafficLimitsInput Traffic => new() { RequestsPerMinute = RequestsPerMinute, ConcurrentCalls = ConcurrentCalls, Sessions = Sessions };

    private static NameRulesInput Allowed(string lines, bool none) => new() { Allow = new(true, Open(lines, none)) };

    private static List<string>? Open(string lines, bool none) => Names(lines) ?? (none ? [] : null);

    private static string Lines(IEnumerable<string>? names) => string.Join('\n', names ?? []);

    private static List<string>? Names(string lines) =>
        lines.Split(['\n', '\r', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is { Length: > 0 } names ? [.. names.Distinct()] : null;
}
