using System.Text.Json;
using System.Text.RegularExpressions;

namespace McpCan.Server.Instances;

/// <summary>Reads one entry of pasted configuration.</summary>
internal static partial class ImportEntry
{
    public static bool LooksLikeOne(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
        && (Text(element, "command") is not null || ImportRemote.Address(element) is not null || (element.TryGetProperty("transport", out var transport) && transport.ValueKind == JsonValueKind.Object));

    public static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <param name="name">Its name.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="mode"><c>direct</c> to keep everything on file, else servers with an address are proxied and commands managed.</param>
    public static ImportedServer Read(string name, JsonElement entry, string mode)
    {
        name = DisplayName(name);
        if (entry.ValueKind != JsonValueKind.Object) return Refused(name, "", "The entry is not an object.");
        if (entry.TryGetProperty("transport", out var nested) && nested.ValueKind == JsonValueKind.Object && Text(entry, "command") is null) entry = Merge(entry, nested);
        if (Text(entry, "command") is not { Length: > 0 } command)
        {
            return ImportRemote.Address(entry) is not null
                ? ImportRemote.Read(name, entry, mode, IsOn(entry))
                : Refused(name, "", "The entry has neither a command nor an address.");
        }
        var notes = new List<string>();
        var args = Args(entry, notes);
        // Some write the whole line as the command.
        if (args.Count == 0 && command.Contains(' ') && !command.Contains('/') && !command.Contains('\\'))
        {
            var words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            (command, args) = (words[0], [.. words[1..]]);
            notes.Add("The command was split at its spaces.");
        }
        if (ImportRemote.Unwrap(name, command, args, Env(entry, [], []), mode, IsOn(entry)) is { } remote) return remote;
        return Command(name, entry, command, args, notes, mode);
    }

    private static ImportedServer Command(string name, JsonElement entry, string command, List<string> args, List<string> notes, string mode)
    {
        var missing = new List<string>();
        for (var i = 0; i < args.Count; i++)
        {
            if (Placeholder().IsMatch(args[i])) missing.Add($"args[{i}]");
        }
        var env = Env(entry, missing, notes);
        if (missing.Count > 0) notes.Add($"Values are left open and must be filled in before the start: {string.Join(", ", missing)}.");
        if (Text(entry, "cwd") is { Length: > 0 } folder) notes.Add($"The working directory '{folder}' was left out: it names a folder of another machine.");
        if (entry.TryGetProperty("envFile", out _)) notes.Add("The 'envFile' was left out: it names a file of another machine.");
        if (args.Any(a => a.StartsWith('/') || a.StartsWith("~/", StringComparison.Ordinal) || WindowsPath().IsMatch(a)) || command.StartsWith('/') || WindowsPath().IsMatch(command))
            notes.Add("An absolute path is used. The server does not see the files of this machine; its own folder is the home folder.");
        var on = IsOn(entry);
        if (!on) notes.Add("The entry is switched off; the server will not be started.");
        var input = new InstanceInput
        {
            Name = name,
            Mode = mode == InstanceModes.Direct ? mode : InstanceModes.Managed,
            Source = new CommandSource(command, args),
            Env = env,
            Start = on && missing.Count == 0,
        };
        return new ImportedServer(name, string.Join(' ', args.Prepend(command)), input, notes, missing, on);
    }

    private static Dictionary<string, EnvInput> Env(JsonElement entry, List<string> missing, List<string> notes)
    {
        var env = new Dictionary<string, EnvInput>(StringComparer.Ordinal);
        if (!entry.TryGetProperty("env", out var given) || given.ValueKind != JsonValueKind.Object) return env;
        foreach (var variable in given.EnumerateObject())
        {
            var value = variable.Value.ValueKind switch
            {
                JsonValueKind.String => variable.Value.GetString()!,
                JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => variable.Value.GetRawText(),
                _ => null,
            };
            if (value is null)
            {
                notes.Add($"The variable '{variable.Name}' was left out: its value is not a text.");
                continue;
            }
            if (value.Length == 0 || Placeholder().IsMatch(value)) missing.Add(variable.Name);
            env[variable.Name] = new EnvInput(value, Secret().IsMatch(variable.Name));
        }
        return env;
    }

    private static List<string> Args(JsonElement entry, List<string> notes)
    {
        if (!entry.TryGetProperty("args", out var given)) return [];
        if (given.ValueKind == JsonValueKind.String) return [.. given.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        if (given.ValueKind != JsonValueKind.Array) return [];
        var args = new List<string>();
        foreach (var arg in given.EnumerateArray())
        {
            if (arg.ValueKind == JsonValueKind.String) args.Add(arg.GetString()!);
            else if (arg.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False) args.Add(arg.GetRawText());
            else notes.Add("An argument that is not a text was left out.");
        }
        return args;
    }

    public static ImportedServer Refused(string name, string summary, string why) => new(name, summary, null, [why], [], true);

    /// <summary>Whether the text leaves something to fill in.</summary>
    public static bool IsOpen(string text) => Placeholder().IsMatch(text);

    public static string Cut(string text) => text.Length <= 300 ? text : text[..300] + "…";

    private static bool IsOn(JsonElement entry)
    {
        return !(Is("disabled", JsonValueKind.True) || Is("isActive", JsonValueKind.False) || Is("enabled", JsonValueKind.False));

        bool Is(string name, JsonValueKind kind) => entry.TryGetProperty(name, out var value) && value.ValueKind == kind;
    }

    private static JsonElement Merge(JsonElement entry, JsonElement transport)
    {
        var all = entry.EnumerateObject().Where(p => p.Name != "transport").Concat(transport.EnumerateObject()).GroupBy(p => p.Name).ToDictionary(g => g.Key, g => g.Last().Value);
        return JsonSerializer.SerializeToElement(all);
    }

    private static string DisplayName(string name)
    {
        var clean = new string([.. name.Select(c => char.IsControl(c) ? ' ' : c)]).Trim();
        return clean.Length == 0 ? "server" : clean.Length <= 100 ? clean : clean[..100].Trim();
    }

    [GeneratedRegex(@"\$\{[^}]*\}|<[A-Za-z][A-Za-z0-9 _-]*>|\bYOUR[_-][A-Z0-9_-]+", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    [GeneratedRegex("TOKEN|SECRET|PASSW|API_?KEY|_KEY$|^KEY$|PRIVATE|CREDENTIAL|AUTH|_PAT$|DSN|CONNECTION_?STRING|DATABASE_URL", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Secret();

    [GeneratedRegex(@"^[A-Za-z]:\\", RegexOptions.CultureInvariant)]
    private static partial Regex WindowsPath();
}
