using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace McpCan.Server.Runtimes;

/// <summary>Pseudo-terminals.</summary>
internal static unsafe partial class Linux
{
    public const int ReadWrite = 2;
    private const int NoControllingTerminal = 0x100;
    private const nuint TerminalNumber = 0x80045430, TerminalLock = 0x40045431, TerminalSize = 0x5414;

    /// <summary>Makes a pseudo-terminal; the result is our end and the number of the other.</summary>
    public static (int File, int Number) OpenTerminal()
    {
        var file = Open("/dev/ptmx", ReadWrite | NoControllingTerminal | OpenCloseOnExec | OpenNonBlock, 0);
        int number = 0, unlocked = 0;
        if (file >= 0 && Control(file, TerminalNumber, &number) == 0 && Control(file, TerminalLock, &unlocked) == 0) return (file, number);
        var error = Marshal.GetLastPInvokeError();
        if (file >= 0) _ = Close(file);
        throw new IOException($"This machine gives no pseudo-terminal (error {error}).");
    }

    public static int OpenTerminalEnd(string path) => Open(path, ReadWrite | NoControllingTerminal | OpenCloseOnExec, 0);

    public static void ResizeTerminal(int file, int columns, int rows)
    {
        var size = stackalloc ushort[4] { (ushort)rows, (ushort)columns, 0, 0 };
        _ = Control(file, TerminalSize, size);
    }

    /// <summary>Reads what is there: null when that is nothing yet, 0 when nothing will come any more.</summary>
    public static int? Read(SafeFileHandle file, Span<byte> buffer)
    {
        try
        {
            fixed (byte* start = buffer) return Outcome(ReadSome(file, start, (nuint)buffer.Length));
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Writes what finds room: null when that is nothing yet, 0 when nobody will read it any more.</summary>
    public static int? Write(SafeFileHandle file, ReadOnlySpan<byte> buffer)
    {
        try
        {
            fixed (byte* start = buffer) return Outcome(WriteSome(file, start, (nuint)buffer.Length));
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Waits until there is something to read, or nothing will come any more.</summary>
    public static void WaitReadable(SafeFileHandle file, int milliseconds)
    {
        const short readable = 1;
        var added = false;
        try
        {
            file.DangerousAddRef(ref added);
            var poll = new PollEntry { File = (int)file.DangerousGetHandle(), Wanted = readable };
            _ = Poll(&poll, 1, milliseconds);
        }
        catch (ObjectDisposedException)
        {
            // the next read says so
        }
        finally
        {
            if (added) file.DangerousRelease();
        }
    }

    private static int? Outcome(nint count)
    {
        const int interrupted = 4, again = 11;
        return count >= 0 ? (int)count : Marshal.GetLastPInvokeError() is interrupted or again ? null : 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int File;
        public short Wanted;
        public short Seen;
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadSome(SafeFileHandle file, byte* buffer, nuint count);
    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteSome(SafeFileHandle file, byte* buffer, nuint count);
    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollEntry* entries, nuint count, int milliseconds);
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int file, nuint request, void* argument);
}
