using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace McpCan.Bridge;

/// <summary>The system calls that .NET does not offer.</summary>
static unsafe partial class Native
{
    public const int SigTerm = 15, SigKill = 9, SigChild = 17, NoHang = 1;
    public const int SetChildSubreaper = 36;
    const int SetSigMask = 0x08, SetSigDefault = 0x04, SetSid = 0x80;
    const int UnixFamily = 1, StreamSocket = 1, CloseOnExec = 0x80000; // the same number for sockets and pipes

    [LibraryImport("libc", EntryPoint = "prctl")]
    public static partial int ProcessControl(int option, nuint a, nuint b, nuint c, nuint d);
    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int pid, int signal);
    [LibraryImport("libc", EntryPoint = "waitpid")]
    public static partial int WaitPid(int pid, out int status, int options);
    /// <summary>Blocks until some child has ended, and leaves its exit to be collected. Below zero when there is no child.</summary>
    public static unsafe int AwaitAnyExit()
    {
        const int All = 0, Exited = 4, Leave = 0x1000000;
        var info = stackalloc byte[128];
        return waitid(All, 0, info, Exited | Leave);
    }
    [LibraryImport("libc")]
    private static unsafe partial int waitid(int type, int id, byte* info, int options);
    [LibraryImport("libc", EntryPoint = "signal")]
    public static partial nint SetSignal(int signal, nint handler);
    [LibraryImport("libc", EntryPoint = "umask")]
    public static partial uint UMask(uint mask);
    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int SocketPair(int domain, int type, int protocol, int* pair);
    [LibraryImport("libc", EntryPoint = "pipe2")]
    private static partial int Pipe(int* pair, int flags);
    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nint count);
    [LibraryImport("libc", EntryPoint = "poll")]
    public static partial int Poll(PollEntry* entries, nuint count, int timeout);
    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int file, byte* buffer, nint count);
    [LibraryImport("libc")]
    private static partial int posix_spawnp(int* pid, byte* file, void* actions, void* attributes, byte** arguments, byte** environment);
    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(void* actions);
    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(void* actions);
    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);
    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_addchdir_np(void* actions, byte* directory);
    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(void* attributes);
    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(void* attributes);
    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(void* attributes, short flags);
    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);
    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);

    [StructLayout(LayoutKind.Sequential)]
    public struct PollEntry
    {
        public int File;
        public short Events, Revents;
    }

    public static (int Ours, int Theirs) NewSocketPair()
    {
        var pair = stackalloc int[2];
        if (SocketPair(UnixFamily, StreamSocket | CloseOnExec, 0, pair) != 0) throw new IOException("no more files can be opened");
        return (pair[0], pair[1]);
    }

    public static (int Read, int Write) NewPipe()
    {
        var pair = stackalloc int[2];
        if (Pipe(pair, CloseOnExec) != 0) throw new IOException("no more files can be opened");
        return (pair[0], pair[1]);
    }

    /// <summary>
    /// Starts a program as leader of a session and process group of its own, with these files as 0, 1 and 2 and
    /// nothing else inherited. posix_spawn does not copy our address space, so it is quick whatever our size.
    /// </summary>
    public static int Spawn(string[] command, string? directory, IEnumerable<string> environment, int input, int output, int error)
    {
        // Larger than the opaque structures of glibc and musl; two signal sets of 128 bytes.
        var actions = stackalloc byte[256];
        var attributes = stackalloc byte[512];
        var none = stackalloc byte[128];
        var all = stackalloc byte[128];
        new Span<byte>(none, 128).Clear();
        new Span<byte>(all, 128).Fill(0xFF);
        posix_spawn_file_actions_init(actions);
        posix_spawnattr_init(attributes);
        var strings = new List<nint>();
        try
        {
            posix_spawn_file_actions_adddup2(actions, input, 0);
            posix_spawn_file_actions_adddup2(actions, output, 1);
            posix_spawn_file_actions_adddup2(actions, error, 2);
            if (directory is not null) posix_spawn_file_actions_addchdir_np(actions, Text(directory, strings));
            // The runtime ignores SIGPIPE and blocks nothing; the server gets the defaults.
            posix_spawnattr_setflags(attributes, SetSid | SetSigMask | SetSigDefault);
            posix_spawnattr_setsigdefault(attributes, all);
            posix_spawnattr_setsigmask(attributes, none);
            var pid = 0;
            var result = posix_spawnp(&pid, Text(command[0], strings), actions, attributes, Vector(command, strings), Vector([.. environment], strings));
            if (result != 0) throw new IOException($"cannot start {command[0]}: {Marshal.GetPInvokeErrorMessage(result)}");
            return pid;
        }
        finally
        {
            foreach (var text in strings) Marshal.FreeCoTaskMem(text);
            posix_spawn_file_actions_destroy(actions);
            posix_spawnattr_destroy(attributes);
        }
    }

    static byte* Text(string text, List<nint> strings)
    {
        var memory = Marshal.StringToCoTaskMemUTF8(text);
        strings.Add(memory);
        return (byte*)memory;
    }

    static byte** Vector(string[] texts, List<nint> strings)
    {
        var memory = Marshal.AllocCoTaskMem((texts.Length + 1) * sizeof(nint));
        strings.Add(memory);
        var vector = (byte**)memory;
        for (var i = 0; i < texts.Length; i++) vector[i] = Text(texts[i], strings);
        vector[texts.Length] = null;
        return vector;
    }
}
