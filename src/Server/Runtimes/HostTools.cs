using System.Diagnostics;

namespace McpCan.Server.Runtimes;

/// <summary>A program or installation outside of the system folders that workloads may read.</summary>
/// <param name="Host">Where it lies.</param>
/// <param name="Inside">Where a workload sees it.</param>
internal sealed record HostPath(string Host, string Inside);

/// <summary>Finds interpreters on the server's PATH, also behind version managers' shims, and what a sandbox must show to run them.</summary>
internal sealed class HostTools
{
    public const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>What a sandbox shows of the system, read-only. Never the home folders, /var, /srv, /opt, /etc as a whole.</summary>
    public static readonly string[] SystemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"];

    /// <summary>What a sandbox shows of /etc: names, certificates, libraries, time zone, package registries. No accounts, no keys.</summary>
    public static readonly string[] SystemSettings =
    [
        "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
        "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted", "/etc/crypto-policies",
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
        "/etc/fonts", "/etc/npmrc", "/etc/pip.conf", "/etc/os-release", "/etc/debian_version",
    ];

    private static readonly string[] Known = ["node", "npm", "npx", "python3", "python", "pip", "uv", "uvx"];
    private readonly Lock _gate = new();
    private Task<(string[] Folders, HostPath[] Paths)>? _interpreters;

    /// <summary>Folders for PATH, and what must be readable beside the system.</summary>
    public Task<(string[] Folders, HostPath[] Paths)> InterpretersAsync()
    {
        lock (_gate) return _interpreters ??= FindAsync();
    }

    /// <summary>The program on PATH, or null.</summary>
    public static string? Which(string name, string? path = null)
    {
        if (name.Contains('/', StringComparison.Ordinal)) return IsProgram(name) ? name : null;
        var folders = (path ?? Environment.GetEnvironmentVariable("PATH") ?? SystemPath).Split(':', StringSplitOptions.RemoveEmptyEntries);
        return folders.Where(Path.IsPathRooted).Select(f => Path.Combine(f, name)).FirstOrDefault(IsProgram);
    }

    /// <summary>A program named without a folder that lies outside of the system: its real file, seen where PATH finds it.</summary>
    public static HostPath? Extra(string name) =>
        !name.Contains('/', StringComparison.Ordinal) && Which(name) is { } found && !InSystem(found) && Real(found) is { } real ? new(real, found) : null;

    public static bool InSystem(string path) => SystemFolders.Any(s => path.StartsWith(s + "/", StringComparison.Ordinal));

    /// <summary>The path without symbolic links, or null when it leads nowhere.</summary>
    public static string? Real(string path)
    {
        try
        {
            var real = "/";
            foreach (var part in Path.GetFullPath(path).Split('/', StringSplitOptions.RemoveEmptyEntries))
            {
                var next = Path.Combine(real, part);
                real = new FileInfo(next).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? next;
            }
            return Path.Exists(real) ? real : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Versions of what servers are usually written for; null for what is missing.</summary>
    public static async Task<Dictionary<string, string?>> VersionsAsync(CancellationToken cancellationToken)
    {
        var asked = new (string Name, string[] Command)[]
        {
            ("node", ["node", "--version"]), ("npm", ["npm", "--version"]), ("python3", ["python3", "--version"]),
            ("pip", ["python3", "-m", "pip", "--version"]), ("uv", ["uv", "--version"]), ("bwrap", ["bwrap", "--version"]),
        };
        var versions = await Task.WhenAll(asked.Select(a => AskAsync(a.Command, cancellationToken)));
        return asked.Zip(versions).ToDictionary(p => p.First.Name, p => p.Second?.Split(' ') is { } words ? words.FirstOrDefault(w => w.TrimStart('v').Length > 0 && char.IsAsciiDigit(w.TrimStart('v')[0]))?.TrimStart('v') : null);
    }

    private static async Task<(string[] Folders, HostPath[] Paths)> FindAsync()
    {
        var folders = new List<string>();
        var paths = new List<HostPath>();
        foreach (var (program, question) in new (string, string[])[] { ("node", ["-p", "process.execPath"]), ("python3", ["-c", "import os,sys\nprint(os.path.realpath(sys.executable))\nprint(sys.base_prefix)"]) })
        {
            var answer = (await AskAsync([program, .. question], CancellationToken.None))?.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (answer is null or [] || InSystem(answer[0]) || Path.GetDirectoryName(answer[0]) is not { } bin) continue;
            var prefix = answer.Length > 1 ? answer[1] : Path.GetDirectoryName(bin)!;
            folders.Add(bin);
            // A prefix such as / or /home would show too much: then only the program itself.
            var shown = prefix.Count(c => c == '/') >= 2 && bin.StartsWith(prefix + "/", StringComparison.Ordinal) ? prefix : answer[0];
            paths.Add(new(shown, shown));
        }
        foreach (var extra in Known.Select(Extra).OfType<HostPath>())
        {
            if (Path.GetDirectoryName(extra.Inside) is { } folder && (folder.EndsWith("/shims", StringComparison.Ordinal) || folders.Contains(folder))) continue;
            if (paths.Exists(p => extra.Inside.StartsWith(p.Inside + "/", StringComparison.Ordinal))) continue;
            folders.Add(Path.GetDirectoryName(extra.Inside)!);
            paths.Add(extra);
        }
        return ([.. folders.Distinct()], [.. paths.Distinct()]);
    }

    private static async Task<string?> AskAsync(string[] command, CancellationToken cancellationToken)
    {
        if (Which(command[0]) is not { } program) return null;
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(20));
            try
            {
                var errors = process.StandardError.ReadToEndAsync(limit.Token);
                var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
                await errors;
                await process.WaitForExitAsync(limit.Token);
                return process.ExitCode == 0 ? output.Trim() : null;
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancellationToken.ThrowIfCancellationRequested();
                return null;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static bool IsProgram(string path)
    {
        if (OperatingSystem.IsWindows()) return File.Exists(path);
        const UnixFileMode execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(path) && (File.GetUnixFileMode(path) & execute) != 0;
    }
}
