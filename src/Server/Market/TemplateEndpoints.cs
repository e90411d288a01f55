using System.ComponentModel;
using System.Globalization;
using System.Security.Claims;
using System.Text.Json.Nodes;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Market;

/// <summary>A template as the API shows it, in the language of the request.</summary>
/// <param name="Id">Its id.</param>
/// <param name="BuiltIn">Whether it is a case of the library, which nobody can change.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Description">What the server is good for.</param>
/// <param name="Category">A word to group by.</param>
/// <param name="Homepage">Where to read more.</param>
/// <param name="Mode">Mode of the instances that it makes.</param>
/// <param name="Parameters">What is asked for.</param>
/// <param name="Instance">The instance, with <c>{{key}}</c> where values go.</param>
/// <param name="Roles">Roles whose people see it.</param>
/// <param name="CreatedBy">Who made it.</param>
/// <param name="CreatedAt">When.</param>
/// <param name="UpdatedAt">Last change.</param>
/// <param name="Revision">Counts changes.</param>
public sealed record TemplateView(
    string Id, bool BuiltIn, string Name, string? Description, string? Category, string? Homepage, string Mode, IReadOnlyList<ParameterView> Parameters, JsonObject Instance,
    IReadOnlyList<string> Roles, string? CreatedBy, DateTimeOffset? CreatedAt, DateTimeOffset? UpdatedAt, long Revision)
{
    internal static TemplateView Of(AnyTemplate t) => new(
        t.Id, t.Stored is null, t.Definition.Name.ToString(), t.Definition.Description?.ToString(), t.Definition.Category, t.Definition.Homepage, t.Definition.Mode(),
        [.. t.Definition.Parameters.Select(ParameterView.Of)], t.Definition.Instance, t.Stored?.Roles ?? [.. Access.Roles.All], t.Stored?.CreatedBy, t.Stored?.CreatedAt, t.Stored?.UpdatedAt, t.Stored?.Revision ?? 0);
}

/// <summary>A parameter as the API shows it, in the language of the request.</summary>
public sealed record ParameterView(
    string Key, string Type, string Label, string? Help, bool Required, object? Default, IReadOnlyList<string>? Options, string? Pattern, double? Minimum, double? Maximum, bool Multiple)
{
    internal static ParameterView Of(TemplateParameter p) => new(p.Key, p.Type, p.Label?.ToString() ?? p.Key, p.Help?.ToString(), p.Required, p.Default, p.Options, p.Pattern, p.Minimum, p.Maximum, p.Multiple);
}

internal static class TemplateEndpoints
{
    public static void MapTemplates(this RouteGroupBuilder api)
    {
        var all = api.MapGroup("/templates").WithTags("Templates");
        all.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listTemplates").WithSummary("List templates that you may see: own ones first, then the built-in cases");
        all.MapPost("", Create).RequireAuthorization(Policies.Operate).WithName("createTemplate").WithSummary("Create a template; an exported file goes into 'definition'");
        all.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getTemplate").WithSummary("Get a template");
        all.MapPut("/{id}", Update).RequireAuthorization(Policies.Operate).WithName("updateTemplate").WithSummary("Replace a template; instances made of it stay as they are");
        all.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Operate).WithName("deleteTemplate").WithSummary("Delete a template; instances made of it stay");
        all.MapGet("/{id}/export", Export).RequireAuthorization(Policies.Read).WithName("exportTemplate").WithSummary("A template's definition as a file, in all of its languages");
        all.MapPost("/{id}/instances", Instantiate).RequireAuthorization(Policies.Operate).WithName("createInstanceFromTemplate").WithSummary("Make an instance of a template, and start it unless 'start' is false");
        api.MapGet("/instances/{id}/template", OfInstance).WithTags("Templates").RequireAuthorization(Policies.Read).WithName("getInstanceTemplate")
            .WithSummary("A definition that would make an instance like this one; its secrets become parameters");
    }

    private static async Task<Ok<Page<TemplateView>>> List(
        [AsParameters] PageQuery page, [Description("Only this category.")] string? category, [Description("Only built-in cases, or only own templates.")] bool? builtIn,
        TemplateManager templates, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var found = (await templates.AllAsync(user, cancellationToken)).Select(TemplateView.Of)
            .Where(t => (category is null || t.Category == category) && (builtIn is null || t.BuiltIn == builtIn) && (page.Search is not { Length: > 0 } text || Has(t.Name, text) || Has(t.Description, text)));
        return TypedResults.Ok(found.ToList().ToPage(page, t => t));

        static bool Has(string? where, string text) => where?.Contains(text, StringComparison.CurrentCultureIgnoreCase) == true;
    }

    private static async Task<Created<TemplateView>> Create(TemplateInput input, TemplateManager templates, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var template = await templates.CreateAsync(input, user, cancellationToken);
        return TypedResults.Created($"/api/v1/templates/{template.Id}", TemplateView.Of(template));
    }

    private static async Task<Ok<TemplateView>> Get(string id, TemplateManager templates, ClaimsPrincipal user, HttpContext http, CancellationToken cancellationToken)
    {
        var template = await templates.GetAsync(id, user, cancellationToken);
        if (template.Stored is { } stored) http.Response.Headers.ETag = $"\"{stored.Revision.ToString(CultureInfo.InvariantCulture)}\"";
        return TypedResults.Ok(TemplateView.Of(template));
    }

    private static async Task<Ok<TemplateView>> Update(string id, TemplateInput input, [FromHeader(Name = "If-Match")] string? ifMatch, TemplateManager templates, ClaimsPrincipal user, CancellationToken cancellationToken) =>
        TypedResults.Ok(TemplateView.Of(await templates.UpdateAsync(id, input, ifMatch is null or "*" ? null : long.TryParse(ifMatch.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var known) ? known : -1, user, cancellationToken)));

    private static async Task<NoContent> Delete(string id, TemplateManager templates, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        await templates.DeleteAsync(id, user, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<TemplateDefinition>> Export(string id, TemplateManager templates, ClaimsPrincipal user, HttpContext http, CancellationToken cancellationToken)
    {
        var template = await templates.GetAsync(id, user, cancellationToken);
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{template.Id}.json\"";
        return TypedResults.Ok(template.Definition);
    }

    private static async Task<Results<Accepted<InstanceView>, Created<InstanceView>>> Instantiate(
        string id, TemplateUse use, TemplateManager templates, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken)
    {
        var instance = await templates.InstantiateAsync(await templates.GetAsync(id, user, cancellationToken), use, user.Actor(), cancellationToken);
        var view = InstanceView.Of(instance, address.Of(http.Request));
        var location = $"/api/v1/instances/{instance.Id}";
        return use.Start && instance.Mode != InstanceModes.Direct ? TypedResults.Accepted(location, view) : TypedResults.Created(location, view);
    }

    private static async Task<Ok<TemplateDefinition>> OfInstance(string id, TemplateManager templates, CancellationToken cancellationToken) =>
        TypedResults.Ok(await templates.OfInstanceAsync(id, cancellationToken));
}
