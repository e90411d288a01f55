using System.Net;

namespace McpCan.Gateway;

/// <summary>Gives the current routes. In memory: called for every request.</summary>
public interface IRouteSource
{
    /// <summary>The route of an instance by slug or id, or null when there is none.</summary>
    GatewayRoute? Find(string slugOrId);
}

/// <summary>Brings sleeping instances back.</summary>
public interface IWaker
{
    /// <summary>Has an instance started and waits until its route says where it is, or why it is not; null when it is gone. Bounded.</summary>
    Task<GatewayRoute?> WakeAsync(string instanceId, CancellationToken cancellationToken);
}

/// <summary>Checks gateway tokens. In memory: called for every request.</summary>
public interface ITokenVerifier
{
    /// <summary>Says who presents <paramref name="token"/> at the instance, or why it is refused.</summary>
    TokenVerdict Verify(string token, string instanceId, IPAddress? client);
    /// <summary>Notes that a token was used (batched, never blocks).</summary>
    void Used(string tokenId, string? clientName, string? address);
}

/// <summary>Answer of <see cref="ITokenVerifier.Verify"/>.</summary>
/// <param name="TokenId">Id of the token, when it is known and valid here; null when refused.</param>
/// <param name="Principal">Stable name of who calls, sealed into sessions (for example <c>token:t-…</c>).</param>
/// <param name="Refusal">Why it was refused; for the access record only, clients always get the same text.</param>
/// <param name="Policy">What the token may do; null when it is bound by nothing but its instances.</param>
public readonly record struct TokenVerdict(string? TokenId, string? Principal, TokenRefusal Refusal, AccessPolicy? Policy = null)
{
    /// <summary>A refusal.</summary>
    public static TokenVerdict Refused(TokenRefusal why) => new(null, null, why);
}

/// <summary>Why a token was refused.</summary>
public enum TokenRefusal
{
    /// <summary>Not refused.</summary>
    None,
    /// <summary>No token was presented.</summary>
    Missing,
    /// <summary>No such token.</summary>
    Unknown,
    /// <summary>Its time is over.</summary>
    Expired,
    /// <summary>It was switched off.</summary>
    Disabled,
    /// <summary>It is not for this instance.</summary>
    Foreign,
    /// <summary>It may not be used from the client's address.</summary>
    Address,
}

/// <summary>Takes finished exchanges. Never blocks; what cannot be taken is counted.</summary>
public interface IAccessLog
{
    /// <summary>Hands one record over to the batched writer.</summary>
    void Write(AccessRecord record);
}

/// <summary>One finished exchange at the gateway.</summary>
public sealed record AccessRecord
{
    /// <summary>When the request arrived (UTC).</summary>
    public required DateTimeOffset Time { get; init; }
    /// <summary>Instance id, or null when the address named none.</summary>
    public string? InstanceId { get; init; }
    /// <summary>Id of the token that was used, when valid.</summary>
    public string? TokenId { get; init; }
    /// <summary>Client's name and version as it said at initialize.</summary>
    public string? ClientName { get; init; }
    /// <summary>Client's version as it said at initialize.</summary>
    public string? ClientVersion { get; init; }
    /// <summary>Client's network address.</summary>
    public string? ClientAddress { get; init; }
    /// <summary>First characters of the hash of the session id: groups the exchanges of a session without disclosing its id.</summary>
    public string? Session { get; init; }
    /// <summary>HTTP method.</summary>
    public required string HttpMethod { get; init; }
    /// <summary>JSON-RPC method, when the body had one.</summary>
    public string? Method { get; init; }
    /// <summary>Tool name, prompt name or resource URI, when the call named one.</summary>
    public string? Target { get; init; }
    /// <summary>HTTP status.</summary>
    public required int Status { get; init; }
    /// <summary>JSON-RPC error code of the answer, when it was an error.</summary>
    public int? ErrorCode { get; init; }
    /// <summary>Short error text for people; never a secret.</summary>
    public string? Error { get; init; }
    /// <summary>Milliseconds from arrival to the last byte.</summary>
    public required double DurationMs { get; init; }
    /// <summary>Bytes of the request's body.</summary>
    public long RequestBytes { get; init; }
    /// <summary>Bytes of the response's body.</summary>
    public long ResponseBytes { get; init; }
    /// <summary>W3C trace id, shown to the client in errors.</summary>
    public string? TraceId { get; init; }
    /// <summary><c>legacy</c> or <c>modern</c>, when the exchange shows it.</summary>
    public string? Era { get; init; }
    /// <summary>Milliseconds from arrival to the first byte of the answer's body; null when there was none.</summary>
    public double? FirstByteMs { get; init; }
    /// <summary>The request's body, redacted and cut, when the instance keeps payloads.</summary>
    public string? RequestPayload { get; init; }
    /// <summary>The response's body, redacted and cut, when the instance keeps payloads.</summary>
    public string? ResponsePayload { get; init; }
}
