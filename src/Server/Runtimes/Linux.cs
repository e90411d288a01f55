using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace McpCan.Server.Runtimes;

/// <summary>The system calls that the process runtime needs and .NET does not offer.</summary>
internal static unsafe partial class Linux
{
    public const int SigTerm = 15, SigKill = 9, SigPipe = 13;
    public const int LimitFileSize = 1, LimitData = 2, LimitCore = 4, LimitProcesses = 6, LimitOpenFiles = 7;
    public const int SetNoNewPrivileges = 38, CapabilityBoundingDrop = 24, SetSecureBits = 28;
    private const int OpenReadOnly = 0, OpenNoFollow = 0x20000, OpenNonBlock = 0x800, OpenCloseOnExec = 0x80000, OpenPath = 0x200000;
    private static readonly bool Arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [StructLayout(LayoutKind.Sequential)]
    public struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);
    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint UserId();
    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    public static partial int NewSession();
    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    public static partial int GetLimit(int resource, Limit* limit);
    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    public static partial int SetLimit(int resource, Limit* limit);
    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int ProcessControl(int option, nuint a, nuint b, nuint c, nuint d);
    [LibraryImport("libc", EntryPoint = "signal")]
    public static partial nint Signal(int signal, nint handler);
    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string file, byte** arguments, byte** environment);
    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeDirectory(string path);
    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int HardLink(string from, string to);
    [LibraryImport("libc", EntryPoint = "symlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SymbolicLink(string target, string path);
    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwner(string path, uint user, uint group);
    [LibraryImport("libc", EntryPoint = "getegid")]
    public static partial uint GroupId();
    [LibraryImport("libc", EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* Resolve(string path, byte* buffer);
    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MakeDirectory(string path, uint mode);
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode);
    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    public static partial int Duplicate(int from, int to);
    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Call(nint number, nint a, nint b, nint c, nint d);

    public static nint CapabilitySet => Arm ? 91 : 126;
    public const nint CloseRange = 436, LandlockCreate = 444, LandlockAdd = 445, LandlockRestrict = 446;

    /// <summary>The path without any symbolic link, as the kernel goes it, or null when it leads nowhere.</summary>
    public static string? RealPath(string path)
    {
        const int longest = 4096;
        var buffer = stackalloc byte[longest];
        return Resolve(path, buffer) is null ? null : Marshal.PtrToStringUTF8((nint)buffer);
    }

    /// <summary>Opens for a Landlock rule; nothing can be read through it.</summary>
    public static int OpenForRule(string path) => Open(path, OpenPath | OpenCloseOnExec, 0);

    /// <summary>
    /// Opens a file that a workload could have put there: no link is followed, nothing blocks, and only a regular file is accepted. Null when there is none.
    /// </summary>
    public static FileStream? OpenRegular(string path)
    {
        var file = Open(path, OpenReadOnly | OpenNoFollow | OpenNonBlock | OpenCloseOnExec, 0);
        if (file < 0) return null;
        var handle = new SafeFileHandle(file, ownsHandle: true);
        try
        {
            var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            if (stream.CanSeek) return stream;
            stream.Dispose();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            handle.Dispose();
            return null;
        }
    }

    /// <summary>Whether a socket lies there; links are not followed.</summary>
    public static bool IsSocket(string path) => (Mode(path, out _) & 0xf000) == 0xc000;

    /// <summary>Whether a folder lies there, no link, which is ours and closed to others.</summary>
    public static bool IsOwnFolder(string path) => Mode(path, out var owner) is var mode && (mode & 0xf03f) == 0x4000 && owner == UserId();

    /// <summary>Who owns a file or folder; links are not followed.</summary>
    public static uint Owner(string path)
    {
        Mode(path, out var owner);
        return owner;
    }

    /// <summary>st_mode by statx, whose layout is the same on all machines.</summary>
    private static int Mode(string path, out uint owner)
    {
        const int here = -100, noFollow = 0x100, typeModeOwner = 0x1 | 0x2 | 0x8;
        var buffer = stackalloc byte[256];
        owner = uint.MaxValue;
        if (Statx(here, path, noFollow, typeModeOwner, buffer) != 0) return 0;
        owner = *(uint*)(buffer + 20);
        return *(ushort*)(buffer + 28);
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* buffer);

    /// <summary>Replaces this process. Returns only when that failed, with the error's number.</summary>
    public static int Execute(string file, IReadOnlyList<string> arguments, IEnumerable<string> environment)
    {
        // Not freed: either the process is gone afterwards or it ends.
        Execute(file, Vector(arguments), Vector(environment));
        return Marshal.GetLastPInvokeError();
    }

    private static byte** Vector(IEnumerable<string> texts)
    {
        var all = texts.ToArray();
        var vector = (byte**)NativeMemory.AllocZeroed((nuint)all.Length + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < all.Length; i++) vector[i] = (byte*)Marshal.StringToCoTaskMemUTF8(all[i]);
        return vector;
    }
}
