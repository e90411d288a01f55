using System.Text.RegularExpressions;

namespace McpCan.Server.Runtimes;

/// <summary>Says in one sentence how a process ended and what probably caused it, from its exit code and last lines.</summary>
public static partial class ExitReasons
{
    private const string AtLimit = "The kernel ended it because it reached its memory limit. Raise the limit.";

    private static readonly (Regex Seen, string Kind, string Cause)[] Rules =
    [
        (OutOfMemory(), "out-of-memory", "It ran out of memory. Raise the memory limit."),
        (NoSuchProgram(), "no-program", "The program was not found: $1. Check the command's spelling and that the program is installed on the server's machine."),
        (NotFoundInRegistry(), "no-package", "The package is not in the registry. Check its name and version."),
        (RegistryUnreachable(), "no-network", "A host cannot be reached ($1). Check the network, DNS and proxy settings of the server's machine."),
        (Certificate(), "certificate", "The certificate of a host was not accepted. Set NODE_EXTRA_CA_CERTS or SSL_CERT_FILE for MCPCAN when a proxy of your own stands between."),
        (NoMatchingVersion(), "no-version", "No version of the package fits ($1). Check its name, its version and the interpreter's version."),
        (NodeModule(), "no-module", "The module '$1' is missing. Add it to package.json, or check the path of the file that is started."),
        (PythonModule(), "no-module", "The Python module '$1' is missing. Add it to requirements.txt or pyproject.toml."),
        (MissingVariable(), "no-setting", "A setting is missing: $0. Set the variable in the instance's environment."),
        (Credentials(), "credentials", "It wants credentials: $0. Set the API key or token in the instance's environment."),
        (SyntaxFault(), "code-fault", "The code has a fault that keeps it from starting: $0."),
        (PortTaken(), "port-taken", "It wants a port that is taken. An MCP server started by MCPCAN should speak over stdio and open no port."),
        (ReadOnly(), "read-only", "It wrote to a folder that is read-only. It can write to its home, to /tmp and to its own folder."),
        (MissingFile(), "no-file", "A file was not found: $1. Files of the server's machine are not visible to a workload; upload them as a package."),
        (NotPermitted(), "not-permitted", "Something was not permitted: $0."),
        (DiskFull(), "disk-full", "The disk is full, or a file grew above the file size limit."),
        (ConnectionRefused(), "no-service", "It could not connect to $1. A workload cannot reach a service that does not run there."),
        (Usage(), "arguments", "It did not accept its arguments. Check them: $0."),
    ];

    /// <summary>One sentence or two: how it ended, and the likely cause.</summary>
    public static string Explain(string phase, int? code, int? signal, bool outOfMemory, IReadOnlyList<string> lastLines, string program = "The server")
    {
        // A shell or sandbox between reports a signal as 128 + its number.
        if (signal is null && code is > 128 and < 160) (code, signal) = (null, code - 128);
        var how = phase == "install" ? (signal, code) switch
        {
            ({ } s, _) => $"The installation was ended by signal {Signal(s)}.",
            (_, { } c) => $"The installation failed with exit code {c}.",
            _ => "The installation failed.",
        } : (signal, code) switch
        {
            ({ } s, _) => $"{program} was ended by signal {Signal(s)}.",
            (_, 0) => $"{program} ended by itself (exit code 0).",
            (_, { } c) => $"{program} exited with code {c}.",
            _ => $"{program} ended.",
        };
        var cause = outOfMemory ? AtLimit : Cause(code, lastLines);
        return cause is null ? how : $"{how} {cause}";
    }

    /// <summary>What kind of end it was, one word for programs: <c>out-of-memory</c>, <c>no-program</c>, … or <c>ended</c> when nothing more is known.</summary>
    public static string Kind(WorkloadExit exit)
    {
        if (exit.Reason.Contains(AtLimit, StringComparison.Ordinal)) return "out-of-memory";
        foreach (var (seen, kind, _) in Rules)
        {
            if (exit.LastLines.Append(exit.Reason).Any(line => line.Length <= 4000 && seen.IsMatch(line))) return kind;
        }
        return exit switch
        {
            { Code: 127 } => "no-program",
            { Code: 0 } => "ended-by-itself",
            { Code: null, Signal: null, Phase: "initialize" or "tools" } => "no-answer",
            { Phase: "install" } => "install",
            _ => "ended",
        };
    }

    private static string? Cause(int? code, IReadOnlyList<string> lines)
    {
        foreach (var (seen, _, cause) in Rules)
        {
            foreach (var line in lines.Reverse())
            {
                if (line.Length <= 4000 && seen.Match(line) is { Success: true } match) return Fill(cause, match);
            }
        }
        return code switch
        {
            127 => "The program was not found.",
            126 => "The program may not be executed.",
            0 => "An MCP server must keep running and read its standard input; this looks like a program that does its work and ends.",
            _ => null,
        };
    }

