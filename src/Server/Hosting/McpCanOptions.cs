namespace McpCan.Server.Hosting;

/// <summary>Platform settings: <c>appsettings.json</c> section <c>MCPCAN</c>, environment variables <c>MCPCAN_*</c>, command line.</summary>
public sealed class McpCanOptions
{
    /// <summary>What this process does: <c>all</c>, <c>console</c> (console, API, looks after servers) or <c>gateway</c> (MCP traffic only, any number of them).</summary>
    public string Role { get; set; } = "all";
    /// <summary>Address to listen on: an IP address, <c>localhost</c>, or <c>*</c> for all.</summary>
    public string Host { get; set; } = "127.0.0.1";
    /// <summary>Port to listen on; 0 lets the system choose.</summary>
    public int Port { get; set; } = 7300;
    /// <summary>Data folder: database, packages, workloads, logs.</summary>
    public string Data { get; set; } = "data";
    /// <summary><c>sqlite</c>, or a PostgreSQL connection string.</summary>
    public string Database { get; set; } = "sqlite";
    /// <summary>Address under which people and clients reach MCPCAN, for example <c>https://mcp.example.com</c>; null means: as each request says.</summary>
    public string? PublicUrl { get; set; }
    /// <summary>Path prefix when a reverse proxy forwards one, for example <c>/mcpcan</c>.</summary>
    public string? PathBase { get; set; }
    /// <summary>Host names that requests may name besides loopback, plain IP addresses and <see cref="PublicUrl"/>; guards against DNS rebinding.</summary>
    public string[] AllowedHosts { get; set; } = [];
    /// <summary>Browser origins that may call the gateway and the API besides our own.</summary>
    public string[] AllowedOrigins { get; set; } = [];
    /// <summary>Reverse proxies (addresses or networks such as <c>10.0.0.0/8</c>) whose <c>X-Forwarded-*</c> headers count.</summary>
    public string[] KnownProxies { get; set; } = [];
    /// <summary>Addresses beyond public ones that remote servers may have: <c>loopback</c>, <c>private</c>, or networks such as <c>10.1.0.0/16</c>; <c>none</c> for no more. Empty: see <see cref="Egress"/>.</summary>
    public string[] EgressAllow { get; set; } = [];
    /// <summary>Weakest isolation that managed instances may run with: <c>sandbox</c>, <c>landlock</c> or <c>none</c>.</summary>
    public string MinimumIsolation { get; set; } = "landlock";
    /// <summary>Folders of this machine that servers may be given as volumes, with all that is below; none unless given.</summary>
    public string[] VolumeRoots { get; set; } = [];
    /// <summary>Path of the bridge program; null means: beside this program.</summary>
    public string? BridgePath { get; set; }
    /// <summary>Largest upload of a package in bytes.</summary>
    public long MaxPackageBytes { get; set; } = 256L << 20;
    /// <summary>Days that installed dependencies are kept which no server was started from last.</summary>
    public int CacheDays { get; set; } = 30;
    /// <summary>Bytes that installed dependencies and downloads of package managers may take together before unused ones go earlier.</summary>
    public long CacheBytes { get; set; } = 20L << 30;
    /// <summary>Largest MCP request body in bytes.</summary>
    public long MaxMcpRequestBytes { get; set; } = 64L << 20;
    /// <summary>Days that access records are kept.</summary>
    public int AccessLogDays { get; set; } = 30;
    /// <summary>Days that payloads kept with access records stay readable (never longer than the records).</summary>
    public int PayloadDays { get; set; } = 7;
    /// <summary>Days that counts of calls are kept.</summary>
    public int TrafficDays { get; set; } = 90;
    /// <summary>Days that counts are kept by the minute; after that by the hour.</summary>
    public int TrafficMinuteDays { get; set; } = 3;
    /// <summary>Seconds between health probes of a running instance.</summary>
    public int ProbeSeconds { get; set; } = 60;
    /// <summary>Sign-in attempts that one network address may make per minute.</summary>
    public int LoginsPerMinute { get; set; } = 20;

    /// <summary>Whether this process serves people and scripts, and may look after servers.</summary>
    public bool HasConsole => Role != "gateway";
    /// <summary>Whether this process serves MCP clients.</summary>
    public bool HasGateway => Role != "console";
    /// <summary>
    /// What <see cref="EgressAllow"/> comes to. On a machine of one's own, reached by nobody else, whoever adds servers may
    /// run programs here anyway: this machine and its network are open unless said otherwise. To others they are closed.
    /// </summary>
    public string[] Egress => EgressAllow is not [] ? [.. EgressAllow.Where(e => e != "none")] : IsForThisMachineAlone ? ["loopback", "private"] : [];
    private bool IsForThisMachineAlone =>
        PublicUrl is null && KnownProxies is [] && (Host == "localhost" || System.Net.IPAddress.TryParse(Host, out var address) && System.Net.IPAddress.IsLoopback(address));
    /// <summary>Whether the database is PostgreSQL.</summary>
    public bool UsesPostgres => !Database.Equals("sqlite", StringComparison.OrdinalIgnoreCase);
}
