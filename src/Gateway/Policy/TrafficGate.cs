using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using McpCan.Protocol;
using Microsoft.AspNetCore.Http;

namespace McpCan.Gateway.Policy;

/// <summary>What was counted for one exchange, to be given back at its end.</summary>
internal sealed record TrafficPass(Claim Claim, TrafficMeter? Token, TrafficMeter? Instance)
{
    /// <summary>Name of the session among all instances, once it is known and sessions are counted.</summary>
    public string? Session { get; set; }
    public bool Joined { get; set; }

    public IEnumerable<TrafficMeter> Meters => new[] { Token, Instance }.OfType<TrafficMeter>();
}

/// <summary>
/// Limits of tokens and instances: 429 with Retry-After above them. In memory of this process, so each gateway replica counts for itself.
/// Where no limit is set nothing is done, and what is idle is forgotten.
/// </summary>
internal sealed class TrafficGate(TimeProvider time)
{
    // A message whose kind does not show in its first bytes counts as a request.
    private const int PeekBytes = 16 << 10;
    private readonly ConcurrentDictionary<string, TrafficMeter> _meters = new(StringComparer.Ordinal);

    public int Count => _meters.Count;

    /// <summary>Counts the exchange, or says which limit it meets.</summary>
    public ValueTask<Refusal?> EnterAsync(GatewayExchange exchange)
    {
        var mine = exchange.Policy?.Limits.Any == true;
        return mine || exchange.Route!.Limits.Any ? CountAsync(exchange, mine) : ValueTask.FromResult<Refusal?>(null);
    }

    /// <summary>The session of the exchange was found good.</summary>
    public void Join(GatewayExchange exchange)
    {
        if (exchange.Pass is not { } pass || exchange.Endpoint != GatewayEndpoint.Mcp || Name(exchange) is not { } session) return;
        (pass.Session, pass.Joined) = (session, true);
        foreach (var meter in pass.Meters) meter.Seen(session, exchange.IsStream ? 1 : 0, time);
    }

    /// <summary>The exchange is over.</summary>
    public void Leave(GatewayExchange exchange)
    {
        if (exchange.Pass is not { } pass) return;
        var status = exchange.Context.Response.StatusCode;
        // The session of HTTP+SSE, and a subscription of the modern era, last as long as their stream.
        var opened = exchange.Endpoint == GatewayEndpoint.Mcp && status is >= 200 and < 300 ? Name(exchange) : null;
        var ended = status == 404 || (HttpMethods.IsDelete(exchange.Context.Request.Method) && status is >= 200 and < 300);
        foreach (var meter in pass.Meters)
        {
            if (pass.Claim.Calls > 0) meter.LeaveCalls(pass.Claim.Calls);
            if (pass.Claim.OpensSession) meter.Opened(opened, stream: false, time);
            if (!pass.Joined || pass.Session is not { } session) continue;
            if (ended) meter.Ended(session);
            else meter.Seen(session, exchange.IsStream ? -1 : 0, time);
        }
    }

    /// <summary>Forgets what is idle.</summary>
    public void Sweep()
    {
        foreach (var (key, meter) in _meters)
        {
            if (meter.TryRetire(time)) _meters.TryRemove(KeyValuePair.Create(key, meter));
        }
    }

    private async ValueTask<Refusal?> CountAsync(GatewayExchange exchange, bool mine)
    {
        Claim claim;
        try
        {
            (claim, var broken) = await ReadAsync(exchange);
            if (broken is not null) return broken;
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException or OperationCanceledException)
        {
            return new(400, McpErrors.InvalidRequest, "broken_body", "The request's body broke off or is malformed.");
        }
        var route = exchange.Route!;
        TrafficMeter? token = null, instance = null;
        if (mine && Enter($"t {exchange.TokenId}", exchange.Policy!.Limits, claim, exchange, "this token", out token) is { } refused) return refused;
        if (route.Limits.Any && Enter($"i {route.InstanceId}", route.Limits, claim, exchange, "this server", out instance) is { } full)
        {
            token?.Undo(claim, exchange.Policy!.Limits);
            return full;
        }
        exchange.Pass = new(claim, token, instance);
        return null;
    }

    private Refusal? Enter(string key, TrafficLimits limits, in Claim claim, GatewayExchange exchange, string whose, out TrafficMeter meter)
    {
        while (true)
        {
            meter = _meters.GetOrAdd(key, static _ => new());
            var met = meter.TryEnter(limits, claim, time, out var wait, out var retired);
            if (retired) continue;
            if (met == LimitKind.None) return null;
            var seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
            exchange.Context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            var (name, text) = met switch
            {
                LimitKind.Requests => ("requestsPerMinute", $"{limits.RequestsPerMinute} requests a minute"),
                LimitKind.Calls => ("concurrentCalls", $"{limits.ConcurrentCalls} calls at the same time"),
                _ => ("sessions", $"{limits.Sessions} open sessions"),
            };
            return new(429, McpErrors.Refused, "limit", $"Too much: {whose} allows {text} ({name}). Try again in {seconds} s.");
        }
    }

    private static string? Name(GatewayExchange exchange) =>
        exchange.Ticket is { } ticket && (exchange.Policy?.Limits.Sessions is not null || exchange.Route!.Limits.Sessions is not null)
            ? $"{ticket.InstanceId} {ticket.UpstreamSession}"
            : null;

    private static async ValueTask<(Claim Claim, Refusal? Broken)> ReadAsync(GatewayExchange exchange)
    {
        var request = exchange.Context.Request;
        if (!HttpMethods.IsPost(request.Method)) return (new(0, 0, exchange.Endpoint == GatewayEndpoint.Sse), null);
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(exchange.Context.RequestAborted);
            if (!read.IsCompleted && read.Buffer.Length < Math.Min(PeekBytes, request.ContentLength ?? PeekBytes))
            {
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }
            var scanner = new EnvelopeScanner();
            scanner.Feed(read.Buffer);
            var whole = read.IsCompleted || read.Buffer.Length >= request.ContentLength;
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.Start);
            return scanner.Method == EnvelopeScanner.Batch ? await ReadBatchAsync(exchange) : (ClaimOf(exchange, scanner, whole), null);
        }
    }

    private static Claim ClaimOf(GatewayExchange exchange, EnvelopeScanner message, bool whole)
    {
        if (whole && (message.Method is null || message.Id is null)) return default; // a notification, an answer of the client, or nothing that a server would work on
        if (message.Method == "subscriptions/listen") return new(1, 0, OpensSession: true);
        // The answers of HTTP+SSE come on the session's stream.
        var calls = exchange.Endpoint == GatewayEndpoint.Mcp ? 1 : 0;
        return new(1, calls, message.Method == "initialize" && exchange.Endpoint == GatewayEndpoint.Mcp);
    }

    private static async ValueTask<(Claim Claim, Refusal? Broken)> ReadBatchAsync(GatewayExchange exchange)
    {
        if (await HeldBody.HoldAsync(exchange, exchange.Route!.MaxRequestBytes) is { } broken) return (default, broken);
        var requests = Math.Max(1, CountRequests(exchange.Held!.Value.Span));
        return (new(requests, exchange.Endpoint == GatewayEndpoint.Mcp ? requests : 0, false), null);
    }

    private static int CountRequests(ReadOnlySpan<byte> batch)
    {
        var count = 0;
        try
        {
            var reader = new Utf8JsonReader(batch, new JsonReaderOptions { MaxDepth = int.MaxValue });
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 2 && reader.ValueTextEquals("method"u8)) count++;
            }
        }
        catch (JsonException)
        {
            // the server gives the answer
        }
        return count;
    }
}
