namespace McpCan.Server.Market.Sources;

/// <summary>Reads all entries of one kind of source.</summary>
internal interface ISourceReader
{
    /// <summary>One of <see cref="SourceKinds"/>.</summary>
    string Kind { get; }

    /// <summary>All entries, page after page.</summary>
    /// <param name="url">The source's address.</param>
    /// <param name="token">Its bearer token, or null.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="SourceException">It cannot be read.</exception>
    IAsyncEnumerable<MarketItem> ReadAsync(Uri url, string? token, CancellationToken cancellationToken);
}
