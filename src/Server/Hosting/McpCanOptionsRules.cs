using System.Net;
using Npgsql;

namespace McpCan.Server.Hosting;

/// <summary>What values the settings may have.</summary>
internal static class McpCanOptionsRules
{
    private static readonly string[] Roles = ["all", "console", "gateway"];
    private static readonly string[] Isolations = ["sandbox", "landlock", "none"];

    public static void Check(McpCanOptions o, List<string> errors)
    {
        void Rule(bool holds, string property, string mustBe)
        {
            if (!holds) errors.Add($"{Configuration.Name(property)} must be {mustBe}.");
        }

        Rule(Roles.Contains(o.Role, StringComparer.Ordinal), nameof(o.Role), "'all', 'console' or 'gateway'");
        Rule(o.Role == "all" || o.UsesPostgres, nameof(o.Role), $"'all' on SQLite, which serves one process; set {Configuration.Name(nameof(o.Database))} to a PostgreSQL connection string for several");
        Rule(o.Port is >= 0 and <= 65535, nameof(o.Port), "between 0 and 65535");
        Rule(o.Host is "localhost" or "*" || IPAddress.TryParse(o.Host, out _), nameof(o.Host), "an IP address, 'localhost' or '*'");
        Rule(o.Data.Length > 0 && !o.Data.Contains('\0'), nameof(o.Data), "a folder");
        Rule(!o.UsesPostgres || IsPostgres(o.Database), nameof(o.Database), "'sqlite' or a PostgreSQL connection string such as 'Host=…;Database=…;Username=…;Password=…'");
        Rule(o.PublicUrl is null || IsHttpUrl(o.PublicUrl), nameof(o.PublicUrl), "an http or https address without query, for example https://mcp.example.com");
        Rule(o.PathBase is null || (o.PathBase.StartsWith('/') && !o.PathBase.EndsWith('/')), nameof(o.PathBase), "a path that starts with '/' and does not end with one");
        Rule(o.AllowedHosts.All(h => !h.Contains('/') && !h.Contains(' ')), nameof(o.AllowedHosts), "host names separated by commas, without scheme or path");
        Rule(o.AllowedOrigins.All(IsOrigin), nameof(o.AllowedOrigins), "origins separated by commas, for example https://app.example.com");
        Rule(o.KnownProxies.All(p => IPAddress.TryParse(p, out _) || IPNetwork.TryParse(p, out _)), nameof(o.KnownProxies), "IP addresses or networks such as 10.0.0.0/8, separated by commas");
        Rule(o.EgressAllow.All(e => e is "loopback" or "private" or "none" || IPAddress.TryParse(e, out _) || IPNetwork.TryParse(e, out _)), nameof(o.EgressAllow), "'loopback', 'private', 'none', IP addresses or networks such as 10.1.0.0/16, separated by commas");
        Rule(Isolations.Contains(o.MinimumIsolation, StringComparer.Ordinal), nameof(o.MinimumIsolation), "'sandbox', 'landlock' or 'none'");
        Rule(o.VolumeRoots.All(r => Path.IsPathFullyQualified(r) && r.Trim('/').Length > 0 && !r.Split('/').Contains("..")), nameof(o.VolumeRoots), "absolute folders other than '/', separated by commas");
        Rule(o.MaxPackageBytes > 0, nameof(o.MaxPackageBytes), "above 0");
        Rule(o.CacheDays is > 0 and <= 36_500, nameof(o.CacheDays), "between 1 and 36500");
        Rule(o.CacheBytes >= 0, nameof(o.CacheBytes), "0 or above");
        Rule(o.MaxMcpRequestBytes > 0, nameof(o.MaxMcpRequestBytes), "above 0");
        Rule(o.AccessLogDays is > 0 and <= 36_500, nameof(o.AccessLogDays), "between 1 and 36500");
        Rule(o.PayloadDays is > 0 and <= 36_500, nameof(o.PayloadDays), "between 1 and 36500");
        Rule(o.TrafficDays is > 0 and <= 36_500, nameof(o.TrafficDays), "between 1 and 36500");
        Rule(o.TrafficMinuteDays is > 0 and <= 366, nameof(o.TrafficMinuteDays), "between 1 and 366");
        Rule(o.ProbeSeconds > 0, nameof(o.ProbeSeconds), "above 0");
        Rule(o.LoginsPerMinute > 0, nameof(o.LoginsPerMinute), "above 0");
    }

    private static bool IsHttpUrl(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Query.Length == 0 && uri.Fragment.Length == 0;

    private static bool IsOrigin(string text) => IsHttpUrl(text) && string.Equals(new Uri(text).GetLeftPart(UriPartial.Authority), text, StringComparison.OrdinalIgnoreCase);

    private static bool IsPostgres(string text)
    {
        try
        {
            return !string.IsNullOrEmpty(new NpgsqlConnectionStringBuilder(text).Host);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
