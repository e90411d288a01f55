using System.Buffers.Text;
using System.ComponentModel;
using System.Globalization;
using System.Linq.Expressions;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query;

namespace McpCan.Server.Hosting;

/// <summary>What every list takes.</summary>
/// <param name="Search">Only items whose name contains this text, in any case.</param>
/// <param name="Sort">Field to sort by, with a leading <c>-</c> for descending order.</param>
/// <param name="Limit">Items per page: 1 to 500, 50 unless told.</param>
/// <param name="Cursor">The <c>next</c> of the page before.</param>
public sealed record PageQuery(
    [property: Description("Only items whose name contains this text, in any case.")] string? Search = null,
    [property: Description("Field to sort by, with a leading '-' for descending order.")] string? Sort = null,
    [property: Description("Items per page: 1 to 500, 50 unless told.")] int? Limit = null,
    [property: Description("The 'next' of the page before.")] string? Cursor = null);

/// <summary>One page of a list.</summary>
/// <param name="Items">The items.</param>
/// <param name="Next">Cursor of the next page, or null at the end.</param>
/// <param name="Total">Number of items on all pages.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next, int Total);

/// <summary>Sorts and cuts queries. Lists that grow without end (access records) page by key instead.</summary>
public static class Paging
{
    private const int Most = 500;

    /// <summary>Runs the query for one page. <paramref name="sorts"/> names the fields that may be sorted by; the first is the default.</summary>
    public static async Task<Page<TResult>> ToPageAsync<T, TResult>(this IQueryable<T> query, PageQuery page, Sorts<T> sorts, Func<T, TResult> map, CancellationToken cancellationToken)
        where T : class
    {
        var (skip, take) = Window(page);
        var total = await query.CountAsync(cancellationToken);
        var items = await sorts.Apply(query, page.Sort).Skip(skip).Take(take).AsNoTracking().ToListAsync(cancellationToken);
        return new Page<TResult>([.. items.Select(map)], Next(skip, items.Count, total), total);
    }

    /// <summary>Cuts one page out of a list that is sorted already.</summary>
    public static Page<TResult> ToPage<T, TResult>(this IReadOnlyCollection<T> sorted, PageQuery page, Func<T, TResult> map)
    {
        var (skip, take) = Window(page);
        var items = sorted.Skip(skip).Take(take).Select(map).ToList();
        return new Page<TResult>(items, Next(skip, items.Count, sorted.Count), sorted.Count);
    }

    /// <summary>Offset and size that the query asks for.</summary>
    public static (int Skip, int Take) Window(PageQuery page)
    {
        if (page.Limit is < 1 or > Most)
            throw new ProblemException(400, "bad-limit", $"'limit' must be between 1 and {Most}.", new Dictionary<string, string[]> { ["limit"] = [$"1 to {Most}."] });
        return (Offset(page.Cursor), page.Limit ?? 50);
    }

    /// <summary>Only the items whose name contains the text, in any case.</summary>
    public static IQueryable<T> Named<T>(this IQueryable<T> query, string? search, Expression<Func<T, string>> name)
    {
        if (string.IsNullOrWhiteSpace(search)) return query;
        var pattern = Pattern(search.Trim());
#pragma warning disable CA1304, CA1311 // becomes SQL's lower()
        Expression<Func<string, bool>> like = n => EF.Functions.Like(n.ToLower(), pattern, "\\");
#pragma warning restore CA1304, CA1311
        return query.Where(Expression.Lambda<Func<T, bool>>(ReplacingExpressionVisitor.Replace(like.Parameters[0], name.Body, like.Body), name.Parameters));
    }

    /// <summary>The search text as a pattern for <c>Like</c>, lower-cased, with its own wild cards escaped by a backslash.</summary>
    public static string Pattern(string search) =>
        $"%{search.ToLowerInvariant().Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%";

    private static string? Next(int skip, int count, int total) => count > 0 && skip + count < total ? Cursor(skip + count) : null;

    private static string Cursor(int offset) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(offset.ToString(CultureInfo.InvariantCulture)));

    private static int Offset(string? cursor)
    {
        if (string.IsNullOrEmpty(cursor)) return 0;
        if (cursor.Length < 30 && Base64Url.IsValid(cursor)
            && int.TryParse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)), NumberStyles.None, CultureInfo.InvariantCulture, out var offset)) return offset;
        throw new ProblemException(400, "bad-cursor", "'cursor' is not one that this list gave out.");
    }
}

/// <summary>Fields by which a list may be sorted. Ties are broken by <paramref name="id"/>, so that pages do not overlap.</summary>
public sealed class Sorts<T>(Expression<Func<T, string>> id)
{
    private readonly Dictionary<string, Func<IQueryable<T>, bool, IOrderedQueryable<T>>> _fields = new(StringComparer.OrdinalIgnoreCase);
    private string? _default;

    /// <summary>Adds a field; the first one is the default. A leading <c>-</c> of the name makes descending its default direction.</summary>
    public Sorts<T> By<TKey>(string name, Expression<Func<T, TKey>> key)
    {
        _default ??= name;
        _fields[name.TrimStart('-')] = (query, down) => down ? query.OrderByDescending(key) : query.OrderBy(key);
        return this;
    }

    internal IQueryable<T> Apply(IQueryable<T> query, string? sort)
    {
        var wanted = string.IsNullOrEmpty(sort) ? _default! : sort;
        if (!_fields.TryGetValue(wanted.StartsWith('-') ? wanted[1..] : wanted, out var field))
            throw new ProblemException(400, "bad-sort", $"'sort' must be one of {string.Join(", ", _fields.Keys)}, with a leading '-' for descending order.");
        return field(query, wanted.StartsWith('-')).ThenBy(id);
    }
}
