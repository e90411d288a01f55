namespace McpCan.Server.Hosting;

/// <summary>The address under which clients reach us.</summary>
public sealed class PublicAddress(McpCanOptions options)
{
    /// <summary>Without a trailing slash: <see cref="McpCanOptions.PublicUrl"/>, or as the request says.</summary>
    public string Of(HttpRequest request) => options.PublicUrl?.TrimEnd('/') ?? $"{request.Scheme}://{request.Host}{request.PathBase}";

    /// <summary>The same from a page's base address (<c>NavigationManager.BaseUri</c>).</summary>
    public string Of(string baseUri) => options.PublicUrl?.TrimEnd('/') ?? baseUri.TrimEnd('/');
}
