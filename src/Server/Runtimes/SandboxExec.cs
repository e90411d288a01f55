using System.Runtime.InteropServices;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>What <c>mcpcan sandbox-exec</c> does to itself before it becomes the workload.</summary>
internal sealed record LaunchOrder
{
    /// <summary>Argument vector; the first element is an absolute path.</summary>
    public required string[] Command { get; init; }
    public required Dictionary<string, string> Environment { get; init; }
    public required string Directory { get; init; }
    /// <summary>File for standard output and error, or null to keep what was inherited.</summary>
    public string? Output { get; init; }
    /// <summary>Pseudo-terminal for standard input, output and error.</summary>
    public string? Terminal { get; init; }
    /// <summary>Whether the terminal becomes that of the session made here.</summary>
    public bool Leads { get; init; }
    /// <summary>Resource number → highest value.</summary>
    public Dictionary<int, long> Limits { get; init; } = [];
    /// <summary>The <c>cgroup.procs</c> files to enter.</summary>
    public string[] Groups { get; init; } = [];
    /// <summary>Apply Landlock with these folders, and drop all capabilities.</summary>
    public bool Landlock { get; init; }
    public string[] Writable { get; init; } = [];
    public string[] Readable { get; init; } = [];
}

/// <summary>
/// The hidden subcommand <c>sandbox-exec FILE</c>: a short-lived stage between the server and the workload. In one place it takes a new session,
/// closes inherited files, enters the cgroup, sets limits and Landlock, and then replaces itself. The order comes in a file, since arguments and
/// the environment can be read by others and may hold secrets; the file is removed first of all.
/// </summary>
internal static class SandboxExec
{
    public const string Word = "sandbox-exec";
    public const int Failed = 125;

    /// <summary>The exit code when it could not be done; null when the arguments mean something else.</summary>
    public static int? Run(string[] args)
    {
        if (args is not [Word, var file]) return null;
        try
        {
            var order = JsonSerializer.Deserialize<LaunchOrder>(File.ReadAllBytes(file))!;
            File.Delete(file);
            Become(order);
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"{Word}: {e.Message}");
        }
        return Failed;
    }

    private static unsafe void Become(LaunchOrder order)
    {
        _ = Linux.NewSession();
        var nothing = Linux.Open("/dev/null", 0, 0);
        _ = Linux.Duplicate(nothing, 0);
        if (order.Terminal is not null)
        {
            // The first terminal that the leader of a new session opens is the session's.
            var terminal = order.Leads ? Linux.Open(order.Terminal, Linux.ReadWrite, 0) : Linux.OpenTerminalEnd(order.Terminal);
            if (terminal < 0) throw new IOException($"Cannot open {order.Terminal} (error {Marshal.GetLastPInvokeError()}).");
            for (var file = 0; file < 3; file++) _ = Linux.Duplicate(terminal, file);
        }
        if (order.Output is not null)
        {
            const int writeCreateTruncateNoFollow = 1 | 0x40 | 0x200 | 0x20000;
            var output = Linux.Open(order.Output, writeCreateTruncateNoFollow, 0x180);
            if (output < 0) throw new IOException($"Cannot write {order.Output} (error {Marshal.GetLastPInvokeError()}).");
            _ = Linux.Duplicate(output, 1);
            _ = Linux.Duplicate(output, 2);
        }
        foreach (var group in order.Groups)
        {
            using var procs = new FileStream(group, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            procs.Write("0"u8);
        }
        foreach (var (resource, value) in order.Limits)
        {
            Linux.Limit limit;
            if (Linux.GetLimit(resource, &limit) != 0) continue;
            limit.Hard = Math.Min(limit.Hard, (ulong)value);
            limit.Soft = limit.Hard;
            if (Linux.SetLimit(resource, &limit) != 0) throw new IOException($"Cannot set limit {resource} to {value} (error {Marshal.GetLastPInvokeError()}).");
        }
        if (Linux.ChangeDirectory(order.Directory) != 0) throw new IOException($"Cannot enter {order.Directory} (error {Marshal.GetLastPInvokeError()}).");
        var environment = order.Environment.Select(v => $"{v.Key}={v.Value}").ToArray();
        if (order.Landlock)
        {
            DropCapabilities();
            Landlock.Restrict(order.Writable, order.Readable);
        }
        Linux.Signal(Linux.SigPipe, 0); // the runtime ignores it, and that would be inherited
        const uint closeOnExec = 4;
        _ = Linux.Call(Linux.CloseRange, 3, int.MaxValue, (nint)closeOnExec, 0);
        var error = Linux.Execute(order.Command[0], order.Command, environment);
        throw new IOException(error switch
        {
            2 => $"{order.Command[0]}: not found",
            13 => $"{order.Command[0]}: permission denied",
            _ => $"{order.Command[0]}: cannot be executed (error {error})",
        });
    }

    /// <summary>For a server that runs as root: user 0 without capabilities, which it cannot regain by executing something.</summary>
    private static unsafe void DropCapabilities()
    {
        for (nuint capability = 0; capability < 64; capability++) _ = Linux.ProcessControl(Linux.CapabilityBoundingDrop, capability, 0, 0, 0);
        const nuint noRootLocked = 3, noSetuidFixupLocked = 12;
        _ = Linux.ProcessControl(Linux.SetSecureBits, noRootLocked | noSetuidFixupLocked, 0, 0, 0);
        var header = stackalloc uint[2] { 0x20080522, 0 };
        var sets = stackalloc uint[6];
        _ = Linux.Call(Linux.CapabilitySet, (nint)header, (nint)sets, 0, 0);
    }
}
