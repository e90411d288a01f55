using System.ComponentModel;
using System.Globalization;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace McpCan.Server.Instances;

internal static class InstanceEndpoints
{
    public static void MapInstances(this RouteGroupBuilder api)
    {
        var all = api.MapGroup("/instances").WithTags("Instances");
        all.MapGet("", List).RequireAuthorization(Policies.Read).WithName("listInstances").WithSummary("List instances; trouble first unless sorted otherwise");
        all.MapPost("", Create).RequireAuthorization(Policies.Operate).WithName("createInstance").WithSummary("Create an instance, and start it unless 'start' is false")
            .WithDescription("Answers 202 when it is being started, else 201. A repeated 'Idempotency-Key' gives the instance that the first request made.");
        all.MapGet("/{id}", Get).RequireAuthorization(Policies.Read).WithName("getInstance").WithSummary("Get an instance by id or slug");
        all.MapPatch("/{id}", Update).RequireAuthorization(Policies.Operate).WithName("updateInstance").WithSummary("Change an instance (JSON merge patch)")
            .WithDescription("Send the ETag that you read as 'If-Match' to be refused (412) when somebody else was faster. What affects the run starts a new one.");
        all.MapDelete("/{id}", Delete).RequireAuthorization(Policies.Operate).WithName("deleteInstance").WithSummary("Delete an instance with its workload, files and logs");
        all.MapPost("/{id}/start", Start).RequireAuthorization(Policies.Operate).WithName("startInstance").WithSummary("Start an instance; a proxied one is switched on");
        all.MapPost("/{id}/stop", Stop).RequireAuthorization(Policies.Operate).WithName("stopInstance").WithSummary("Stop an instance, a proxied one is switched off; what the next start needs stays");
        all.MapPost("/{id}/restart", Restart).RequireAuthorization(Policies.Operate).WithName("restartInstance").WithSummary("Restart an instance");
        all.MapPost("/{id}/probe", Probe).RequireAuthorization(Policies.Operate).WithName("probeInstance").WithSummary("Check an instance step by step: what is wrong, the likely cause, and how to mend it")
            .WithDescription("Answers 200 also when it is not well: 'ok' is false then, 'finding' says what it is, 'cause' and 'mend' say it in words.");
        all.MapPost("/detect", Detect).RequireAuthorization(Policies.Operate).WithName("detectRemote").WithSummary("Find out what answers at the address of a remote server")
            .WithDescription("Answers 200 also when nothing usable was found: 'ok' is false then, and 'error' says why. With 'instance' the stored secrets of that instance are used where 'remote' keeps them.");
        all.MapGet("/{id}/usage", Usage).RequireAuthorization(Policies.Read).WithName("getInstanceUsage").WithSummary("CPU, memory and sessions of a running instance");
        all.MapGet("/{id}/events", Events).RequireAuthorization(Policies.Read).WithName("listInstanceEvents").WithSummary("What happened to an instance, newest first");
        all.MapGet("/{id}/client-config", ClientConfiguration).RequireAuthorization(Policies.Read).WithName("getClientConfig").WithSummary("Configuration that connects a client to an instance");
        all.MapPost("/import", Import).RequireAuthorization(Policies.Operate).WithName("importInstances").WithSummary("Read 'mcpServers' JSON; with ?apply=true create what was understood")
            .Accepts<Dictionary<string, object>>("application/json").WithMetadata(new RequestSizeLimitAttribute(1 << 20));
    }

    private static async Task<Ok<Page<InstanceView>>> List(
        [AsParameters] PageQuery page, [Description("Only this mode.")] string? mode, [Description("Only these states, separated by commas.")] string? status,
        [Description("Only this environment.")] string? environment, InstanceManager instances, PublicAddress address, HttpRequest request, CancellationToken cancellationToken) =>
        TypedResults.Ok(await instances.ListAsync(new InstanceQuery(page, mode, status, environment), View(address, request), cancellationToken));

