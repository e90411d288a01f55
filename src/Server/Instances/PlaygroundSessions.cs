using System.Net;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace McpCan.Server.Instances;

/// <summary>Opens MCP sessions for people of the console and for the API, through our own gateway and with a pass of that person.</summary>
internal sealed class PlaygroundSessions(TokenVerifier tokens, IServer server, ILoggerFactory logs)
{
    /// <summary>A new session; 409 when the server cannot be called now.</summary>
    public async Task<PlaygroundSession> OpenAsync(Instance instance, string actor, PlaygroundListener? listener, CancellationToken cancellationToken)
    {
        if (Obstacle(instance) is { } obstacle) throw obstacle;
        var pass = tokens.Lend(instance.Id, actor) ?? throw new ProblemException(503, "too-many-sessions", "Too many sessions of the playground are open. Try again later.");
        var session = new PlaygroundSession(new Uri(OwnAddress(), $"mcp-gateway/{instance.Id}/mcp"), pass, listener, logs);
        try
        {
            await session.ConnectAsync(cancellationToken);
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    /// <summary>Why nothing can be called now; null when it can.</summary>
    public static ProblemException? Obstacle(Instance instance) => instance switch
    {
        { Mode: InstanceModes.Direct } => new(409, "direct-mode", $"The server '{instance.Name}' is kept on file only; calls do not go through this program."),
        { Status.State: InstanceStates.Running or InstanceStates.Degraded } => null,
        _ => new(409, "not-running", $"The server '{instance.Name}' is not running."),
    };

    /// <summary>The address that we listen on, as this machine reaches it. A path prefix is the business of the proxy before us.</summary>
    private Uri OwnAddress()
    {
        var addresses = server.Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        var own = addresses.Select(BindingAddress.Parse).FirstOrDefault(a => a.Scheme == "http")
            ?? throw new ProblemException(503, "not-listening", "This program listens on no plain HTTP address.");
        var any = own.Host is "*" or "+" || (IPAddress.TryParse(own.Host.Trim('[', ']'), out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)));
        return new UriBuilder("http", any ? "127.0.0.1" : own.Host, own.Port).Uri;
    }
}
