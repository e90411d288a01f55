namespace McpCan.Server.Market.Sources;

/// <summary>A library of servers that somebody else keeps.</summary>
public sealed class MarketSource
{
    /// <summary>Opaque id, <c>ms-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people; unique.</summary>
    public required string Name { get; set; }
    /// <summary>One of <see cref="SourceKinds"/>.</summary>
    public required string Kind { get; set; }
    /// <summary>Base address, or the catalogue's address.</summary>
    public required string Url { get; set; }
    /// <summary>What it wants as bearer token, encrypted; null for nothing.</summary>
    public string? Token { get; set; }
    /// <summary>Hours after which it is read again; 0 for only when somebody asks.</summary>
    public int RefreshHours { get; set; }
    /// <summary>Names of entries that are offered, <c>*</c> standing for any text; empty for all.</summary>
    public List<string> Offered { get; set; } = [];
    /// <summary>When its entries were read last; null for never.</summary>
    public DateTimeOffset? RefreshedAt { get; set; }
    /// <summary>When that was tried last.</summary>
    public DateTimeOffset? TriedAt { get; set; }
    /// <summary>Why the last try failed; null when it did not.</summary>
    public string? Problem { get; set; }
    /// <summary>Number of entries of the last copy.</summary>
    public int Count { get; set; }
    /// <summary>User or API key that added it.</summary>
    public string? CreatedBy { get; set; }
}

/// <summary>Kinds of sources.</summary>
public static class SourceKinds
{
    /// <summary>A registry with the MCP registry's API (v0.1).</summary>
    public const string Registry = "registry";
    /// <summary>The ModelScope MCP market.</summary>
    public const string ModelScope = "modelscope";
    /// <summary>A JSON file with templates, of the organisation's own.</summary>
    public const string Catalogue = "catalogue";

    /// <summary>All of them.</summary>
    public static readonly string[] All = [Registry, ModelScope, Catalogue];

    /// <summary>The public ones, to be added with one click. None is asked before an administrator adds it.</summary>
    public static readonly IReadOnlyList<(string Name, string Kind, string Url)> Known =
    [
        ("MCP Registry", Registry, "https://registry.modelcontextprotocol.io"),
        ("ModelScope", ModelScope, "https://www.modelscope.cn"),
    ];
}

/// <summary>An entry of a source, as read last.</summary>
public sealed class MarketEntry
{
    /// <summary>The source's id.</summary>
    public required string SourceId { get; set; }
    /// <summary>Its name there.</summary>
    public required string Name { get; set; }
    /// <summary>Name for people.</summary>
    public required string Title { get; set; }
    /// <summary>Name, title and description in lower case.</summary>
    public required string SearchText { get; set; }
    /// <summary>Whether one of its forms can be deployed.</summary>
    public bool Deployable { get; set; }
    /// <summary>All that is known.</summary>
    public required MarketItem Item { get; set; }
}

/// <summary>What a source says of a server.</summary>
public sealed record MarketItem
{
    /// <summary>Its name there.</summary>
    public required string Name { get; init; }
    /// <summary>Name for people.</summary>
    public required string Title { get; init; }
    /// <summary>What it is good for.</summary>
    public string? Description { get; init; }
    /// <summary>Newest version.</summary>
    public string? Version { get; init; }
    /// <summary>Who published it: the namespace of its name, which a registry has verified, or what the source says.</summary>
    public string? Publisher { get; init; }
    /// <summary>Where its code lies.</summary>
    public string? Repository { get; init; }
    /// <summary>Where to read more.</summary>
    public string? Homepage { get; init; }
    /// <summary>Words to group by.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];
    /// <summary>Whether its publisher says not to use it any more.</summary>
    public bool Deprecated { get; init; }
    /// <summary>When it was last changed there.</summary>
    public DateTimeOffset? UpdatedAt { get; init; }
    /// <summary>Ways to have it.</summary>
    public IReadOnlyList<MarketForm> Forms { get; init; } = [];
}

/// <summary>A way to have a server: a package, an image, a remote address.</summary>
/// <param name="Kind"><c>npm</c>, <c>pypi</c>, <c>oci</c>, <c>nuget</c>, <c>mcpb</c>, <c>remote</c>, <c>template</c> or what the source says.</param>
/// <param name="Label">What it is, for people: the package's or image's name, or the address.</param>
/// <param name="Definition">The template that makes it; null when it cannot be made.</param>
/// <param name="WhyNot">Why it cannot be made; null when it can.</param>
/// <param name="Bundle">Where the bundle lies that has to be fetched first.</param>
public sealed record MarketForm(string Kind, string Label, TemplateDefinition? Definition, string? WhyNot = null, BundleAddress? Bundle = null);

/// <summary>A bundle to fetch.</summary>
/// <param name="Url">Its address.</param>
/// <param name="Sha256">Its checksum, lower-case hex.</param>
public sealed record BundleAddress(string Url, string Sha256);