    private static async Task<Results<Accepted<InstanceView>, Created<InstanceView>>> Create(
        InstanceInput input, [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken)
    {
        var instance = await instances.CreateAsync(input, user.Actor(), idempotencyKey, cancellationToken);
        var view = Shown(instance, address, http);
        return input.Start && instance.Mode != InstanceModes.Direct ? TypedResults.Accepted(Location(instance), view) : TypedResults.Created(Location(instance), view);
    }

    private static async Task<Ok<InstanceView>> Get(string id, InstanceManager instances, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        TypedResults.Ok(Shown(await instances.GetAsync(id, cancellationToken), address, http));

    private static async Task<Ok<InstanceView>> Update(
        string id, InstancePatch patch, [FromHeader(Name = "If-Match")] string? ifMatch, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        TypedResults.Ok(Shown(await instances.UpdateAsync(id, patch, user.Actor(), Revision(ifMatch), cancellationToken), address, http));

    private static async Task<Accepted<InstanceView>> Delete(string id, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        Accepted(await instances.DeleteAsync(id, user.Actor(), cancellationToken), address, http);

    private static async Task<Accepted<InstanceView>> Start(string id, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        Accepted(await instances.StartAsync(id, user.Actor(), cancellationToken), address, http);

    private static async Task<Accepted<InstanceView>> Stop(string id, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        Accepted(await instances.StopAsync(id, user.Actor(), cancellationToken), address, http);

    private static async Task<Accepted<InstanceView>> Restart(string id, InstanceManager instances, ClaimsPrincipal user, PublicAddress address, HttpContext http, CancellationToken cancellationToken) =>
        Accepted(await instances.RestartAsync(id, user.Actor(), cancellationToken), address, http);

    private static async Task<Ok<Diagnosis>> Probe(string id, InstanceManager instances, InstanceDoctor doctor, CancellationToken cancellationToken) =>
        TypedResults.Ok(await doctor.CheckAsync(await instances.GetAsync(id, cancellationToken), cancellationToken));

    private static async Task<Ok<RemoteFindings>> Detect(DetectInput input, RemoteProbe remotes, CancellationToken cancellationToken) =>
        TypedResults.Ok(await remotes.DetectAsync(input, cancellationToken));

    private static async Task<Ok<UsageView>> Usage(string id, InstanceManager instances, InstanceInspector inspector, CancellationToken cancellationToken) =>
        TypedResults.Ok(await inspector.UsageAsync(await instances.GetAsync(id, cancellationToken), cancellationToken));

    private static async Task<Ok<Page<EventView>>> Events(string id, [AsParameters] PageQuery page, InstanceManager instances, CancellationToken cancellationToken) =>
        TypedResults.Ok(await instances.EventsAsync(id, page, EventView.Of, cancellationToken));

    private static async Task<Ok<ClientConfigView>> ClientConfiguration(
        string id, [Description("Which client, for example cursor.")] string? client, InstanceManager instances, PublicAddress address, HttpRequest request, CancellationToken cancellationToken)
    {
        var instance = await instances.GetAsync(id, cancellationToken);
        var config = ClientConfig.For(client ?? "", instance, AddressView.Of(instance, address.Of(request)));
        return TypedResults.Ok(config ?? throw new ProblemException(400, "unknown-client", $"'client' must be one of {string.Join(", ", ClientConfig.Clients)}."));
    }

    private static async Task<Ok<ImportView>> Import(
        HttpRequest request, [Description("Create what was understood.")] bool? apply, [Description("Start what is created (default: yes).")] bool? start,
        [Description("'direct' keeps every server on file only; else servers with an address are proxied and those with a command managed.")] string? mode,
        InstanceManager instances, ClaimsPrincipal user, PublicAddress address, CancellationToken cancellationToken)
    {
        new Checks().That(mode is null || InstanceModes.All.Contains(mode), "mode", $"Must be one of {string.Join(", ", InstanceModes.All)}.").Throw();
        using var reader = new StreamReader(request.Body, new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true));
        string text;
        try
        {
            text = await reader.ReadToEndAsync(cancellationToken);
        }
        catch (System.Text.DecoderFallbackException)
        {
            throw new ProblemException(400, "bad-json", "The body is not valid UTF-8 text.");
        }
        var entries = new List<ImportEntryView>();
        foreach (var server in McpServersImport.Parse(text, mode ?? InstanceModes.Managed))
            entries.Add(await ImportOneAsync(server, apply == true, start ?? true, instances, user.Actor(), View(address, request), cancellationToken));
        return TypedResults.Ok(new ImportView(entries));
    }

    /// <summary>One entry; a bad one does not keep the others from being created.</summary>
    private static async Task<ImportEntryView> ImportOneAsync(
        ImportedServer server, bool apply, bool start, InstanceManager instances, string actor, Func<Instance, InstanceView> view, CancellationToken cancellationToken)
    {
        var entry = ImportEntryView.Of(server);
        if (!apply || server.Input is null) return entry;
        try
        {
            var ready = start && server.Start && server.Missing.Count == 0;
            return entry with { Created = view(await instances.CreateAsync(server.Input with { Start = ready }, actor, cancellationToken)) };
        }
        catch (ProblemException problem)
        {
            return entry with { Problem = problem.Message };
        }
    }

    private static Accepted<InstanceView> Accepted(Instance instance, PublicAddress address, HttpContext http) =>
        TypedResults.Accepted(Location(instance), Shown(instance, address, http));

    private static InstanceView Shown(Instance instance, PublicAddress address, HttpContext http)
    {
        http.Response.Headers.ETag = $"\"{instance.Revision.ToString(CultureInfo.InvariantCulture)}\"";
        return InstanceView.Of(instance, address.Of(http.Request));
    }

    private static Func<Instance, InstanceView> View(PublicAddress address, HttpRequest request)
    {
        var url = address.Of(request);
        return i => InstanceView.Of(i, url);
    }

    private static string Location(Instance instance) => $"/api/v1/instances/{instance.Id}";

    private static long? Revision(string? ifMatch)
    {
        if (ifMatch is null or "*") return null;
        var text = ifMatch.StartsWith("W/", StringComparison.Ordinal) ? ifMatch[2..] : ifMatch;
        // A tag that we never gave out matches nothing.
        return long.TryParse(text.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : -1;
    }
}
