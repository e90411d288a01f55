using System.Text.Json;

namespace McpCan.Server.Packages;

/// <summary>A bundle (<c>.mcpb</c>, before that <c>.dxt</c>): its manifest.json says how it is started, and what a person has to tell it.</summary>
internal sealed class BundleProject
{
    private const string Manifest = "manifest.json";
    private readonly ProjectFiles _files;
    private readonly List<string> _notes;
    private readonly JsonElement _manifest;
    private readonly JsonElement _server;

    private BundleProject(ProjectFiles files, List<string> notes, JsonElement manifest) =>
        (_files, _notes, _manifest, _server) = (files, notes, manifest, manifest.GetProperty("server"));

    public static bool IsOne(ProjectFiles files) => Read(files) is not null;

    public static (DetectedProject, string? Name) Detect(ProjectFiles files, string root, List<string> notes)
    {
        var project = new BundleProject(files, notes, Read(files)!.Value);
        notes.Add("Bundle: manifest.json says how it is started.");
        return project.Detect(root);
    }

    private (DetectedProject, string? Name) Detect(string root)
    {
        var type = Text(_server, "type");
        var entry = Text(_server, "entry_point") is { } file ? Local(file) : null;
        if (entry is not null && !_files.Has(entry)) _notes.Add($"The entry {ArchiveTree.Shown(entry)} is not in the archive.");
        var config = Config();
        var parameters = Parameters(config);
        var start = Start(type, entry, config);
        if (start is null) _notes.Add("manifest.json names neither a command nor an entry. Set the start command by hand.");
        // What it needs is in it, as bundles are made; only one that was packed without is installed.
        var (runtime, of) = type switch
        {
            "node" => ("node", !_files.All.Any(f => f.Contains("node_modules/", StringComparison.Ordinal)) && _files.Has("package.json") ? NodeProject.Detect(_files, root, []).Item1 : null),
            "python" or "uv" => ("python", !Brings(config) && PythonProject.Manifests.Any(_files.Has) ? PythonProject.Detect(_files, root, []).Item1 : null),
            _ => ("executable", null),
        };
        if (of?.Install is not null) _notes.Add("What it needs is not in it and is installed.");
        var build = of?.Build;
        if (runtime == "executable" && start is [var program, ..] && program.StartsWith("./", StringComparison.Ordinal))
        {
            // Archives made on Windows have no rights.
            build = ["chmod", "+x", program];
            if (program.EndsWith(".exe", StringComparison.OrdinalIgnoreCase)) _notes.Add("The program is one for Windows and does not run here.");
        }
        if (parameters.Length > 0) _notes.Add($"It asks for: {ProjectDetector.Names(parameters.Select(p => p.Title))}.");
        return (new DetectedProject(runtime, root, of?.Install, start, of?.LockFiles ?? [], [.. _notes], build, Environment(config, parameters), parameters), Text(_manifest, "display_name") ?? Text(_manifest, "name"));
    }

    private string[]? Start(string? type, string? entry, JsonElement config)
    {
        var command = Text(config, "command") is { } c ? Fill(c) : null;
        // Tools of a desktop that are not needed here: what they would install is installed before the start.
        if (command is null or "uv" or "uvx") return entry is null ? null : type switch
        {
            "node" => ["node", entry],
            "python" or "uv" => ["python3", entry],
            _ => ["./" + entry],
        };
        if (command is "python") command = "python3";
        else if (command.Contains('/') && !command.StartsWith('/')) command = "./" + command;
        else if (_files.Has(command)) command = "./" + command;
        return [command, .. config.TryGetProperty("args", out var args) && args.ValueKind == JsonValueKind.Array ? args.EnumerateArray().Where(a => a.ValueKind == JsonValueKind.String).Select(a => Fill(a.GetString()!)) : []];
    }

    /// <summary>What applies here: the general part, and over it what is said for Linux.</summary>
    private JsonElement Config()
    {
        var config = new Dictionary<string, JsonElement>();
        var general = Object(_server, "mcp_config");
        foreach (var part in new[] { general, Object(Object(general, "platform_overrides"), "linux") })
            foreach (var field in part.EnumerateObject()) config[field.Name] = field.Value;
        return JsonSerializer.SerializeToElement(config);
    }

    private bool Brings(JsonElement config) => Text(Object(config, "env"), "PYTHONPATH") is { } path && _files.HasFolder(Fill(path).TrimEnd('/'));

    private PackageParameter[] Parameters(JsonElement config)
    {
        var env = Texts(Object(config, "env")).Where(e => IsVariable(e.Key)).ToList();
        return [.. Object(_manifest, "user_config").EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Object).DistinctBy(p => p.Name).Take(100).Select(p => new PackageParameter(
            p.Name,
            env.FirstOrDefault(e => e.Value == PackageParameter.Marker(p.Name)).Key ?? PackageParameter.VariableOf(p.Name),
            Text(p.Value, "title") ?? p.Name,
            Text(p.Value, "description"),
            Text(p.Value, "type") ?? "string",
            Is(p.Value, "required"),
            Is(p.Value, "sensitive"),
            Is(p.Value, "multiple"),
            Default(p.Value)))];
    }

    private static Dictionary<string, string>? Environment(JsonElement config, PackageParameter[] parameters)
    {
        var env = Texts(Object(config, "env")).Where(e => IsVariable(e.Key) && !parameters.Any(p => p.Variable == e.Key)).ToDictionary(e => e.Key, e => Fill(e.Value));
        return env.Count > 0 ? env : null;
    }

    /// <summary>A default that is a place on somebody's desktop is none here.</summary>
    private static string? Default(JsonElement parameter) => !parameter.TryGetProperty("default", out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.String => Plain(value.GetString()),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        JsonValueKind.Array => Plain(string.Join('\n', value.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()))),
        _ => null,
    };

    private static string? Plain(string? text) => text is null || text.Contains("${", StringComparison.Ordinal) ? null : text;

    /// <summary>The start command begins in the bundle's folder, so that its name is a dot.</summary>
    private static string Fill(string text) => text.Replace("${/}", "/", StringComparison.Ordinal).Replace("${pathSeparator}", "/", StringComparison.Ordinal)
        .Replace("${__dirname}/", "", StringComparison.Ordinal).Replace("${__dirname}", ".", StringComparison.Ordinal);

    private static string Local(string file) => Fill(file) is var path && path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;

    private static bool IsVariable(string name) => name.Length is > 0 and <= 200 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static bool Is(JsonElement of, string field) => of.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement of, string field) => of.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;

    private static IEnumerable<KeyValuePair<string, string>> Texts(JsonElement of) =>
        of.EnumerateObject().Where(e => e.Value.ValueKind == JsonValueKind.String).DistinctBy(e => e.Name).Select(e => KeyValuePair.Create(e.Name, e.Value.GetString()!));

    private static readonly JsonElement Empty = JsonSerializer.SerializeToElement(new Dictionary<string, string>());

    private static JsonElement Object(JsonElement of, string field) => of.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Object ? value : Empty;

    private static JsonElement? Read(ProjectFiles files)
    {
        if (files.Text(Manifest) is not { } text) return null;
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && (root.TryGetProperty("manifest_version", out _) || root.TryGetProperty("dxt_version", out _))
                && root.TryGetProperty("server", out var server) && server.ValueKind == JsonValueKind.Object ? root.Clone() : null;
        }
        catch (JsonException)
        {
            return null; // other tools have files of this name as well
        }
    }
}
