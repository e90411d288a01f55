using McpCan.Server.Hosting;

namespace McpCan.Server.Runtimes;

/// <summary>Tells the start banner which runtimes were found, and why others were not.</summary>
internal static class RuntimeNotes
{
    public static void AddRuntimeNotes(this WebApplicationBuilder builder) =>
        builder.Services.AddSingleton(new StartNote("Runtimes", LinesAsync));

    private static async Task<IReadOnlyList<string>> LinesAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        foreach (var runtime in services.GetServices<IRuntime>())
        {
            var check = await runtime.CheckAsync(cancellationToken);
            var tools = string.Join(", ", check.Tools.Where(t => t.Value is not null).OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"{t.Key} {t.Value}"));
            var isolation = check.Isolation.ToString().ToLowerInvariant();
            lines.Add(check.Usable ? $"{runtime.Kind}: ready, isolation {isolation}{(tools.Length > 0 ? $"; {tools}" : "")}" : $"{runtime.Kind}: not usable");
            lines.AddRange(check.Findings.Select(f => $"  {f}"));
        }
        return lines;
    }
}