    private static string Fill(string cause, Match match)
    {
        var detail = match.Groups.Cast<Group>().Skip(1).FirstOrDefault(g => g.Success)?.Value.Trim() ?? match.Value.Trim();
        return cause.Replace("$1", Short(detail), StringComparison.Ordinal).Replace("$0", Short(match.Value), StringComparison.Ordinal);
    }

    private static string Short(string text)
    {
        text = text.Trim().TrimEnd('.', ':');
        return text.Length > 160 ? text[..160] + "…" : text;
    }

    private static string Signal(int signal) => signal switch
    {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ (file size limit)",
        31 => "SIGSYS",
        _ => $"{signal}",
    };

    private const RegexOptions Any = RegexOptions.IgnoreCase | RegexOptions.CultureInvariant;

    [GeneratedRegex(@"JavaScript heap out of memory|^MemoryError|Cannot allocate memory|std::bad_alloc|out of memory", Any)]
    private static partial Regex OutOfMemory();
    [GeneratedRegex(@"(?:execvp|cannot start|spawn) '?([^\s:']+)'?:? .*(?:No such file|ENOENT|not found)|spawn (\S+) ENOENT|sandbox-exec: (\S+): not found|(?:sh|bash|env)(?:: (?:line )?\d+)?: '?([^\s:'’‘]+)['’]?: (?:command )?(?:not found|No such file)|([^\s:]+): command not found", Any)]
    private static partial Regex NoSuchProgram();
    [GeneratedRegex(@"npm (?:ERR!|error) (?:code E404|404)|404 Not Found - GET", Any)]
    private static partial Regex NotFoundInRegistry();
    [GeneratedRegex(@"(ENOTFOUND \S*|EAI_AGAIN \S*|ETIMEDOUT|ENETUNREACH|Could not resolve host\S*|Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|Network is unreachable|network request to \S+ failed)", Any)]
    private static partial Regex RegistryUnreachable();
    [GeneratedRegex(@"UNABLE_TO_(?:VERIFY|GET)|SELF_SIGNED_CERT|CERTIFICATE_VERIFY_FAILED|self.signed certificate", Any)]
    private static partial Regex Certificate();
    [GeneratedRegex(@"No matching (?:version|distribution) found for (\S+)|(ETARGET)|(Could not find a version that satisfies.*)", Any)]
    private static partial Regex NoMatchingVersion();
    [GeneratedRegex(@"Cannot find (?:module|package) '([^']+)'", Any)]
    private static partial Regex NodeModule();
    [GeneratedRegex(@"(?:ModuleNotFoundError|ImportError): No module named '?([^'\s]+)'?|No module named '?([\w.]+)'?", Any)]
    private static partial Regex PythonModule();
    [GeneratedRegex(@"(?:missing|required|must be set|not set|undefined|please (?:set|provide)).{0,80}\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b.{0,60}|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b.{0,60}(?:required|missing|must be set|not set|undefined|not (?:provided|defined|configured)).{0,40}|KeyError: '[A-Z][A-Z0-9_]+'", RegexOptions.CultureInvariant)]
    private static partial Regex MissingVariable();
    [GeneratedRegex(@".{0,60}(?:api[ _-]?key|access token|credentials?|unauthorized|\b401\b).{0,80}", Any)]
    private static partial Regex Credentials();
    [GeneratedRegex(@"(?:SyntaxError|IndentationError|TabError|ReferenceError|TypeError|NameError)\b.{0,160}", RegexOptions.CultureInvariant)]
    private static partial Regex SyntaxFault();
    [GeneratedRegex("EADDRINUSE|Address already in use", Any)]
    private static partial Regex PortTaken();
    [GeneratedRegex("EROFS|Read-only file system", Any)]
    private static partial Regex ReadOnly();
    [GeneratedRegex(@"can't open file '([^']+)'|ENOENT: no such file or directory,? ?\w* ?'?([^']*)'?|No such file or directory: '([^']+)'", Any)]
    private static partial Regex MissingFile();
    [GeneratedRegex("(?:EACCES|EPERM|Permission denied|Operation not permitted).{0,120}", Any)]
    private static partial Regex NotPermitted();
    [GeneratedRegex("ENOSPC|No space left on device|EFBIG|File too large", Any)]
    private static partial Regex DiskFull();
    [GeneratedRegex(@"ECONNREFUSED ?(\S*)|Connection refused", Any)]
    private static partial Regex ConnectionRefused();
    [GeneratedRegex("(?:usage:|unknown option|unrecognized argument|invalid option|missing required argument).{0,120}", Any)]
    private static partial Regex Usage();
}
