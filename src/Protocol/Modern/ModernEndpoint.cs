using McpCan.Protocol.Http;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Modern;

/// <summary>
/// Streamable HTTP of the modern era (2026-07-28, basic/transports/streamable-http): each POST stands for itself.
/// <code>
/// POST -> 1 headers against body -> 2 era of the server -> modern: 3 mirrored parameters -> 4 the bytes pass
///                                                       -> legacy: <see cref="LegacyConversion"/>
/// </code>
/// Hosted by <see cref="McpEndpoint"/>, which reads the body and tells the eras apart.
/// </summary>
public sealed class ModernEndpoint : IDisposable
{
    readonly ModernContext context;
    readonly IServerEras eras;
    readonly LegacyConversion conversion;

    /// <summary>An endpoint in front of one server.</summary>
    public ModernEndpoint(IServerEras eras, SessionOptions options, TimeProvider time)
    {
        this.eras = eras;
        context = new(options, time);
        conversion = new(eras, context);
    }

    /// <summary>Requests under way, subscriptions included.</summary>
    public int RunningCount => context.Running.Count;

    /// <summary>Calls that wait for inputs of their clients.</summary>
    public int ParkedCount => conversion.ParkedCount;

    /// <summary>Handles a POST whose body has been read.</summary>
    internal Task Receive(HttpContext http, RequestBody body, Envelope envelope, out bool keepBody)
    {
        keepBody = false;
        var message = body.Span;
        if (HeaderCheck.Check(http.Request, message, envelope) is { } problem)
            return Answer.Error(http, 400, problem.Code, problem.Message, IdOf(message, envelope));
        if (context.Running.Count >= context.Options.MaxExchanges)
        {
            http.Response.Headers.RetryAfter = "5";
            return Answer.Error(http, 503, McpErrors.ServerUnavailable, "too many requests are under way; try again later", IdOf(message, envelope));
        }
        var principal = http.Request.Headers[McpEndpoint.PrincipalHeader].ToString();
        if (envelope.Kind == MessageKind.Request && TryStart(http, message, envelope, principal) is { } started) return started;
        keepBody = true;
        return envelope.Kind == MessageKind.Request ? PrepareAsync(http, body, envelope, principal) : NotifyAsync(http, body, envelope, principal);
    }

    static ReadOnlySpan<byte> IdOf(ReadOnlySpan<byte> message, in Envelope envelope)
        => envelope is { Kind: MessageKind.Request, IdType: System.Text.Json.JsonTokenType.String or System.Text.Json.JsonTokenType.Number } ? envelope.Id.Of(message) : default;

    /// <summary>Starts a request when everything that it needs is there; else null.</summary>
    Task? TryStart(HttpContext http, ReadOnlySpan<byte> message, in Envelope envelope, string principal)
    {
        if (eras.SpeaksModern is not { } modern || !IsNewest(message, envelope)) return null;
        if (!modern) return conversion.TryStart(http, message, envelope, principal);
        var server = eras.RentModern(principal);
        if (server.Link is not { } link) return null;
        if (envelope.Method == KnownMethod.CallTool)
        {
            if (!server.Tools.TryGet(envelope.Name.Of(message), out var parameters)) return null;
            if (parameters.Count > 0 && HeaderCheck.CheckParameters(http.Request, envelope.Arguments.Of(message), parameters) is not null) return null;
        }
        return Pass(http, message, envelope, principal, link);
    }

    static bool IsNewest(ReadOnlySpan<byte> message, in Envelope envelope) => envelope.ModernVersion.Of(message).SequenceEqual("\"2026-07-28\""u8);

    Task Pass(HttpContext http, ReadOnlySpan<byte> message, in Envelope envelope, string principal, ServerLink link)
    {
        var exchange = new ModernExchange(context, http, principal, message, envelope) { Link = link };
        return exchange.RunAsync(link.SendRequestAsync(exchange, message, envelope));
    }

    /// <summary>The same with everything that has to be waited for.</summary>
    async Task PrepareAsync(HttpContext http, RequestBody body, Envelope envelope, string principal)
    {
        try
        {
            var modern = eras.SpeaksModern ?? await eras.DetectAsync(http.RequestAborted);
            if (await RefuseVersionAsync(http, body, envelope, principal, modern)) return;
            if (!modern)
            {
                await conversion.StartAsync(http, body, envelope, principal);
                return;
            }
            var server = eras.RentModern(principal);
            if (envelope.Method == KnownMethod.CallTool && await RefuseParametersAsync(http, body, envelope, server.Tools)) return;
            var link = await server.LinkAsync(http.RequestAborted);
            await Pass(http, body.Span, envelope, principal, link);
        }
        catch (ServerUnavailableException e)
        {
            if (e.IsBusy) http.Response.Headers.RetryAfter = "5";
            await Answer.Error(http, e.IsBusy ? 503 : 200, McpErrors.ServerUnavailable, e.Message, envelope.Id.Of(body.Span));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client has gone: nothing was sent to the server yet.
        }
    }

    async Task<bool> RefuseVersionAsync(HttpContext http, RequestBody body, Envelope envelope, string principal, bool modern)
    {
        if (IsNewest(body.Span, envelope)) return false;
        var asked = JsonText.Read(envelope.ModernVersion.Of(body.Span))!;
        // The list is the one that server/discover gives: a client chooses from both.
        var supported = modern ? await eras.RentModern(principal).VersionsAsync(http.RequestAborted) : [McpRevisions.NewestModern];
        if (modern && supported.Contains(asked)) return false;
        await Answer.Json(http, 400, RpcMessage.UnsupportedVersion(envelope.Id.Of(body.Span), asked, supported));
        return true;
    }

    internal static async Task<bool> RefuseParametersAsync(HttpContext http, RequestBody body, Envelope envelope, ToolHeaders tools)
    {
        var isFresh = false;
        while (true)
        {
            if (tools.TryGet(envelope.Name.Of(body.Span), out var parameters))
            {
                if (HeaderCheck.CheckParameters(http.Request, envelope.Arguments.Of(body.Span), parameters) is not { } problem) return false;
                if (isFresh)
                {
                    await Answer.Error(http, 400, problem.Code, problem.Message, envelope.Id.Of(body.Span));
                    return true;
                }
            }
            else if (isFresh)
            {
                return false;
            }
            await tools.LoadAsync(); // not known yet, or changed since: the list is read before a call is refused
            isFresh = true;
        }
    }

    // The revision defines no notification from client to server over HTTP; extensions may.
    async Task NotifyAsync(HttpContext http, RequestBody body, Envelope envelope, string principal)
    {
        if (eras.SpeaksModern == true && envelope.Method != KnownMethod.Cancelled && eras.RentModern(principal).Link is { } link)
            await link.SendAsync(new Splice(body.Span));
        await Answer.Accepted(http);
    }

    /// <summary>Ends every request: subscriptions in good order, calls with the reason.</summary>
    public void EndAll(string reason) => context.Running.EndAll(reason);

    /// <inheritdoc/>
    public void Dispose()
    {
        conversion.Dispose();
        context.Dispose();
    }
}
