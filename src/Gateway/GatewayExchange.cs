using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway;

/// <summary>The three addresses of an instance.</summary>
internal enum GatewayEndpoint : byte { Mcp = 1, Sse = 2, Message = 3 }

internal static class GatewayEndpoints
{
    public static string Name(this GatewayEndpoint endpoint) => endpoint switch
    {
        GatewayEndpoint.Mcp => "mcp",
        GatewayEndpoint.Sse => "sse",
        _ => "message",
    };
}

/// <summary>Why the gateway itself ends an exchange.</summary>
internal enum EndReason { None, TokenRefused, AddressRefused, PolicyChanged, InstanceGone, Stopping }

/// <summary>What is known of one request while it is handled.</summary>
internal sealed class GatewayExchange(HttpContext context, GatewayEndpoint endpoint, long started, DateTimeOffset time) : IDisposable
{
    private readonly Lock _gate = new();
    private CancellationTokenSource? _ending;
    private bool _closed;

    public HttpContext Context { get; } = context;
    public GatewayEndpoint Endpoint { get; } = endpoint;
    public long Started { get; } = started;
    public DateTimeOffset Time { get; } = time;

    /// <summary>The instance as the address names it (slug or id).</summary>
    public string Name { get; init; } = "";
    public GatewayRoute? Route { get; set; }
    public string? Token { get; set; }
    public bool TokenFromQuery { get; set; }
    public string? TokenId { get; set; }
    public string Principal { get; set; } = "";
    /// <summary>What the token may do, as it stands now; null when it is bound by nothing but its instances.</summary>
    public AccessPolicy? Policy { get; set; }
    /// <summary>What was counted against limits for this exchange; null where none hold.</summary>
    public Policy.TrafficPass? Pass { get; set; }
    /// <summary>The request's whole body, where it had to be looked into before it goes on.</summary>
    public ReadOnlyMemory<byte>? Held { get; set; }
    /// <summary>What closed entries are taken out of the answer by.</summary>
    public Policy.PolicyBody? Filter { get; set; }
    public string? SealedSession { get; set; }
    public SessionTicket? Ticket { get; set; }

    public EnvelopeScanner Request { get; } = new();
    public long RequestBytes { get; set; }
    /// <summary>Bytes of the answer's body so far; the first ones set <see cref="FirstByte"/>.</summary>
    public long ResponseBytes
    {
        get;
        set
        {
            if (field == 0 && value > 0) FirstByte = Clock.GetTimestamp();
            field = value;
        }
    }
    /// <summary>Timestamp of the answer's first byte; 0 before.</summary>
    public long FirstByte { get; private set; }
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    public int? ErrorCode { get; set; }
    public string? Error { get; set; }
    /// <summary>Low-cardinality name of a refusal or failure, for the metrics.</summary>
    public string? Failure { get; set; }
    public string TraceId { get; set; } = "";
    /// <summary>The <c>traceparent</c> that the server gets.</summary>
    public string? TraceParent { get; set; }
    /// <summary>The client's trace context, when it sent one.</summary>
    public ActivityContext? TraceContext { get; set; }
    /// <summary>Our span, while somebody listens.</summary>
    public Activity? Span { get; set; }
    /// <summary>Copies of what passes, where the instance keeps payloads.</summary>
    public ExchangePayloads? Payloads { get; set; }
    public EndReason Ended { get; private set; }
    public bool ClientGone => Context.RequestAborted.IsCancellationRequested;
    public bool IsStream => HttpMethods.IsGet(Context.Request.Method);

    /// <summary>Opens the exchange for an end from outside; cancelled also when the client leaves.</summary>
    public CancellationToken Open()
    {
        _ending = CancellationTokenSource.CreateLinkedTokenSource(Context.RequestAborted);
        return _ending.Token;
    }

    /// <summary>Ends the exchange from outside: the token is no longer good, or the program stops.</summary>
    public void End(EndReason reason)
    {
        lock (_gate)
        {
            if (_closed || Ended != EndReason.None) return;
            Ended = reason;
            _ending?.Cancel();
        }
    }

    /// <summary>Stops what still goes on towards the server.</summary>
    public void Cancel() => _ending?.Cancel();

    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            _ending?.Dispose();
        }
    }
}
