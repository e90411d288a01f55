using System.ComponentModel;
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Instances;

/// <summary>What a server offers, each entry as the server gave it.</summary>
/// <param name="Items">Tools, resources or prompts.</param>
/// <param name="Total">How many.</param>
public sealed record OfferView(IReadOnlyList<JsonNode> Items, int Total);

/// <summary>The resources of a server, as the server gave them.</summary>
/// <param name="Items">Resources.</param>
/// <param name="Templates">Resource templates.</param>
/// <param name="Total">How many resources.</param>
public sealed record ResourcesView(IReadOnlyList<JsonNode> Items, IReadOnlyList<JsonNode> Templates, int Total);

/// <summary>A call of a tool.</summary>
/// <param name="Arguments">The tool's arguments, an object.</param>
/// <param name="TimeoutSeconds">1 to 600; 60 when not given.</param>
public sealed record ToolCallInput(JsonElement? Arguments = null, int? TimeoutSeconds = null);

/// <summary>What came of a call.</summary>
/// <param name="Result">The result as the server gave it; null when there is an error.</param>
/// <param name="Error">The JSON-RPC error; null when there is a result.</param>
/// <param name="DurationMs">Milliseconds from the request to its answer.</param>
/// <param name="TraceId">Trace id of the call, as in the access log.</param>
public sealed record ToolCallView(JsonNode? Result, JsonNode? Error, double DurationMs, string TraceId);

/// <summary>The playground for programs. Calls go through the gateway like those of any client.</summary>
internal static class PlaygroundEndpoints
{
    public const int LongestSeconds = 600;
    public const int UsualSeconds = 60;

    public static void MapPlayground(this RouteGroupBuilder api)
    {
        var one = api.MapGroup("/instances/{id}").WithTags("Instances");
        one.MapGet("/tools", Tools).RequireAuthorization(Policies.Read).WithName("listTools").WithSummary("The tools of a running server, as the server describes them");
        one.MapGet("/resources", Resources).RequireAuthorization(Policies.Read).WithName("listResources").WithSummary("The resources and resource templates of a running server");
        one.MapGet("/prompts", Prompts).RequireAuthorization(Policies.Read).WithName("listPrompts").WithSummary("The prompts of a running server");
        one.MapPost("/tools/{tool}/call", Call).RequireAuthorization(Policies.Operate).WithName("callTool").WithSummary("Call a tool of a running server through the gateway")
            .WithDescription("Answers 200 also when the tool fails: 'result.isError' or 'error' says so then. The call stands in the access log with the client 'mcpcan-playground'.");
    }

    private static Task<Ok<OfferView>> Tools(string id, InstanceManager instances, PlaygroundSessions playground, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        OfferAsync(id, "tools/list", instances, playground, user, cancellationToken);

    private static Task<Ok<OfferView>> Prompts(string id, InstanceManager instances, PlaygroundSessions playground, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        OfferAsync(id, "prompts/list", instances, playground, user, cancellationToken);

    private static async Task<Ok<ResourcesView>> Resources(string id, InstanceManager instances, PlaygroundSessions playground, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await using var session = await playground.OpenAsync(await instances.GetAsync(id, cancellationToken), user.Actor(), null, cancellationToken);
        var items = await session.ListAsync("resources/list", cancellationToken);
        return TypedResults.Ok(new ResourcesView(items, await session.ListAsync("resources/templates/list", cancellationToken), items.Count));
    }

    private static async Task<Ok<ToolCallView>> Call(
        string id, [Description("Name of the tool.")] string tool, ToolCallInput input, InstanceManager instances, PlaygroundSessions playground, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        new Checks()
            .That(input.Arguments is null or { ValueKind: JsonValueKind.Object or JsonValueKind.Null }, "arguments", "Must be an object.")
            .That(input.TimeoutSeconds is null or (>= 1 and <= LongestSeconds), "timeoutSeconds", $"Must be from 1 to {LongestSeconds}.")
            .Throw();
        await using var session = await playground.OpenAsync(await instances.GetAsync(id, cancellationToken), user.Actor(), null, cancellationToken);
        var arguments = input.Arguments is { ValueKind: JsonValueKind.Object } given ? JsonObject.Create(given)! : [];
        var outcome = await session.CallAsync("tools/call", new JsonObject { ["name"] = tool, ["arguments"] = arguments }, TimeSpan.FromSeconds(input.TimeoutSeconds ?? UsualSeconds), cancellationToken);
        return TypedResults.Ok(new ToolCallView(outcome.Result, outcome.Error, Math.Round(outcome.DurationMs, 2), outcome.TraceId));
    }

    private static async Task<Ok<OfferView>> OfferAsync(string id, string method, InstanceManager instances, PlaygroundSessions playground, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await using var session = await playground.OpenAsync(await instances.GetAsync(id, cancellationToken), user.Actor(), null, cancellationToken);
        var items = await session.ListAsync(method, cancellationToken);
        return TypedResults.Ok(new OfferView(items, items.Count));
    }
}
