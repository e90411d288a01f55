using System.Runtime.InteropServices;

namespace McpCan.Server.Runtimes;

/// <summary>File access rules of the kernel that a process puts on itself and all its descendants (Linux 5.13 or newer).</summary>
internal static unsafe class Landlock
{
    private const ulong Execute = 1, WriteFile = 2, ReadFile = 4, ReadFolder = 8, Refer = 1 << 13, Truncate = 1 << 14, Device = 1 << 15;
    private const ulong FileRights = Execute | WriteFile | ReadFile | Truncate | Device;
    private const ulong Reading = Execute | ReadFile | ReadFolder;
    private const ulong ScopeAbstractSocketsAndSignals = 3;

    [StructLayout(LayoutKind.Sequential)]
    private struct Ruleset
    {
        public ulong Files;
        public ulong Network;
        public ulong Scope;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct Beneath
    {
        public ulong Allowed;
        public int Parent;
    }

    /// <summary>Version of the kernel's interface; 0 when there is none.</summary>
    public static int Version => OperatingSystem.IsLinux() && Linux.Call(Linux.LandlockCreate, 0, 0, 1, 0) is > 0 and var version ? (int)version : 0;

    /// <summary>Restricts the calling thread and what it starts from now on.</summary>
    /// <param name="writable">Folders and files for reading, writing and executing.</param>
    /// <param name="readable">Folders and files for reading and executing.</param>
    public static void Restrict(IEnumerable<string> writable, IEnumerable<string> readable)
    {
        var version = Version;
        if (version == 0) throw new PlatformNotSupportedException("Landlock is not available.");
        var known = version switch { 1 => (1UL << 13) - 1, 2 => (1UL << 14) - 1, 3 or 4 => (1UL << 15) - 1, _ => (1UL << 16) - 1 };
        var rules = new Ruleset { Files = known, Scope = version >= 6 ? ScopeAbstractSocketsAndSignals : 0 };
        var size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
        var ruleset = (int)Linux.Call(Linux.LandlockCreate, (nint)(&rules), size, 0, 0);
        if (ruleset < 0) throw new IOException($"landlock_create_ruleset failed (error {Marshal.GetLastPInvokeError()}).");
        foreach (var path in writable) Allow(ruleset, path, known & ~Device);
        foreach (var path in readable) Allow(ruleset, path, known & Reading);
        if (Linux.ProcessControl(Linux.SetNoNewPrivileges, 1, 0, 0, 0) != 0 || Linux.Call(Linux.LandlockRestrict, ruleset, 0, 0, 0) != 0)
            throw new IOException($"landlock_restrict_self failed (error {Marshal.GetLastPInvokeError()}).");
        _ = Linux.Close(ruleset);
    }

    private static void Allow(int ruleset, string path, ulong rights)
    {
        var parent = Linux.OpenForRule(path);
        if (parent < 0) return; // what is not there needs no rule
        var rule = new Beneath { Allowed = Directory.Exists(path) ? rights : rights & FileRights & ~Refer, Parent = parent };
        var failed = Linux.Call(Linux.LandlockAdd, ruleset, 1, (nint)(&rule), 0) != 0;
        var error = Marshal.GetLastPInvokeError();
        _ = Linux.Close(parent);
        if (failed) throw new IOException($"landlock_add_rule failed for {path} (error {error}).");
    }
}
