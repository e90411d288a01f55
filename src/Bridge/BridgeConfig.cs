using System.Text.Json;
using System.Text.Json.Serialization;

namespace McpCan.Bridge;

/// <summary>The file that <c>--config</c> names.</summary>
sealed record BridgeConfig
{
    public string Listen { get; set; } = "http://127.0.0.1:7301";
    public string[] Command { get; set; } = [];
    public string? WorkingDirectory { get; set; }
    public Dictionary<string, string> Environment { get; set; } = [];
    public string Processes { get; set; } = "per-session";
    /// <summary>Set when the server does not speak over its standard input and output, but listens by itself.</summary>
    public BridgeHttp? Http { get; set; }
    /// <summary><c>legacy</c> or <c>modern</c> (2026-07-28 alone) where the server's era is known; <c>auto</c> finds it out when it matters.</summary>
    public string Era { get; set; } = "auto";
    public double ProbeSeconds { get; set; } = 10;
    /// <summary>How long a call of a modern client waits for inputs, with the legacy server that asked for them.</summary>
    public double ParkSeconds { get; set; } = 300;
    /// <summary>The most legacy servers that are leased to single calls of modern clients at one time.</summary>
    public int MaxLeases { get; set; } = 32;
    public int WarmSpares { get; set; } = 1;
    public int MaxSessions { get; set; } = 100;
    public double SessionIdleSeconds { get; set; } = 1800;
    public double StartSeconds { get; set; } = 60;
    public int MaxMessageBytes { get; set; } = 64 * 1024 * 1024;
    public int ReplayBytes { get; set; } = 16 * 1024 * 1024;
    public double KeepAliveSeconds { get; set; } = 15;
    public string? LogDirectory { get; set; }
    public int Run { get; set; } = 1;
    public long FirstLogNumber { get; set; } = 1;
    public long LogBytes { get; set; } = 8 * 1024 * 1024;
    public string InstallationId { get; set; } = "";
    public string InstanceId { get; set; } = "";

    /// <summary>Reads and checks the file; all that is wrong comes at once.</summary>
    public static BridgeConfig Load(string path)
    {
        var config = JsonSerializer.Deserialize(File.ReadAllBytes(path), BridgeJson.Default.BridgeConfig) ?? new();
        var problems = config.Problems().ToArray();
        return problems.Length == 0 ? config : throw new InvalidDataException(string.Join("; ", problems));
    }

    IEnumerable<string> Problems()
    {
        if (Command.Length == 0 || Command[0].Length == 0) yield return "command is empty";
        if (Processes is not ("per-session" or "shared" or "per-principal")) yield return "processes must be per-session, shared or per-principal";
        if (Era is not ("auto" or "legacy" or "modern")) yield return "era must be auto, legacy or modern";
        if (Http is { } http && (http.Port is < 1 or > 65535 || !http.Path.StartsWith('/') || http.Transport is not ("auto" or "streamable-http" or "sse")))
            yield return "http must have a port, a path that starts with '/', and the transport auto, streamable-http or sse";
        if (ProbeSeconds <= 0 || ParkSeconds <= 0) yield return "probeSeconds and parkSeconds must be positive";
        if (MaxLeases < 1) yield return "maxLeases must be at least 1";
        if (!Listen.StartsWith("unix:/", StringComparison.Ordinal) && !Uri.TryCreate(Listen, UriKind.Absolute, out _)) yield return "listen must be unix:/path or http://address:port";
        if (MaxSessions < 1) yield return "maxSessions must be at least 1";
        if (WarmSpares < 0) yield return "warmSpares must not be negative";
        if (MaxMessageBytes < 1024) yield return "maxMessageBytes must be at least 1024";
        if (StartSeconds <= 0 || SessionIdleSeconds <= 0 || KeepAliveSeconds <= 0) yield return "startSeconds, sessionIdleSeconds and keepAliveSeconds must be positive";
    }
}

/// <summary>Where a server listens that speaks HTTP itself; its own machine is the only one that it is reached from.</summary>
sealed record BridgeHttp
{
    public int Port { get; set; }
    public string Path { get; set; } = "/mcp";
    public string Transport { get; set; } = "auto";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)]
[JsonSerializable(typeof(BridgeConfig))]
[JsonSerializable(typeof(BridgeStatus))]
sealed partial class BridgeJson : JsonSerializerContext;
