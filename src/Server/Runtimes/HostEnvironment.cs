using System.Collections;

namespace McpCan.Server.Runtimes;

/// <summary>Which of the server's own environment variables a workload gets: what leads to package registries and proves who they are. Nothing else.</summary>
internal static class HostEnvironment
{
    /// <summary>Proxies and certificates, in both phases.</summary>
    public static readonly string[] Names =
    [
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "TZ",
    ];

    /// <summary>Settings of package managers. Names that speak of credentials are left out in the run phase.</summary>
    public static readonly string[] Prefixes = ["npm_config_", "NPM_CONFIG_", "PIP_", "UV_"];

    /// <summary>Where caches, homes and prefixes of this machine lie means nothing inside.</summary>
    private static readonly string[] Never = ["npm_config_cache", "npm_config_prefix", "npm_config_userconfig", "npm_config_globalconfig", "npm_config_local_prefix", "npm_config_init_module", "pip_cache_dir", "pip_target", "pip_prefix", "pip_config_file", "pip_user", "uv_cache_dir", "uv_tool_dir", "uv_project_environment"];

    private static readonly string[] Credentials = ["auth", "token", "password", "secret", "key"];

    public static Dictionary<string, string> Pass(IDictionary own, bool install)
    {
        var passed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in own)
        {
            var name = (string)variable.Key;
            if (name.StartsWith("MCPCAN", StringComparison.OrdinalIgnoreCase) || Never.Contains(name.ToLowerInvariant())) continue;
            var manager = Prefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal));
            if (!manager && !Names.Contains(name)) continue;
            if (manager && !install && Credentials.Any(c => name.Contains(c, StringComparison.OrdinalIgnoreCase))) continue;
            passed[name] = (string?)variable.Value ?? "";
        }
        return passed;
    }

    /// <summary>Files and folders that the values name, so that they can be read inside.</summary>
    public static IEnumerable<string> Files(IReadOnlyDictionary<string, string> variables) => variables
        .Where(v => v.Key is "NODE_EXTRA_CA_CERTS" or "SSL_CERT_FILE" or "SSL_CERT_DIR" or "REQUESTS_CA_BUNDLE" or "CURL_CA_BUNDLE" or "PIP_CERT" or "PIP_FIND_LINKS"
            || v.Key.Equals("npm_config_cafile", StringComparison.OrdinalIgnoreCase))
        .SelectMany(v => v.Value.Split([':', ' '], StringSplitOptions.RemoveEmptyEntries))
        .Where(p => p.StartsWith('/') && p.Count(c => c == '/') >= 2 && Path.Exists(p)).Distinct();
}
