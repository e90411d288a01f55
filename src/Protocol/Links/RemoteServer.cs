namespace McpCan.Protocol.Links;

/// <summary>Where a remote server is and how it is spoken to; opens links to it.</summary>
/// <param name="Http">Sends the requests. It must not follow redirects, keep cookies or decompress.</param>
/// <param name="Url">The MCP address; for HTTP+SSE that of the stream.</param>
/// <param name="Headers">Headers of every request; they replace ours of the same name.</param>
public sealed record RemoteServer(HttpMessageInvoker Http, Uri Url, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    /// <summary>How long the first byte of an answer may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>How long an open answer stream may be silent.</summary>
    public TimeSpan StreamIdleTimeout { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>The longest message that is taken from the server.</summary>
    public int MaxMessageBytes { get; init; } = 64 * 1024 * 1024;
    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>A link by Streamable HTTP; <paramref name="modern"/> for a server of 2026-07-28, else one of the legacy revisions. Nothing is sent yet.</summary>
    public StreamableHttpLink OpenStreamable(bool modern) => new(this, modern);

    /// <summary>A link by HTTP+SSE (2024-11-05), once its stream is open. Throws <see cref="RemoteException"/>.</summary>
    public Task<SseLink> OpenSseAsync(CancellationToken cancellationToken) => SseLink.OpenAsync(this, cancellationToken);

    /// <summary>A request with the configured headers and what all requests say.</summary>
    internal HttpRequestMessage CreateRequest(HttpMethod method, Uri url, string accept, byte[]? body)
    {
        var request = new HttpRequestMessage(method, url);
        request.Headers.TryAddWithoutValidation("Accept", accept);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        request.Headers.TryAddWithoutValidation("User-Agent", "mcpcan");
        if (body is null) return request;
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        return request;
    }

    /// <summary>Adds the configured headers, last, so that they replace.</summary>
    internal void AddHeaders(HttpRequestMessage request)
    {
        foreach (var (name, value) in Headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }
}
