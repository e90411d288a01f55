using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Packages;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace McpCan.Server.Market;

/// <summary>A template for somebody: one of this installation, or a case of the library.</summary>
/// <param name="Id">Its id; a case's begins with <c>case-</c>.</param>
/// <param name="Definition">What it makes and asks for.</param>
/// <param name="Stored">Where it is stored; null for a case.</param>
public sealed record AnyTemplate(string Id, TemplateDefinition Definition, Template? Stored);

/// <summary>A new template, or the whole of a changed one.</summary>
/// <param name="Definition">What it makes and asks for.</param>
/// <param name="Roles">Roles whose people see it; all unless told.</param>
public sealed record TemplateInput(TemplateDefinition Definition, IReadOnlyList<string>? Roles = null);

/// <summary>What is to be made of a template.</summary>
public sealed record TemplateUse
{
    /// <summary>The instance's name; the template's unless told.</summary>
    public string? Name { get; init; }
    /// <summary>Name in the address.</summary>
    public string? Slug { get; init; }
    /// <summary>Environment's id in place of the template's.</summary>
    public string? Environment { get; init; }
    /// <summary>Values of the parameters: a text, number or yes/no; a list of texts where several are taken.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }
    /// <summary>Whether it is started at once.</summary>
    public bool Start { get; init; } = true;
}

/// <summary>The commands on templates; API and console call the same.</summary>
public sealed class TemplateManager(IDbContextFactory<McpCanDb> databases, CaseLibrary cases, ExamplePackages examples, InstanceManager instances, IOptions<JsonOptions> json, TimeProvider time)
{
    private readonly JsonSerializerOptions _json = json.Value.SerializerOptions;

    /// <summary>All that somebody may see, by name: own templates first, then the library.</summary>
    public async Task<IReadOnlyList<AnyTemplate>> AllAsync(ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var own = (await db.Templates.AsNoTracking().ToListAsync(cancellationToken)).Where(t => Sees(user, t)).Select(t => new AnyTemplate(t.Id, t.Definition, t));
        return [.. own.OrderBy(t => t.Definition.Name.ToString(), StringComparer.CurrentCultureIgnoreCase), .. cases.All];
    }

    /// <summary>One template.</summary>
    /// <exception cref="ProblemException">404 when there is none that somebody may see.</exception>
    public async Task<AnyTemplate> GetAsync(string id, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        if (cases.Find(id) is { } found) return found;
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var template = await FindAsync(db, id, user, cancellationToken);
        return new(template.Id, template.Definition, template);
    }

    /// <summary>Stores a template: made from scratch, from an instance, or from an exported file.</summary>
    public async Task<AnyTemplate> CreateAsync(TemplateInput input, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        Check(input);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var now = time.GetUtcNow();
        var template = new Template { Id = Ids.New("tp"), Definition = input.Definition, Roles = [.. input.Roles ?? Roles.All], CreatedBy = user.Actor(), CreatedAt = now, UpdatedAt = now, Revision = 1 };
        db.Templates.Add(template);
        await db.SaveChangesAsync(cancellationToken);
        return new(template.Id, template.Definition, template);
    }

    /// <summary>Replaces a template. Instances made of it stay as they are.</summary>
    /// <param name="id">Which one.</param>
    /// <param name="input">All of it.</param>
    /// <param name="revision">The revision that the caller knows; another one is answered by 412.</param>
    /// <param name="user">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<AnyTemplate> UpdateAsync(string id, TemplateInput input, long? revision, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        NotBuiltIn(id);
        Check(input);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var template = await FindAsync(db, id, user, cancellationToken);
        if (revision is { } known && known != template.Revision)
            throw new ProblemException(412, "changed-meanwhile", $"The template was changed in the meantime: its revision is {template.Revision}, not {known}. Read it again and repeat the change.");
        (template.Definition, template.UpdatedAt) = (input.Definition, time.GetUtcNow());
        if (input.Roles is { } roles) template.Roles = [.. roles];
        template.Revision++;
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateConcurrencyException)
        {
            throw new ProblemException(412, "changed-meanwhile", "The template was changed in this moment. Read it again and repeat the change.");
        }
        return new(template.Id, template.Definition, template);
    }

    /// <summary>Forgets a template. Instances made of it stay.</summary>
    public async Task DeleteAsync(string id, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        NotBuiltIn(id);
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        db.Templates.Remove(await FindAsync(db, id, user, cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
    }

    /// <summary>A definition that would make an instance like one that is there; its secrets become parameters.</summary>
    public async Task<TemplateDefinition> OfInstanceAsync(string idOrSlug, CancellationToken cancellationToken) =>
        TemplateOfInstance.Make(await instances.GetAsync(idOrSlug, cancellationToken), _json);

    /// <summary>What would be made of a template, in the form of <c>POST /instances</c>.</summary>
    /// <exception cref="ProblemException">Values are missing or wrong: <c>values.KEY</c>.</exception>
    public InstanceInput Fill(AnyTemplate template, TemplateUse use)
    {
        var checks = new Checks();
        var values = TemplateValues.Read(template.Definition.Parameters, use.Values, checks);
        checks.Throw();
        var filled = TemplateFill.Fill(template.Definition.Instance, values);
        (filled["source"] as JsonObject)?.Remove("example");
        filled["name"] = use.Name ?? template.Definition.Name.ToString();
        if (use.Slug is { Length: > 0 } slug) filled["slug"] = slug;
        if (use.Environment is { Length: > 0 } environment) filled["environment"] = environment;
        filled["start"] = use.Start;
        try
        {
            return filled.Deserialize<InstanceInput>(_json)!;
        }
        catch (JsonException e)
        {
            throw new ProblemException(400, "invalid", $"With these values the template makes no instance: {e.Message}");
        }
    }

    /// <summary>Makes an instance.</summary>
    /// <param name="template">The template.</param>
    /// <param name="use">Name and values.</param>
    /// <param name="actor">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="code">The version of a package that it runs, in place of what the template says.</param>
    public async Task<Instance> InstantiateAsync(AnyTemplate template, TemplateUse use, string actor, CancellationToken cancellationToken, PackageVersion? code = null)
    {
        var input = Fill(template, use);
        if (template.Stored is null && template.Definition.Instance["source"]?["example"]?.GetValue<string>() is { } example) code = await examples.EnsureAsync(example, actor, cancellationToken);
        if (code is not null) input = input with { Source = input.Source! with { PackageId = code.PackageId, Version = code.Version } };
        return await instances.CreateAsync(input, actor, cancellationToken);
    }

    private void Check(TemplateInput input)
    {
        var checks = new Checks();
        TemplateRules.Check(input.Definition, input.Roles ?? [], _json, checks);
        checks.That(input.Definition.Instance["source"]?["example"] is null, "definition.instance.source.example", "Only the library has example code: upload it as a package, and name the package.");
        checks.Throw();
    }

    private static async Task<Template> FindAsync(McpCanDb db, string id, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        await db.Templates.FirstOrDefaultAsync(t => t.Id == id, cancellationToken) is { } template && Sees(user, template) ? template : throw ProblemException.NotFound("template", id);

    private static bool Sees(ClaimsPrincipal user, Template template) => user.Role() is { } role && (role == Roles.Admin || template.Roles.Contains(role) || template.CreatedBy == user.Actor());

    private void NotBuiltIn(string id)
    {
        if (cases.Find(id) is not null) throw new ProblemException(409, "built-in", "A case of the library cannot be changed. Make a template of your own from it.");
    }
}
