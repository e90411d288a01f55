using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Npgsql;

namespace McpCan.Server.Hosting;

/// <summary>Says once, when the server listens, what is on and what to do next.</summary>
internal sealed partial class StartBanner(
    IServiceProvider services, IServer server, McpCanOptions options, DataFolder folder, BannerOutput output, ILogger<StartBanner> logger) : IHostedLifecycleService
{
    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        var text = new StringBuilder().AppendLine().AppendLine(CultureInfo.InvariantCulture, $"MCPCAN {Version.Text} is running.");
        if (options.Role != "all") Line(text, "Role", options.Role);
        Line(text, options.HasConsole ? "Console" : "Gateway", Address(server, options) + (options.HasConsole ? "/" : "/mcp-gateway/"));
        Line(text, "Data", folder.Root);
        Line(text, "Database", DatabaseName());
        foreach (var note in services.GetServices<StartNote>()) await AddAsync(text, note, cancellationToken);
        foreach (var warning in Warnings()) Line(text, "Warning", warning);
        Line(text, "Stop", "Ctrl-C");
        await output.Writer.WriteLineAsync(text, cancellationToken);
        await output.Writer.FlushAsync(cancellationToken);
    }

    /// <summary>Where people on this machine reach the server.</summary>
    public static string Address(IServer server, McpCanOptions options)
    {
        if (options.PublicUrl is { } url) return url.TrimEnd('/');
        var bound = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? $"http://127.0.0.1:{options.Port}";
        return bound.Replace("[::]", "127.0.0.1", StringComparison.Ordinal).Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal) + options.PathBase;
    }

    private async Task AddAsync(StringBuilder text, StartNote note, CancellationToken cancellationToken)
    {
        try
        {
            var title = note.Title;
            foreach (var line in await note.Lines(services, cancellationToken))
            {
                Line(text, title, line);
                title = "";
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNoteFailed(e, note.Title);
        }
    }

    private IEnumerable<string> Warnings()
    {
        if (options.Host is not ("127.0.0.1" or "::1" or "localhost") && options.PublicUrl?.StartsWith("https:", StringComparison.Ordinal) != true)
            yield return $"listening on {options.Host} without TLS: put a reverse proxy with TLS in front and set MCPCAN_PUBLIC_URL.";
        if (options.AllowedHosts.Contains("*")) yield return "every host name is allowed (MCPCAN_ALLOWED_HOSTS=*), so nothing guards against DNS rebinding.";
        if (options.MinimumIsolation == "none") yield return "instances may run without isolation (MCPCAN_MINIMUM_ISOLATION=none): run only servers that you trust.";
    }

    private string DatabaseName()
    {
        if (!options.UsesPostgres) return "SQLite";
        var connection = new NpgsqlConnectionStringBuilder(options.Database);
        return $"PostgreSQL, {connection.Database} on {connection.Host}:{connection.Port}";
    }

    private static void Line(StringBuilder text, string title, string line) => text.AppendLine(CultureInfo.InvariantCulture, $"  {title,-10} {line}");

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(1, LogLevel.Warning, "The start banner's part {Title} is missing")]
    private partial void LogNoteFailed(Exception exception, string title);
}

/// <summary>Where the start banner is written.</summary>
internal sealed record BannerOutput(TextWriter Writer);

/// <summary>This program's version.</summary>
public static class Version
{
    /// <summary>For example <c>0.1.0</c>.</summary>
    public static string Text { get; } = typeof(Version).Assembly.GetName().Version?.ToString(3) ?? "0";
}
