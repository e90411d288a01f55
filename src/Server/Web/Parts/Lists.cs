using McpCan.Server.Hosting;
using McpCan.Server.Packages;

namespace McpCan.Server.Web.Parts;

/// <summary>Whole lists for pages that filter while a person types.</summary>
internal static class Lists
{
    private const int PerPage = 500;

    public static Task<List<Package>> AllAsync(this PackageManager packages, CancellationToken cancellationToken) =>
        AllAsync((page, c) => packages.ListAsync(page, p => p, c), "name", cancellationToken);

    public static async Task<Dictionary<string, string>> NamesAsync(this PackageManager packages, CancellationToken cancellationToken) =>
        (await packages.AllAsync(cancellationToken)).ToDictionary(p => p.Id, p => p.Name);

    /// <summary>Page after page until the end.</summary>
    public static async Task<List<T>> AllAsync<T>(Func<PageQuery, CancellationToken, Task<Page<T>>> read, string sort, CancellationToken cancellationToken)
    {
        var all = new List<T>();
        string? cursor = null;
        do
        {
            var page = await read(new PageQuery(Sort: sort, Limit: PerPage, Cursor: cursor), cancellationToken);
            all.AddRange(page.Items);
            cursor = page.Next;
        }
        while (cursor is not null);
        return all;
    }
}
