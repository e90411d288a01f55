using System.Security.Cryptography;
using System.Text;

namespace McpCan.Server.Runtimes;

/// <summary>What to install first, and the command that then starts the server without fetching anything.</summary>
/// <param name="Install">Install step, or null when nothing is to be installed.</param>
/// <param name="Command">Command with the placeholders of <see cref="CommandPlans"/>.</param>
public sealed record CommandPlan(InstallStep? Install, IReadOnlyList<string> Command);

/// <summary>
/// Takes <c>npx</c> and <c>uvx</c> apart into an install phase and a run phase. Commands may hold the placeholders <c>{deps}</c> (what was
/// installed), <c>{app}</c> (the package's root) and, as the program, <c>{bin}</c> (the program of the npm package that was installed).
/// </summary>
public static class CommandPlans
{
    /// <summary>Stands for the folder of what was installed.</summary>
    public const string Deps = "{deps}";
    /// <summary>Stands for the root of the unpacked package.</summary>
    public const string App = "{app}";
    /// <summary>As first element: the program that the installed npm package offers.</summary>
    public const string Bin = "{bin}";
    /// <summary>Path of the Python environment.</summary>
    public const string Venv = Deps + "/venv";

    private static readonly HashSet<string> NpxQuiet = ["-y", "--yes", "-q", "--quiet", "--prefer-offline", "--prefer-online", "--no"];

    /// <summary>The plan for a command as a person writes it.</summary>
    /// <param name="command">Argument vector.</param>
    /// <param name="hasUv">Whether <c>uv</c> is installed on the machine.</param>
    /// <param name="versions">Versions of the interpreters; a new one installs anew.</param>
    public static CommandPlan Plan(IReadOnlyList<string> command, bool hasUv = false, string versions = "")
    {
        var program = command.Count == 0 ? "" : command[0];
        return program switch
        {
            "npx" => Npx(command, versions),
            "uvx" => Uvx(command, 1, hasUv, versions),
            "uv" when command.Count > 2 && command[1] == "tool" && command[2] == "run" => Uvx(command, 3, hasUv, versions),
            _ => null,
        } ?? new(null, command);
    }

    /// <summary>The install step for a package's own install command, such as <c>npm ci</c> or <c>pip install -r requirements.txt</c>.</summary>
    /// <param name="install">Argument vector.</param>
    /// <param name="result">All else that decides the result: the lock file's checksum, interpreters' versions.</param>
    public static InstallStep Install(IReadOnlyList<string> install, string result)
    {
        var kind = install[0] switch { "npm" => "npm", "pip" or "pip3" => "pip", "python" or "python3" when install is [_, "-m", "pip", ..] => "pip", _ => "command" };
        if (kind != "pip") return Step(kind, [install], result);
        var arguments = install.SkipWhile(a => a != "install").ToArray();
        if (arguments.Length == 0) return Step("command", [install], result);
        return Step("pip", [["python3", "-m", "venv", Venv], [$"{Venv}/bin/python", "-m", "pip", .. arguments]], result);
    }

    /// <summary>Name that npm runs of a package: its only program, or the one named like the package.</summary>
    public static string? NpxProgram(string package, IReadOnlyList<string> programs)
    {
        var name = package[(package.LastIndexOf('/') + 1)..];
        return programs.Count == 1 ? programs[0] : programs.FirstOrDefault(p => p == name);
    }

    private static CommandPlan? Npx(IReadOnlyList<string> command, string versions)
    {
        var packages = new List<string>();
        var at = 1;
        for (; at < command.Count && command[at].StartsWith('-'); at++)
        {
            var option = command[at];
            if (option == "--")
            {
                at++;
                break;
            }
            if (NpxQuiet.Contains(option)) continue;
            if (option is "-p" or "--package" && at + 1 < command.Count) packages.Add(command[++at]);
            else if (option.StartsWith("--package=", StringComparison.Ordinal)) packages.Add(option["--package=".Length..]);
            else return null; // -c and others: npx itself has to do it
        }
        if (at >= command.Count) return null;
        var named = packages.Count > 0;
        if (!named) packages.Add(command[at]);
        // A local folder or file is not there at the install.
        if (packages.Exists(p => p.Length == 0 || p[0] is '.' or '/' or '-' or '~' || p.StartsWith("file:", StringComparison.Ordinal))) return null;
        var step = Step("npx", [["npm", "install", "--prefix", Deps, "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=notice", "--", .. packages]], versions);
        return new(step, [named ? $"{Deps}/node_modules/.bin/{Plain(command[at])}" : Bin, .. command.Skip(at + 1)]);
    }

    private static CommandPlan? Uvx(IReadOnlyList<string> command, int at, bool hasUv, string versions)
    {
        string? from = null, python = null;
        var with = new List<string>();
        for (; at < command.Count && command[at].StartsWith('-'); at++)
        {
            var (option, value) = command[at].Split('=', 2) is [var o, var v] && o.StartsWith("--", StringComparison.Ordinal) ? (o, v) : (command[at], null);
            if (option is "-q" or "--quiet" or "--isolated" or "--refresh" or "--no-progress") continue;
            if (option is not ("--from" or "--with" or "--python" or "-p" or "-w")) return null;
            value ??= at + 1 < command.Count ? command[++at] : null;
            if (value is null) return null;
            if (option == "--from") from = value;
            else if (option is "--with" or "-w") with.AddRange(value.Split(','));
            else python = value;
        }
        if (at >= command.Count) return null;
        var name = command[at];
        var requirement = Requirement(from ?? name);
        if (requirement.StartsWith('-') || requirement.StartsWith('.') || requirement.StartsWith('/')) return null;
        IReadOnlyList<string>[] steps = hasUv
            ? [["uv", "venv", .. python is null ? [] : new[] { "--python", python }, Venv], ["uv", "pip", "install", "--python", $"{Venv}/bin/python", "--", requirement, .. with]]
            : [["python3", "-m", "venv", Venv], [$"{Venv}/bin/python", "-m", "pip", "install", "--no-input", "--", requirement, .. with]];
        return new(Step("uvx", steps, versions), [$"{Venv}/bin/{Plain(from is null ? Project(name) : name)}", .. command.Skip(at + 1)]);
    }

    /// <summary><c>name@1.2</c> → <c>name==1.2</c>, <c>name@latest</c> → <c>name</c>; all else is left to pip.</summary>
    private static string Requirement(string text)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        if (at <= 0 || text.Contains("://", StringComparison.Ordinal) || text.Contains(' ', StringComparison.Ordinal)) return text;
        return text[(at + 1)..] == "latest" ? text[..at] : $"{text[..at]}=={text[(at + 1)..]}";
    }

    private static string Project(string text) => text[..(text.IndexOfAny(['[', '@', '=', '<', '>', '~', '!', ';', ' ']) is >= 0 and var end ? end : text.Length)];

    /// <summary>A name of a program, and never a path that leads elsewhere.</summary>
    private static string Plain(string name) => name[(name.LastIndexOf('/') + 1)..];

    private static InstallStep Step(string kind, IReadOnlyList<IReadOnlyList<string>> commands, string result)
    {
        var all = string.Join('\n', commands.Select(c => string.Join('\0', c)));
        return new(kind, commands, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{kind}\n{all}\n{result}"))));
    }
}
