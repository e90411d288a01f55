namespace McpCan.Server.Runtimes;

/// <summary>Where a workload finds its folders: fixed places in a sandbox, the real ones without.</summary>
internal sealed record Layout
{
    public required string App { get; init; }
    public required string Deps { get; init; }
    public required string Home { get; init; }
    public required string Tmp { get; init; }
    public required string Run { get; init; }
    public required string Logs { get; init; }
    public required string Bridge { get; init; }
    public required string Cache { get; init; }
    public required List<Mount> Mounts { get; init; }
    public bool Install { get; init; }
    public bool HasApp { get; init; }

    public static Layout ForRun(IsolationLevel level, WorkloadFolder folder, Installer.Result installed, string bridge, bool hasApp)
    {
        var inside = level >= IsolationLevel.Sandbox;
        var layout = Places(inside, folder, installed.Deps ?? "/deps", folder.App) with { Bridge = inside ? "/opt/mcpcan" : bridge, HasApp = hasApp };
        layout.Mounts.AddRange(
        [
            new(folder.Home, layout.Home, true), new(folder.Tmp, layout.Tmp, true), new(folder.Run, layout.Run, true), new(folder.Logs, layout.Logs, true),
            new(bridge, layout.Bridge),
        ]);
        if (hasApp) layout.Mounts.Add(new(folder.App, layout.App, true));
        if (installed.Deps is { } deps) layout.Mounts.Add(new(installed.Own ?? deps, layout.Deps, installed.Own is not null));
        return layout;
    }

    public static Layout ForInstall(IsolationLevel level, WorkloadFolder folder, string cache, string downloads, bool hasApp)
    {
        var layout = Places(level >= IsolationLevel.Sandbox, folder, Path.Combine(cache, "deps"), Path.Combine(cache, "app")) with { Install = true, HasApp = hasApp };
        // A home of its own: install scripts are other code than the server, and see nothing that it keeps.
        layout = layout with { Home = level >= IsolationLevel.Sandbox ? layout.Home : Path.Combine(folder.Tmp, "home"), Cache = level >= IsolationLevel.Sandbox ? "/cache" : downloads };
        layout.Mounts.AddRange([new(Path.Combine(folder.Tmp, "home"), layout.Home, true), new(Path.Combine(folder.Tmp, "tmp"), layout.Tmp, true), new(Path.Combine(cache, "deps"), layout.Deps, true)]);
        foreach (var manager in (string[])["npm", "pip", "uv"]) layout.Mounts.Add(new(Path.Combine(downloads, manager), Path.Combine(layout.Cache, manager), true));
        if (hasApp) layout.Mounts.Add(new(Path.Combine(cache, "app"), layout.App, true));
        return layout;
    }

    /// <summary>Replaces the placeholders of an argument.</summary>
    public string Fill(string argument) => argument.Replace(CommandPlans.Deps, Deps, StringComparison.Ordinal).Replace(CommandPlans.App, App, StringComparison.Ordinal);

    public string Directory(string? relative)
    {
        var start = HasApp ? App : Home;
        if (string.IsNullOrEmpty(relative) || relative == ".") return start;
        if (relative.Split('/').Contains("..") || (relative[0] == '/' && !Mounts.Any(m => VolumePaths.IsIn(relative, m.Inside))))
            throw new ArgumentException("The working directory must be a relative path without '..', or lie in a volume.");
        return Path.Combine(start, relative);
    }

    public Dictionary<string, string> Environment(string[] tools, string workingDirectory)
    {
        var variables = HostEnvironment.Pass(System.Environment.GetEnvironmentVariables(), Install);
        string[] own = [$"{Deps}/node_modules/.bin", $"{Deps}/venv/bin", $"{Deps}/bin", .. HasApp ? new[] { $"{workingDirectory}/node_modules/.bin" } : [], $"{Home}/.local/bin"];
        variables["PATH"] = string.Join(':', [.. own, .. tools, HostTools.SystemPath]);
        variables["HOME"] = Home;
        variables["USER"] = "mcp";
        variables["LANG"] = "C.UTF-8";
        variables["TMPDIR"] = Tmp;
        variables["npm_config_update_notifier"] = "false";
        variables["NO_COLOR"] = "1";
        if (Install)
        {
            variables["npm_config_cache"] = $"{Cache}/npm";
            variables["PIP_CACHE_DIR"] = $"{Cache}/pip";
            variables["UV_CACHE_DIR"] = $"{Cache}/uv";
            variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1";
            variables["PIP_PROGRESS_BAR"] = "off";
            variables["npm_config_progress"] = "false";
        }
        else
        {
            variables["PYTHONUNBUFFERED"] = "1";
            variables["PYTHONDONTWRITEBYTECODE"] = "1";
        }
        return variables;
    }

    private static Layout Places(bool inside, WorkloadFolder folder, string deps, string app) => new()
    {
        App = inside ? "/app" : app,
        Deps = inside ? "/deps" : deps,
        Home = inside ? "/home/mcp" : folder.Home,
        Tmp = inside ? "/tmp" : folder.Tmp,
        Run = inside ? "/run/mcpcan" : folder.Run,
        Logs = inside ? "/run/mcpcan/logs" : folder.Logs,
        Bridge = "",
        Cache = "",
        Mounts = [],
    };
}
