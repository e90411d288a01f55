using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>One operation of the OpenAPI document.</summary>
public sealed record ApiOperation(string Method, string Path, string Policy, JsonElement Description)
{
    /// <summary>The path with every parameter filled in.</summary>
    public string PathWith(string id) => Regex.Replace(Path.TrimStart('/'), @"\{[^}]+\}", Uri.EscapeDataString(id));

    /// <summary>Content type of the body, or null when it takes none.</summary>
    public string? BodyType => Description.TryGetProperty("requestBody", out var body) ? body.GetProperty("content").EnumerateObject().First().Name : null;

    public override string ToString() => $"{Method} {Path}";

    /// <summary>All operations.</summary>
    public static async Task<IReadOnlyList<ApiOperation>> AllAsync(TestApp app, CancellationToken cancellationToken)
    {
        var document = JsonDocument.Parse(await app.Nobody.GetStringAsync("openapi/v1.json", cancellationToken)).RootElement;
        var operations = new List<ApiOperation>();
        foreach (var path in document.GetProperty("paths").EnumerateObject())
            foreach (var operation in path.Value.EnumerateObject())
                if (operation.Name is "get" or "post" or "put" or "patch" or "delete")
                    operations.Add(new ApiOperation(operation.Name.ToUpperInvariant(), path.Name, operation.Value.GetProperty("x-mcpcan-policy").GetString()!, operation.Value));
        Assert.True(operations.Count > 15);
        return operations;
    }

    /// <summary>A request with a body of the right type that says nothing.</summary>
    public HttpRequestMessage Request(string id = "x-unknown", HttpContent? body = null)
    {
        var request = new HttpRequestMessage(new HttpMethod(Method), PathWith(id));
        request.Content = body ?? BodyType switch
        {
            null => null,
            "application/json" => new StringContent("{}", null, "application/json"),
            "multipart/form-data" => new MultipartFormDataContent { { new StringContent(""), "file", "nothing.zip" } },
            var type => new StringContent("", null, type),
        };
        return request;
    }
}
