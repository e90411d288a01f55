using System.ComponentModel;
using System.Security.Claims;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Terminals;

/// <summary>What is to run, and how large the window is.</summary>
internal sealed record TerminalParameters(
    [property: Description("Argument vector, one value each; a shell unless told.")] string[]? Command = null,
    [property: Description("Width in characters: 2 to 1000; 80 unless told.")] int? Columns = null,
    [property: Description("Height in lines: 2 to 1000; 24 unless told.")] int? Rows = null)
{
    public TerminalRequest Request()
    {
        new Checks()
            .That(Columns is null or >= 2 and <= 1000, "columns", "Must be between 2 and 1000.")
            .That(Rows is null or >= 2 and <= 1000, "rows", "Must be between 2 and 1000.")
            .That(Command is null || (Command.Length <= 100 && Command.Sum(c => c.Length) <= 8192 && !Command.Any(c => c.Contains('\0', StringComparison.Ordinal))), "command", "Must have at most 100 values and 8192 characters, without NUL.")
            .That(Command is null or [] || Command[0].Length > 0, "command", "Must begin with a program.")
            .Throw();
        return new TerminalRequest(Command is null or [] ? TerminalRequest.Shell : Command, Columns ?? 80, Rows ?? 24);
    }
}

internal static class TerminalEndpoints
{
    public static void AddTerminals(this WebApplicationBuilder builder) => builder.Services.AddSingleton<TerminalSessions>();

    public static void MapTerminals(this WebApplication app) => app.MapApi().MapGet("/instances/{id}/terminal", OpenAsync).WithTags("Instances").RequireAuthorization(Policies.Terminal)
        .WithName("openTerminal").WithSummary("A command in a pseudo-terminal beside the server, over a WebSocket")
        .WithDescription("Binary messages are bytes of the terminal, both ways. Text messages are JSON: the client sends {\"resize\":{\"columns\":80,\"rows\":24}}, "
            + "the server ends with {\"exit\":0} (null when the code is not known) or {\"end\":\"idle\"|\"revoked\"|\"stopping\"|\"slow\"} and closes. "
            + "Opening and closing are noted in the instance's events.")
        .Produces(101);

    private static async Task OpenAsync(
        string id, [AsParameters] TerminalParameters parameters, InstanceManager instances, EnvironmentMap environments, TerminalSessions sessions, McpCanOptions options,
        ClaimsPrincipal user, HttpContext http, CancellationToken cancellationToken)
    {
        // Cookies come along with a WebSocket of any page, and no browser asks beforehand.
        if (!CrossSite.IsOurs(http.Request, options)) throw new ProblemException(403, "cross-site", "A page of another origin may not do this with your session.");
        var request = parameters.Request();
        var instance = await instances.GetAsync(id, cancellationToken);
        if (!http.WebSockets.IsWebSocketRequest) throw new ProblemException(400, "websocket-needed", "A terminal is a WebSocket. Connect with a WebSocket client.");
        if (instance.Mode != InstanceModes.Managed) throw new ProblemException(409, "no-terminal", "Only managed servers have a terminal: this one does not run here.");
        var runtime = environments.Find(instance.Environment) ?? throw new ProblemException(503, "environment-missing", $"The environment '{instance.Environment}' is not there.");
        using var place = sessions.Take(user.Id()!);
        await using var terminal = await StartAsync(runtime, instance.Id, request, cancellationToken);
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        await sessions.ServeAsync(socket, terminal, instance.Id, request, http, cancellationToken);
    }

    private static async Task<ITerminal> StartAsync(IRuntime runtime, string instanceId, TerminalRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await runtime.ExecAsync(instanceId, request, cancellationToken);
        }
        catch (InvalidOperationException e)
        {
            throw new ProblemException(409, "not-running", e.Message);
        }
        catch (NotSupportedException e)
        {
            throw new ProblemException(409, "no-terminal", e.Message);
        }
        catch (IOException e)
        {
            throw new ProblemException(503, "terminal-failed", $"The terminal could not be opened: {e.Message}");
        }
    }
}
