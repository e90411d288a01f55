using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using McpCan.Server.Access;
using McpCan.Server.Hosting;

namespace McpCan.Server;

/// <summary>The program's commands: <c>serve</c> (also without a word), <c>admin create</c>, <c>api-key create</c>.</summary>
internal static class Cli
{
    private static readonly Option<string?> Data = new("--data") { Description = "Data folder (MCPCAN_DATA; default: data)", HelpName = "FOLDER", Recursive = true };
    private static readonly Option<string?> Database = new("--database") { Description = "'sqlite' or a PostgreSQL connection string (MCPCAN_DATABASE)", HelpName = "DATABASE", Recursive = true };

    /// <summary>Runs the command line; the result is the exit code.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("MCPCAN runs MCP servers and puts them behind one protected address.\nAll settings can be given as environment variables MCPCAN_… or in appsettings.json, section MCPCAN.") { Data, Database };
        Serve(root);
        var serve = new Command("serve", "Start the server (the default).");
        Serve(serve);
        root.Add(serve);
        foreach (var command in AccessCommands.All(Offline)) root.Add(command);
        try
        {
            return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception e) when (e is StartException or ProblemException)
        {
            await Console.Error.WriteLineAsync("mcpcan: " + Sentence(e));
            return 1;
        }
    }

    private static void Serve(Command command)
    {
        var port = new Option<string?>("--port") { Description = "Port to listen on (MCPCAN_PORT; default: 7300; 0: the system chooses)", HelpName = "PORT" };
        var host = new Option<string?>("--host") { Description = "Address to listen on (MCPCAN_HOST; default: 127.0.0.1; *: all)", HelpName = "ADDRESS" };
        command.Add(port);
        command.Add(host);
        command.SetAction(async (result, _) =>
        {
            var settings = Settings(result);
            settings[nameof(McpCanOptions.Port)] = result.GetValue(port);
            settings[nameof(McpCanOptions.Host)] = result.GetValue(host);
            await ServeAsync(settings);
        });
    }

    private static async Task ServeAsync(Dictionary<string, string?> settings)
    {
        await using var app = ServerApp.Build(settings);
        var options = app.Services.GetRequiredService<McpCanOptions>();
        app.Services.GetRequiredService<DataFolder>().Lock(shared: options.UsesPostgres);
        CheckPort(options);
        await app.Services.GetRequiredService<DatabaseStart>().PrepareAsync(CancellationToken.None);
        try
        {
            await app.StartAsync();
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Ctrl-C while it starts: what runs already is stopped like at any other time.
        }
        await app.WaitForShutdownAsync();
    }

    /// <summary>Before anything else starts: a server without its port must not touch what another one runs.</summary>
    private static void CheckPort(McpCanOptions options)
    {
        var address = options.Host switch { "*" => IPAddress.Any, "localhost" => IPAddress.Loopback, var text => IPAddress.Parse(text) };
        try
        {
            using var probe = new TcpListener(address, options.Port);
            probe.Start();
        }
        catch (SocketException e)
        {
            throw new StartException(e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => $"Port {options.Port} on {options.Host} is taken by another program. Choose another with --port or MCPCAN_PORT.",
                SocketError.AccessDenied => $"This user may not listen on port {options.Port}. Choose one above 1023 with --port or MCPCAN_PORT.",
                SocketError.AddressNotAvailable => $"{options.Host} is no address of this machine. Choose another with --host or MCPCAN_HOST.",
                _ => $"MCPCAN cannot listen on {options.Host}, port {options.Port}: {e.Message}",
            }, e);
        }
    }

    /// <summary>The services of a command that works on the data folder, beside a running server or without one.</summary>
    private static async Task<AsyncServiceScope> Offline(ParseResult result, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "mcpcan", ContentRootPath = AppContext.BaseDirectory });
        builder.AddAccess(builder.AddHosting(Settings(result)));
        builder.Logging.ClearProviders().AddConsole(c => c.LogToStandardErrorThreshold = LogLevel.Trace).AddFilter<Microsoft.Extensions.Logging.Console.ConsoleLoggerProvider>(l => l >= LogLevel.Error);
        var app = builder.Build();
        await app.Services.GetRequiredService<DatabaseStart>().PrepareAsync(cancellationToken);
        return app.Services.CreateAsyncScope();
    }

    private static Dictionary<string, string?> Settings(ParseResult result) => new()
    {
        [nameof(McpCanOptions.Data)] = result.GetValue(Data),
        [nameof(McpCanOptions.Database)] = result.GetValue(Database),
    };

    private static string Sentence(Exception exception) => exception is ProblemException { Errors: { } errors }
        ? exception.Message + string.Concat(errors.SelectMany(e => e.Value).Select(e => "\n  - " + e))
        : exception.Message;
}
