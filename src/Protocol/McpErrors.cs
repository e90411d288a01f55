namespace McpCan.Protocol;

/// <summary>JSON-RPC error codes used on the MCP path (JSON-RPC 2.0 §5.1 and the MCP specification).</summary>
public static class McpErrors
{
    /// <summary>The message is not valid JSON.</summary>
    public const int ParseError = -32700;
    /// <summary>The JSON is not a valid request.</summary>
    public const int InvalidRequest = -32600;
    /// <summary>The method is unknown.</summary>
    public const int MethodNotFound = -32601;
    /// <summary>The parameters do not fit the method.</summary>
    public const int InvalidParams = -32602;
    /// <summary>The server could not do what was asked.</summary>
    public const int InternalError = -32603;
    /// <summary>Legacy revisions: there is no such resource (server/resources, Error Handling).</summary>
    public const int ResourceNotFound = -32002;
    /// <summary>Implementation-defined: the request was refused before it reached the server (token, limit, policy).</summary>
    public const int Refused = -32000;
    /// <summary>Implementation-defined: session unknown or ended (answered with HTTP 404).</summary>
    public const int SessionNotFound = -32001;
    /// <summary>Implementation-defined: the server behind the address is not running or went away.</summary>
    public const int ServerUnavailable = -32010;
    /// <summary>2025-11-25: the user must visit an address first; <c>data.elicitations</c> lists it.</summary>
    public const int UrlElicitationRequired = -32042;
    /// <summary>2026-07-28: a header is missing or differs from the body.</summary>
    public const int HeaderMismatch = -32020;
    /// <summary>2026-07-28: the request needs a capability that the client did not declare.</summary>
    public const int MissingCapability = -32021;
    /// <summary>2026-07-28: the protocol version is not supported; <c>data.supported</c> lists those that are.</summary>
    public const int UnsupportedVersion = -32022;
}
