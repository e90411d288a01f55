namespace McpCan.Server.Hosting;

/// <summary>A request that cannot be served, with what a person needs to mend it. Becomes RFC 9457 problem details in one place.</summary>
public sealed class ProblemException(int status, string code, string detail, IDictionary<string, string[]>? errors = null) : Exception(detail)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;
    /// <summary>Stable code for programs, for example <c>slug-taken</c>.</summary>
    public string Code { get; } = code;
    /// <summary>Messages per field, all at once.</summary>
    public IDictionary<string, string[]>? Errors { get; } = errors;

    /// <summary>404 with the thing's kind and the id that was asked for.</summary>
    public static ProblemException NotFound(string kind, string id) => new(404, "not-found", $"There is no {kind} '{id}'.");
}
