using McpCan.Protocol.Http;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Modern;

/// <summary>
/// Modern clients in front of a legacy server.
/// <code>
/// server/discover      -> from the stored initialize result
/// subscriptions/listen -> <see cref="LegacyListen"/>
/// retry with inputs    -> the call that waits for them (<see cref="ParkedCalls"/>)
/// client that offers sampling, elicitation, roots or wants log lines -> a server of its own for the call (<see cref="LegacyPool"/>)
/// anything else        -> the shared server
/// </code>
/// </summary>
sealed class LegacyConversion(IServerEras eras, ModernContext context) : IDisposable
{
    readonly LegacyPool pool = new(eras, context);

    public int ParkedCount => pool.Parked.Count;

    /// <summary>Starts a request that the shared server can take at once; else null.</summary>
    public Task? TryStart(HttpContext http, ReadOnlySpan<byte> message, in Envelope envelope, string principal)
    {
        if (!IsForSharedServer(message, envelope) || envelope.Method is KnownMethod.Discover or KnownMethod.Listen || IsRemoved(message, envelope)) return null;
        var renting = eras.RentSharedAsync(principal, CancellationToken.None);
        if (!renting.IsCompletedSuccessfully)
        {
            _ = renting.AsTask().Exception; // asked again where it can be waited for
            return null;
        }
        var shared = renting.Result;
        if (shared.Link is not { } link) return null;
        if (envelope.Method == KnownMethod.CallTool)
        {
            if (!shared.Tools.TryGet(envelope.Name.Of(message), out var parameters)) return null;
            if (parameters.Count > 0 && HeaderCheck.CheckParameters(http.Request, envelope.Arguments.Of(message), parameters) is not null) return null;
        }
        return Pass(http, message, envelope, principal, shared, link);
    }

    Task Pass(HttpContext http, ReadOnlySpan<byte> message, in Envelope envelope, string principal, SharedServer shared, ServerLink link)
    {
        var call = new SharedCall(context, http, principal, message, envelope, shared.Additions) { Link = link };
        using var request = new LegacyRequest(message, envelope);
        return call.RunAsync(link.SendRequestAsync(call, request.Message, request.Envelope));
    }

    /// <summary>Starts any request, with what has to be waited for. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async Task StartAsync(HttpContext http, RequestBody body, Envelope envelope, string principal)
    {
        if (IsRemoved(body.Span, envelope))
        {
            await Answer.Error(http, 404, McpErrors.MethodNotFound, "Method not found: it is not part of this protocol revision", envelope.Id.Of(body.Span));
            return;
        }
        var shared = await eras.RentSharedAsync(principal, http.RequestAborted);
        if (shared.Link is not { } link) throw new ServerUnavailableException("the server is being restarted; try again", isBusy: true);
        switch (envelope.Method)
        {
            case KnownMethod.Discover:
                await Answer.Json(http, 200, RpcMessage.Result(envelope.Id.Of(body.Span), shared.Additions.Discover(shared.InitializeResult)));
                return;
            case KnownMethod.Listen:
                await LegacyListen.RunAsync(context, http, body, envelope, principal, shared);
                return;
        }
        if (envelope.Method == KnownMethod.CallTool && await ModernEndpoint.RefuseParametersAsync(http, body, envelope, shared.Tools)) return;
        if (IsForSharedServer(body.Span, envelope)) await Pass(http, body.Span, envelope, principal, shared, link);
        else await pool.RunAsync(http, body, envelope, principal);
    }

    // A legacy server does not say which call its requests and log lines belong to.
    static bool IsForSharedServer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (envelope.LogLevel.IsPresent || envelope.RequestState.IsPresent || envelope.InputResponses.IsPresent) return false;
        var capabilities = envelope.ClientCapabilities.Of(message);
        return capabilities.Length <= 2 || !Capabilities.Has(capabilities, "sampling"u8) && !Capabilities.Has(capabilities, "elicitation"u8) && !Capabilities.Has(capabilities, "roots"u8);
    }

    // What the modern era does not have, and the tasks of the legacy era, which are others than those of the extension.
    static bool IsRemoved(ReadOnlySpan<byte> message, in Envelope envelope)
        => envelope.Method is KnownMethod.Initialize or KnownMethod.Ping or KnownMethod.SetLevel or KnownMethod.Subscribe or KnownMethod.Unsubscribe
        || envelope.Method == KnownMethod.Other && envelope.MethodName.Of(message).StartsWith("\"tasks/"u8);

    public void Dispose() => pool.Dispose();
}

/// <summary>Questions to a client's capabilities.</summary>
static class Capabilities
{
    public static bool Has(ReadOnlySpan<byte> capabilities, ReadOnlySpan<byte> name) => JsonEdit.Member(capabilities, name) is [(byte)'{', ..];
}

/// <summary>A modern client's call at a shared legacy server.</summary>
sealed class SharedCall(ModernContext context, HttpContext http, string principal, ReadOnlySpan<byte> message, in Envelope envelope, ResultAdditions additions)
    : ModernExchange(context, http, principal, message, envelope)
{
    readonly KnownMethod method = envelope.Method;

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope) => additions.Finish(this, method, message, envelope);

    /// <summary>The server asked for something that the client did not offer.</summary>
    public ValueTask OnMissingCapability(string capability)
    {
        if (Link?.Forget(this) == true) _ = Link.SendAsync(new Splice(RpcMessage.Cancelled(Id))).AsTask();
        return Finish(new Splice(RpcMessage.MissingCapability(ClientId, capability)), 400);
    }
}
