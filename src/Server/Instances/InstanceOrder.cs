using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>Filters and sorts instances.</summary>
internal static class InstanceOrder
{
    private static readonly string[] States =
    [
        InstanceStates.Failed, InstanceStates.Degraded, InstanceStates.Unknown, InstanceStates.Starting, InstanceStates.Stopping,
        InstanceStates.Deleting, InstanceStates.Running, InstanceStates.Sleeping, InstanceStates.Registered, InstanceStates.Stopped,
    ];

    private static readonly Dictionary<string, Func<Instance, IComparable?>> Fields = new(StringComparer.OrdinalIgnoreCase)
    {
        ["status"] = i => Rank(i),
        ["name"] = i => i.Name.ToUpperInvariant(),
        ["createdAt"] = i => i.CreatedAt,
        ["updatedAt"] = i => i.UpdatedAt,
        ["mode"] = i => i.Mode,
    };

    public static List<Instance> Apply(IEnumerable<Instance> instances, InstanceQuery query)
    {
        var (page, mode, status, environment) = query;
        var states = Split(status);
        foreach (var unknown in states.Where(s => !States.Contains(s, StringComparer.OrdinalIgnoreCase)))
            throw new ProblemException(400, "bad-status", $"There is no status '{unknown}'. Known are {string.Join(", ", States)}.");
        var search = page.Search?.Trim();
        var wanted = instances.Where(i => (mode is null || i.Mode == mode) && (environment is null || i.Environment == environment)
            && (states.Length == 0 || states.Contains(i.Status.State, StringComparer.OrdinalIgnoreCase))
            && (string.IsNullOrEmpty(search) || i.Name.Contains(search, StringComparison.OrdinalIgnoreCase) || i.Slug.Contains(search, StringComparison.OrdinalIgnoreCase) || i.Id == search));
        var sort = string.IsNullOrEmpty(page.Sort) ? "status" : page.Sort;
        var down = sort.StartsWith('-');
        if (!Fields.TryGetValue(down ? sort[1..] : sort, out var field))
            throw new ProblemException(400, "bad-sort", $"'sort' must be one of {string.Join(", ", Fields.Keys)}, with a leading '-' for descending order.");
        var sorted = down ? wanted.OrderByDescending(field) : wanted.OrderBy(field);
        return [.. sorted.ThenBy(i => i.Name, StringComparer.OrdinalIgnoreCase).ThenBy(i => i.Id, StringComparer.Ordinal)];
    }

    private static int Rank(Instance instance) => Array.IndexOf(States, instance.Status.State);

    private static string[] Split(string? list) => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}
