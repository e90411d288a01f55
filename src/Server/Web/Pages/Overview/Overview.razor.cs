using McpCan.Server.Access;
using McpCan.Server.Instances;
using McpCan.Server.Traffic;
using McpCan.Server.Web.Parts;
using Microsoft.AspNetCore.Components;

namespace McpCan.Server.Web.Pages.Overview;

/// <summary>What needs a person now, and the first steps while there is nothing yet.</summary>
public sealed partial class Overview
{
    private static readonly string[] Charts = ["calls", "latency"];
    private IReadOnlyList<Instance> _all = [];
    private List<Token> _tokens = [];
    private IReadOnlyDictionary<string, TrafficSummary> _traffic = new Dictionary<string, TrafficSummary>();
    private long _calls;
    private long _errors;

    [Inject] private InstanceManager Manager { get; set; } = default!;
    [Inject] private TokenManager Tokens { get; set; } = default!;
    [Inject] private TrafficWindow Traffic { get; set; } = default!;
    [Inject] private TimeProvider Time { get; set; } = default!;

    private List<Token> Expiring => [.. _tokens.Where(t => t.Enabled && t.ExpiresAt > Time.GetUtcNow() && t.ExpiresAt - Time.GetUtcNow() < TimeSpan.FromDays(7))];

    private List<(Instance Instance, TrafficSummary Traffic)> Busiest =>
        [.. _all.Where(i => _traffic.ContainsKey(i.Id)).Select(i => (i, _traffic[i.Id])).Where(p => p.Item2.Calls > 0).OrderByDescending(p => p.Item2.Calls).Take(5)];

    protected override async Task LoadAsync()
    {
        _all = await Manager.AllAsync(Gone);
        _tokens = await Lists.AllAsync((page, c) => Tokens.ListAsync(page, null, t => t, c), "-createdAt", Gone);
        _traffic = Traffic.All().ToDictionary(t => t.InstanceId);
        (_calls, _errors) = (_traffic.Values.Sum(t => t.Calls), _traffic.Values.Sum(t => t.Errors));
    }

    private static RenderFragment Step(bool done, string text, string href, bool may) => builder =>
    {
        builder.OpenElement(0, "li");
        builder.OpenElement(1, "span");
        builder.AddAttribute(2, "class", done ? "status c-green" : "status");
        builder.OpenComponent<Shape>(3);
        builder.AddComponentParameter(4, nameof(Shape.Name), done ? "dot" : "circle");
        builder.CloseComponent();
        builder.CloseElement();
        builder.OpenElement(5, done || !may ? "span" : "a");
        if (!done && may) builder.AddAttribute(6, "href", href);
        builder.AddAttribute(7, "class", done ? "muted" : null);
        builder.AddContent(8, text);
        builder.CloseElement();
        builder.CloseElement();
    };
}
