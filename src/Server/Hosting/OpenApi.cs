using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Scalar.AspNetCore;

namespace McpCan.Server.Hosting;

/// <summary>The API's description at <c>/openapi/v1.json</c> and its page at <c>/reference</c>.</summary>
internal static class OpenApi
{
    /// <summary>Extension of each operation that names its authorization policy.</summary>
    public const string PolicyExtension = "x-mcpcan-policy";

    public static void AddApiDescription(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.ShouldInclude = d => d.RelativePath?.StartsWith("api/v1", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer(Describe);
        options.AddOperationTransformer(Secure);
        options.AddSchemaTransformer(Simplify);
    });

    public static void MapApiDescription(this IEndpointRouteBuilder routes)
    {
        // The description is the same for everybody and part of the published source, so it needs no key.
        routes.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous().CacheOutput(p => p.SetVaryByQuery([]));
        routes.MapScalarApiReference("/reference", o => o
            .WithTitle("MCPCAN API")
            .WithOpenApiRoutePattern("/openapi/{documentName}.json")
            .DisableDefaultFonts()
            .DisableAgent()
            .DisableTelemetry()).RequireAuthorization();
        // What the command line's mcpcan.json may hold, for editors; they have no key either.
        routes.MapGet("/schemas/mcpcan.json", () => TypedResults.Stream(typeof(OpenApi).Assembly.GetManifestResourceStream("mcpcan.schema.json")!, "application/schema+json"))
            .AllowAnonymous().ExcludeFromDescription();
    }

    private static Task Describe(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "MCPCAN API",
            Version = "v1",
            Description = "Manage MCP servers, their tokens and logs. Errors are application/problem+json with a stable 'code'.",
        };
        document.Servers = [new OpenApiServer { Url = "/" }];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["apiKey"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An API key: 'Authorization: Bearer mck_…'." },
            ["cookie"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Cookie, Name = "mcpcan.session", Description = "The console's cookie; writes also need the header 'X-MCPCAN-CSRF: 1'." },
        };
        return Task.CompletedTask;
    }

    private static Task Secure(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var anonymous = metadata.OfType<IAllowAnonymous>().Any();
        // The endpoint's own policy comes after its group's.
        var policy = anonymous ? "anonymous" : metadata.OfType<IAuthorizeData>().LastOrDefault(a => a.Policy is not null)?.Policy ?? "read";
        operation.AddExtension(PolicyExtension, new JsonNodeExtension(policy));
        operation.Responses ??= [];
        foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
            if (parameter is { In: ParameterLocation.Query, Name: { } name }) parameter.Name = JsonNamingPolicy.CamelCase.ConvertName(name);
        Problem(operation, "default", "Problem details with 'code', 'detail', 'errors' and 'traceId'.");
        if (anonymous) return Task.CompletedTask;
        operation.Security =
        [
            new() { [new OpenApiSecuritySchemeReference("apiKey", context.Document)] = [] },
            new() { [new OpenApiSecuritySchemeReference("cookie", context.Document)] = [] },
        ];
        Problem(operation, "401", "Nobody is signed in, or the API key is not valid.");
        Problem(operation, "403", $"The role does not carry the right '{policy}'.");
        return Task.CompletedTask;
    }

    private static void Problem(OpenApiOperation operation, string status, string description) => operation.Responses!.TryAdd(status, new OpenApiResponse
    {
        Description = description,
        Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = new OpenApiMediaType() },
    });

    /// <summary>Describes what our own converters hide: texts, and the type that a <see cref="Patch{T}"/> carries.</summary>
    private static async Task Simplify(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var info = context.JsonTypeInfo;
        if (info.Type == typeof(string)) schema.Type = JsonSchemaType.String;
        if (info.ElementType == typeof(string))
        {
            if (info.Kind == JsonTypeInfoKind.Dictionary) schema.AdditionalProperties = new OpenApiSchema { Type = JsonSchemaType.String };
            else schema.Items = new OpenApiSchema { Type = JsonSchemaType.String };
        }
        if (info.Type.IsGenericType && info.Type.GetGenericTypeDefinition() == typeof(Patch<>))
        {
            var inner = await context.GetOrCreateSchemaAsync(info.Type.GetGenericArguments()[0], null, cancellationToken);
            (schema.Type, schema.Format, schema.Items, schema.OneOf, schema.Properties, schema.Enum, schema.AdditionalProperties) =
                (inner.Type, inner.Format, inner.Items, inner.OneOf, inner.Properties, inner.Enum, inner.AdditionalProperties);
        }
        if (context.JsonPropertyInfo is { } property && schema.Type is { } type) schema.Type = IsNullable(property) ? type | JsonSchemaType.Null : type & ~JsonSchemaType.Null;
    }

    private static bool IsNullable(JsonPropertyInfo property) =>
        Nullable.GetUnderlyingType(property.PropertyType) is not null
        || (property.PropertyType.IsGenericType && property.PropertyType.GetGenericTypeDefinition() == typeof(Patch<>) && Nullable.GetUnderlyingType(property.PropertyType.GetGenericArguments()[0]) is not null)
        || (!property.PropertyType.IsValueType && property.AttributeProvider is PropertyInfo declared && new NullabilityInfoContext().Create(declared).ReadState == NullabilityState.Nullable);
}
