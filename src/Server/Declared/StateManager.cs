using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Market;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Declared;

/// <summary>Brings an installation to what a file says: shows the differences, or makes them go. The same file twice changes nothing the second time.</summary>
public sealed class StateManager(
    InstanceManager instances, TemplateManager templates, TokenManager tokens, EnvironmentManager environments, SecretProtector protector, IOptions<JsonOptions> json)
{
    private const int Most = 1000;
    private readonly JsonSerializerOptions _json = json.Value.SerializerOptions;

    /// <summary>Compares, and with <paramref name="apply"/> makes it so: environments, templates, instances, tokens, in this order. What fails does not stop the rest.</summary>
    public async Task<StateReport> BringAsync(DeclaredState state, bool apply, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        Check(state);
        state = state with { Environments = Exact(state.Environments), Instances = Exact(state.Instances), Tokens = Exact(state.Tokens) };
        var changes = new List<StateChange>();
        foreach (var wanted in state.Environments) changes.Add(await TryAsync("environment", Text(wanted, "name"), () => EnvironmentAsync(wanted, apply, user, cancellationToken)));
        foreach (var wanted in state.Templates) changes.Add(await TryAsync("template", wanted.Definition.Name.ToString(), () => TemplateAsync(wanted, apply, user, cancellationToken)));
        // A virtual server names others, which must be there first.
        foreach (var wanted in state.Instances.OrderBy(i => Text(i, "mode") == InstanceModes.Virtual)) changes.Add(await TryAsync("instance", Text(wanted, "slug"), () => InstanceAsync(wanted, apply, user, cancellationToken)));
        foreach (var wanted in state.Tokens) changes.Add(await TryAsync("token", Text(wanted, "name"), () => TokenAsync(wanted, state, apply, user, cancellationToken)));
        return new(apply, changes);
    }

    /// <summary>The present state in the same form. Secrets stand as <c>{ "secret": true }</c>, certificates of engines are left out.</summary>
    public async Task<DeclaredState> ExportAsync(ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var engines = await environments.AllAsync(cancellationToken);
        var all = await instances.AllAsync(cancellationToken);
        var slugs = all.ToDictionary(i => i.Id, i => i.Slug);
        return new()
        {
            Environments = [.. engines.Select(e => Object(new { e.Name, e.Kind, e.Address, e.IsDefault, e.Limits }))],
            Templates = [.. (await templates.AllAsync(user, cancellationToken)).Where(t => t.Stored is not null).Select(t => new TemplateInput(t.Definition, t.Stored!.Roles))],
            Instances = [.. all.Where(i => !i.Deleting).OrderBy(i => i.Slug, StringComparer.Ordinal).Select(i => Shape(i, engines, slugs))],
            Tokens = [.. (await TokensAsync(cancellationToken)).OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => TokenShape(t, slugs))],
        };
    }

    private async Task<StateChange> EnvironmentAsync(JsonObject wanted, bool apply, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var name = Text(wanted, "name");
        var present = (await environments.AllAsync(cancellationToken)).FirstOrDefault(e => e.Name == name);
        if (present is null)
        {
            if (apply) await environments.CreateAsync(Read<EnvironmentInput>(wanted), user.Actor(), cancellationToken);
            return new("environment", name, "create", []);
        }
        var compared = Without(wanted, "tls");
        var fields = StateCompare.Differences(compared, Object(new { present.Name, present.Kind, present.Address, present.IsDefault, present.Limits }));
        if (fields.Count == 0) return new("environment", name, "none", []);
        if (apply)
        {
            await environments.UpdateAsync(present.Id, Read<EnvironmentPatch>(Without(wanted, "kind", "isDefault")), cancellationToken);
            if (fields.Contains("isDefault") && wanted["isDefault"]?.GetValue<bool>() == true) await environments.SetDefaultAsync(present.Id, cancellationToken);
        }
        return new("environment", name, "update", fields);
    }

    private async Task<StateChange> TemplateAsync(TemplateInput wanted, bool apply, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var name = wanted.Definition.Name.ToString();
        var present = (await templates.AllAsync(user, cancellationToken)).FirstOrDefault(t => t.Stored is not null && t.Definition.Name.ToString() == name);
        if (present is null)
        {
            if (apply) await templates.CreateAsync(wanted, user, cancellationToken);
            return new("template", name, "create", []);
        }
        var fields = StateCompare.Differences(Object(wanted.Definition), Object(present.Definition));
        if (wanted.Roles is { } roles && !roles.ToHashSet().SetEquals(present.Stored!.Roles)) fields.Add("roles");
        if (fields.Count > 0 && apply) await templates.UpdateAsync(present.Id, wanted, present.Stored!.Revision, user, cancellationToken);
        return new("template", name, fields.Count == 0 ? "none" : "update", fields);
    }

    private async Task<StateChange> InstanceAsync(JsonObject wanted, bool apply, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var slug = Text(wanted, "slug");
        wanted = (JsonObject)wanted.DeepClone();
        if (Text(wanted, "environment") is { Length: > 0 } environment && (await environments.AllAsync(cancellationToken)).FirstOrDefault(e => e.Name == environment) is { } engine) wanted["environment"] = engine.Id;
        if (await instances.FindAsync(slug, cancellationToken) is not { Deleting: false } present || present.Slug != slug)
        {
            wanted["name"] ??= slug;
            if (apply) await instances.CreateAsync(Read<InstanceInput>(wanted), user.Actor(), cancellationToken);
            return new("instance", slug, "create", []);
        }
        var view = Object(InstanceView.Of(present, ""));
        var compared = Without(wanted, "start");
        (compared["registry"] as JsonObject)?.Remove("password");
        if (present.Virtual is not null)
        {
            var slugs = await SlugsAsync(cancellationToken);
            BySlug(compared, slugs);
            BySlug(view, slugs);
        }
        var fields = StateCompare.Differences(compared, view, (path, value) =>
            path.StartsWith("env.", StringComparison.Ordinal) && present.Env.GetValueOrDefault(path["env.".Length..]) is { Secret: true } stored ? protector.Unprotect(stored.Value) == value : null);
        if (fields.Count == 0) return new("instance", slug, "none", []);
        if (apply)
        {
            var patch = Without(wanted, "slug", "start");
            // What is there and not wanted any more.
            foreach (var (path, map) in new[] { ("env.", patch["env"] as JsonObject), ("remote.headers.", patch["remote"]?["headers"] as JsonObject) })
                foreach (var field in fields.Where(f => f.StartsWith(path, StringComparison.Ordinal) && map is not null && !map.ContainsKey(f[path.Length..]))) map![field[path.Length..]] = null;
            await instances.UpdateAsync(present.Id, Read<InstancePatch>(patch), user.Actor(), present.Revision, cancellationToken);
        }
        return new("instance", slug, "update", fields);
    }

    private async Task<StateChange> TokenAsync(JsonObject wanted, DeclaredState state, bool apply, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var name = Text(wanted, "name");
        var named = (await TokensAsync(cancellationToken)).Where(t => t.Name == name).ToList();
        if (named.Count > 1) throw new ProblemException(409, "ambiguous", $"There are {named.Count} tokens of the name '{name}'. Rename or delete all but one.");
        if (named.Count == 0)
        {
            if (!apply) return new("token", name, "create", []);
            var (_, value) = await tokens.CreateAsync(Read<TokenInput>(wanted), user.Actor(), cancellationToken);
            return new("token", name, "create", [], null, value);
        }
        var slugs = await SlugsAsync(cancellationToken);
        var present = TokenShape(named[0], slugs);
        var compared = (JsonObject)wanted.DeepClone();
        // The order of instances does not matter, and either name of one is good.
        foreach (var side in new[] { compared, present })
            if (side["instances"] is JsonArray ids) side["instances"] = new JsonArray([.. ids.Select(i => i?.GetValue<string>() ?? "").Select(i => slugs.GetValueOrDefault(i, i)).Order(StringComparer.Ordinal).Select(i => JsonValue.Create(i))]);
        var fields = StateCompare.Differences(compared, present);
        if (fields.Count > 0 && apply) await tokens.UpdateAsync(named[0].Id, Read<TokenPatch>(wanted), cancellationToken);
        return new("token", name, fields.Count == 0 ? "none" : "update", fields);
    }

    private async Task<Dictionary<string, string>> SlugsAsync(CancellationToken cancellationToken) => (await instances.AllAsync(cancellationToken)).ToDictionary(i => i.Id, i => i.Slug);

    /// <summary>Names the members of a virtual server by their slugs.</summary>
    private static void BySlug(JsonObject instance, Dictionary<string, string> slugs)
    {
        foreach (var member in instance["virtual"]?["members"] as JsonArray ?? [])
            if (member is JsonObject fields && slugs.TryGetValue(Text(fields, "instance"), out var slug)) fields["instance"] = slug;
    }

    private JsonObject Shape(Instance instance, IReadOnlyList<RegisteredEnvironment> engines, Dictionary<string, string> slugs)
    {
        var shape = TemplateOfInstance.Shape(instance, _json);
        BySlug(shape, slugs);
        if (engines.FirstOrDefault(e => e.Id == instance.Environment) is { } engine) shape["environment"] = engine.Name;
        if (instance.Registry is { } registry) shape["registry"] = new JsonObject { ["userName"] = registry.UserName };
        return [new("slug", instance.Slug), new("name", instance.Name), .. shape.ToList().Select(f => KeyValuePair.Create(f.Key, f.Value?.DeepClone()))];
    }

    private JsonObject TokenShape(Token token, Dictionary<string, string> slugs)
    {
        var shape = Object(new { token.Name, token.Tools, token.Prompts, token.Resources, token.Addresses, token.Limits, token.ExpiresAt, token.Enabled });
        shape["instances"] = token.AllInstances ? "*" : new JsonArray([.. token.InstanceIds.Where(slugs.ContainsKey).Select(i => JsonValue.Create(slugs[i]))]);
        return shape;
    }

    private async Task<List<Token>> TokensAsync(CancellationToken cancellationToken)
    {
        var all = new List<Token>();
        for (string? cursor = null; ;)
        {
            var page = await tokens.ListAsync(new PageQuery(Limit: 500, Cursor: cursor), null, t => t, cancellationToken);
            all.AddRange(page.Items);
            if ((cursor = page.Next) is null) return all;
        }
    }

    private static async Task<StateChange> TryAsync(string kind, string name, Func<Task<StateChange>> bring)
    {
        try
        {
            return await bring();
        }
        catch (ProblemException problem)
        {
            return new(kind, name, "failed", [.. problem.Errors?.Keys ?? []], problem.Errors is { Count: > 0 } errors ? string.Join(" ", errors.SelectMany(e => e.Value.Select(v => $"{e.Key}: {v}"))) : problem.Message);
        }
        catch (JsonException e)
        {
            return new(kind, name, "failed", [], $"It cannot be read: {e.Message}");
        }
    }

    private static void Check(DeclaredState state)
    {
        var checks = new Checks().That(state.Environments.Count + state.Templates.Count + state.Instances.Count + state.Tokens.Count <= Most, "", $"At most {Most} things at once.");
        Names("environments", state.Environments.Select(e => Text(e, "name")), "name");
        Names("templates", state.Templates.Select(t => t.Definition.Name.ToString()), "definition.name");
        Names("instances", state.Instances.Select(i => Text(i, "slug")), "slug");
        Names("tokens", state.Tokens.Select(t => Text(t, "name")), "name");
        checks.Throw();

        void Names(string kind, IEnumerable<string> names, string field)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (name, n) in names.Select((name, n) => (name, n))) checks.That(name.Length > 0, $"{kind}[{n}].{field}", "Is needed: by it the thing is known.").That(seen.Add(name), $"{kind}[{n}].{field}", "Is there twice.");
        }
    }

    private static string Text(JsonObject fields, string name) => fields[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";

    private static JsonObject Without(JsonObject fields, params ReadOnlySpan<string> names)
    {
        var copy = (JsonObject)fields.DeepClone();
        foreach (var name in names) copy.Remove(name);
        return copy;
    }

    // By way of the text: names of variables may differ in their case alone, and a node made with the API's options takes them for one.
    private static List<JsonObject> Exact(IEnumerable<JsonObject> all) => [.. all.Select(o => JsonNode.Parse(o.ToJsonString())!.AsObject())];

    private JsonObject Object(object value) => JsonNode.Parse(JsonSerializer.Serialize(value, _json))!.AsObject();

    private T Read<T>(JsonObject fields) => fields.Deserialize<T>(_json)!;
}
