using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Environments;

/// <summary>A place where workloads run.</summary>
/// <param name="Kind"><c>process</c>.</param>
/// <param name="Usable">Whether workloads can be started.</param>
/// <param name="Isolation">Strongest isolation that is available.</param>
/// <param name="Capacity">What the machine has.</param>
/// <param name="Tools">Interpreters found: name → version, or null.</param>
/// <param name="Findings">What was seen, with the remedy where something is missing.</param>
/// <param name="Workloads">Workloads that run there now.</param>
public sealed record EnvironmentView(
    string Id, string Name, string Kind, bool Usable, IsolationLevel Isolation, CapacityView Capacity, IReadOnlyDictionary<string, string?> Tools, IReadOnlyList<string> Findings, int Workloads);

/// <summary>What a machine has.</summary>
public sealed record CapacityView(int Cpus, long MemoryBytes);

internal static class EnvironmentEndpoints
{
    public static void MapEnvironments(this RouteGroupBuilder api)
    {
        var environments = api.MapGroup("/environments").WithTags("Environments");
        environments.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listEnvironments").WithSummary("List the places where workloads run");
        environments.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getEnvironment").WithSummary("Get an environment");
        environments.MapPost("/{id}/check", Check).RequireAuthorization(Policies.Operate).WithName("checkEnvironment").WithSummary("Look whether an environment can be used, and what is missing");
    }

    private static async Task<Ok<Page<EnvironmentView>>> List([AsParameters] PageQuery page, EnvironmentMap environments, CancellationToken cancellationToken)
    {
        var all = environments.Find(EnvironmentMap.Local) is { } runtime ? new[] { await ViewAsync(runtime, cancellationToken) } : [];
        return TypedResults.Ok(all.Where(e => string.IsNullOrEmpty(page.Search) || e.Name.Contains(page.Search, StringComparison.OrdinalIgnoreCase)).ToList().ToPage(page, e => e));
    }

    private static async Task<Ok<EnvironmentView>> Get(string id, EnvironmentMap environments, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ViewAsync(environments.Find(id) ?? throw ProblemException.NotFound("environment", id), cancellationToken));

    private static Task<Ok<EnvironmentView>> Check(string id, EnvironmentMap environments, CancellationToken cancellationToken) => Get(id, environments, cancellationToken);

    private static async Task<EnvironmentView> ViewAsync(IRuntime runtime, CancellationToken cancellationToken)
    {
        var check = await runtime.CheckAsync(cancellationToken);
        var workloads = await runtime.ListAsync(cancellationToken);
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new EnvironmentView(EnvironmentMap.Local, "This machine", runtime.Kind, check.Usable, check.Isolation,
            new CapacityView(System.Environment.ProcessorCount, memory), check.Tools, check.Findings, workloads.Count);
    }
}
