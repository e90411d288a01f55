using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using McpCan.Server.Market;

namespace McpCan.Server.Declared;

/// <summary>What an installation should have. What is not named is left alone.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)] // a misspelt kind would be passed over
public sealed record DeclaredState
{
    /// <summary>Engines, as <c>POST /environments</c> takes them; known by their names.</summary>
    public IReadOnlyList<JsonObject> Environments { get; init; } = [];
    /// <summary>Templates; known by their names.</summary>
    public IReadOnlyList<TemplateInput> Templates { get; init; } = [];
    /// <summary>Instances, as <c>POST /instances</c> takes them, with <c>slug</c>, by which they are known. <c>environment</c> may be a name. <c>{ "secret": true }</c> keeps a stored secret.</summary>
    public IReadOnlyList<JsonObject> Instances { get; init; } = [];
    /// <summary>Tokens, as <c>POST /tokens</c> takes them, with slugs of instances; known by their names.</summary>
    public IReadOnlyList<JsonObject> Tokens { get; init; } = [];
}

/// <summary>What is to be done, or was done, about one thing.</summary>
/// <param name="Kind"><c>environment</c>, <c>template</c>, <c>instance</c> or <c>token</c>.</param>
/// <param name="Name">Its name or slug.</param>
/// <param name="Action"><c>create</c>, <c>update</c>, <c>none</c> or <c>failed</c>.</param>
/// <param name="Fields">Fields that differ.</param>
/// <param name="Problem">Why it failed.</param>
/// <param name="Value">Value of a token that was made: only in the answer that made it.</param>
public sealed record StateChange(string Kind, string Name, string Action, IReadOnlyList<string> Fields, string? Problem = null, string? Value = null);

/// <summary>The plan, or what came of it.</summary>
/// <param name="Applied">Whether it was carried out.</param>
/// <param name="Changes">One for each thing that was named.</param>
public sealed record StateReport(bool Applied, IReadOnlyList<StateChange> Changes);
